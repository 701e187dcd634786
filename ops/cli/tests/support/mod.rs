//! A development hub as a process of its own, and the command run against it as a user runs it.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What one run of the command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a run that has to succeed.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    /// The message of a run that has to be refused: a code, a sentence, an advice.
    pub fn refused(self) -> String {
        assert_ne!(self.code, 0, "it was not refused:\n{}", self.out);
        let first = self.err.lines().find(|l| l.starts_with("error ")).unwrap_or_default();
        let code = first.strip_prefix("error ").and_then(|l| l.split(':').next()).unwrap_or("");
        let (letters, digits) = code.split_at_checked(code.len().max(4) - 4).unwrap_or_default();
        let coded = (3..=4).contains(&letters.len())
            && letters.chars().all(|c| c.is_ascii_uppercase())
            && digits.len() == 4
            && digits.chars().all(|c| c.is_ascii_digit());
        assert!(coded, "no code in: {}", self.err);
        assert!(self.err.contains("\n  try: "), "no advice in: {}", self.err);
        self.err
    }

    pub fn json(self) -> serde_json::Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Runs the command without a hub.
pub fn fleetlog(arguments: &[&str]) -> Ran {
    run(Command::new(env!("CARGO_BIN_EXE_fleetlog")).args(arguments), "")
}

fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .env_remove("FLEETLOG_DATA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `fleetlog dev` on a folder of its own; it ends with this value.
pub struct Dev {
    child: Child,
    dir: PathBuf,
    _temporary: Option<TempDir>,
}

impl Dev {
    pub fn start(clusters: usize) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut dev = Self::start_in(temporary.path(), clusters);
        dev._temporary = Some(temporary);
        dev
    }

    pub fn start_in(dir: &Path, clusters: usize) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetlog"))
            .args(["dev", "--clusters", &clusters.to_string(), "--data"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut lines = BufReader::new(output).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line.contains("ready")));
        assert!(ready, "the hub did not come up");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, dir: dir.to_owned(), _temporary: None }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.feed(arguments, "")
    }

    /// Runs a command with something on its standard input.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        run(command.args(arguments).arg("--data").arg(&self.dir), input)
    }

    /// Waits until every cluster is available.
    pub fn clusters_available(&self) {
        let condition = "--for=condition=ManagedClusterConditionAvailable";
        self.run(&["wait", "managedclusters", condition, "--timeout", "60s"]).ok();
    }

    /// Ends the process without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
