//! Starting a server under a supervisor, so that it never outlives the process that wanted it.
//!
//! A binary that calls [`enter`] hosts the supervisor itself. Others (test programs) get it
//! compiled once into the cache folder from the very source of [`crate::supervisor`]. What the
//! server does is not known here.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cache;
use crate::error::ToolError;
use crate::supervisor::supervisor_main;

/// The first argument by which a binary of ours is told to be the supervisor.
pub const SUBCOMMAND: &str = "__supervise";
/// Tells a supervisor which folder goes with its server.
const REMOVE_ENV: &str = "FLEETLOG_SUPERVISE_REMOVE";
/// Names a supervisor explicitly.
pub const SUPERVISOR_ENV: &str = "FLEETLOG_SUPERVISOR";

const SOURCE: &str = include_str!("supervisor.rs");
const MAIN: &str = "//! The supervisor as a program of its own.\nmod supervisor;\nfn main() {\n    \
    std::process::exit(supervisor::supervisor_main(std::env::args().skip(2)));\n}\n";

static HOST: OnceLock<PathBuf> = OnceLock::new();

/// To be called first in `main`: becomes the supervisor if the first argument says so (and does not
/// return), else remembers that this binary can be one.
pub fn enter() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(SUBCOMMAND) {
        std::process::exit(supervisor_main(args));
    }
    if let Ok(me) = std::env::current_exe() {
        let _ = HOST.set(me);
    }
}

/// A server under its supervisor; it is killed when this is dropped, and when this process dies.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Child,
    pipe: Option<ChildStdin>,
    pid: u32,
}

impl Supervised {
    /// Starts `program` with `args`; its output is appended to `log`.
    ///
    /// # Errors
    /// [`ToolError::NoSupervisor`], or [`ToolError::NotStarted`] when the program cannot be run.
    pub fn start(
        tool: &'static str,
        program: &Path,
        args: &[String],
        log: &Path,
    ) -> Result<Self, ToolError> {
        Self::start_in(tool, program, args, log, None)
    }

    /// As [`Self::start`]; `folder` is removed with all that is in it once the program has ended,
    /// however this process ends.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_in(
        tool: &'static str,
        program: &Path,
        args: &[String],
        log: &Path,
        folder: Option<&Path>,
    ) -> Result<Self, ToolError> {
        let host = supervisor_binary()?;
        let mut command = Command::new(&host);
        command.arg(SUBCOMMAND).arg(log).arg(program).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        if let Some(folder) = folder {
            command.env(REMOVE_ENV, folder);
        }
        // A group of its own: an interrupt typed at the terminal is for us, who then end the server
        // in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let step = format!("run the supervisor \"{}\"", host.display());
        let mut supervisor = command.spawn().map_err(ToolError::io(step))?;
        let pipe = supervisor.stdin.take();
        let mut line = String::new();
        if let Some(out) = supervisor.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let Some(pid) = line.trim().strip_prefix("pid ").and_then(|n| n.parse().ok()) else {
            let _ = supervisor.wait();
            let reason = format!("\"{}\" cannot be run", program.display());
            let tail = tail_of(log);
            return Err(ToolError::NotStarted { tool, reason, log: log.to_path_buf(), tail });
        };
        Ok(Self { supervisor, pipe, pid })
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How the server ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Waits until the server has ended by itself, for at most `most`.
    pub fn wait_exited(&mut self, most: Duration) -> Option<ExitStatus> {
        poll(most, || self.exited())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.supervisor.wait();
    }
}

/// Asks `look` every 5 ms until it has an answer, for about `most`.
pub(crate) fn poll<T>(most: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let step = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if waited >= most {
            return None;
        }
        std::thread::sleep(step);
        waited += step;
    }
}

/// The last lines of a log, for messages.
pub(crate) fn tail_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The program that can be the supervisor: named, this very one, or the compiled one of the cache.
fn supervisor_binary() -> Result<PathBuf, ToolError> {
    if let Some(named) = std::env::var_os(SUPERVISOR_ENV).filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    if let Some(me) = HOST.get() {
        return Ok(me.clone());
    }
    let dir = cache::tools_dir()?;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(SOURCE.as_bytes())[..6]);
    let name = format!("supervisor-{digest}-{}", cache::platform());
    let target = dir.join(&name);
    let binary = target.join(format!("fleetlog-supervise{}", std::env::consts::EXE_SUFFIX));
    if binary.is_file() {
        return Ok(binary);
    }
    let _lock = cache::lock(&dir, &name)?;
    if !binary.is_file() {
        cache::place(&target, compile)?;
    }
    Ok(binary)
}

fn compile(dir: &Path) -> Result<(), ToolError> {
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).map_err(ToolError::io(format!("write \"{name}\"")))
    };
    write("supervisor.rs", SOURCE)?;
    write("main.rs", MAIN)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let file = format!("fleetlog-supervise{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "-O", "-o"]).arg(&file).arg("main.rs").current_dir(dir);
    let output =
        command.output().map_err(|why| ToolError::NoSupervisor(format!("rustc: {why}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ToolError::NoSupervisor(format!("rustc refused its source: {said}")))
}
