//! One program that runs, can be killed as by SIGKILL, and started again with the same words. It
//! ends with its value, and with the test's process however that ends.

use anyhow::Result;
use fleetlog_tools::supervise::Supervised;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// How much of a log is shown when a test fails, in lines.
const SHOWN: usize = 40;

/// A program and its life.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    running: Option<Supervised>,
}

impl Process {
    /// Starts a program; what it says goes to a log in `folder`.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn start(name: &str, program: &str, arguments: Vec<String>, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (program, log) = (PathBuf::from(program), folder.join(format!("{name}.log")));
        let mut process = Self { name: name.to_owned(), program, arguments, log, running: None };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it again, where it does not run.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn start_again(&mut self) -> Result<()> {
        if self.running.is_none() {
            let (program, log) = (&self.program, &self.log);
            self.running = Some(Supervised::start("fleetlog", program, &self.arguments, log)?);
        }
        Ok(())
    }

    /// SIGKILL; returns once it is gone.
    pub fn kill(&mut self) {
        drop(self.running.take());
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.running.as_mut()?.exited()
    }

    /// Everything it said so far, over all its lives.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            eprintln!("what {} said last:\n{last}\n", self.name);
        }
    }
}
