//! The program in Go: built once for each run of the tests, and run in one of its ways.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// Where its sources lie.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/goclient");
/// What is said where it cannot be had.
const ADVICE: &str = "install Go 1.26 or newer (https://go.dev/dl); modules come from GOPROXY";

/// Go's own commands, in the folder of the sources, as the machine's settings leave them.
fn go(words: &[&str]) -> Command {
    let mut command = Command::new("go");
    command.args(words).current_dir(SOURCES).stdin(Stdio::null());
    command.env("GOFLAGS", "").env("GOWORK", "off").env("CGO_ENABLED", "0");
    command
}

/// Runs it to its end.
fn ran(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => "Go is missing".to_owned(),
        _ => format!("Go cannot be run: {why}"),
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("Go says: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Says something past the runner, which keeps what a test prints to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "\n{text}");
}

fn built() -> Result<PathBuf, String> {
    say("building the clients in Go; the first time takes some minutes");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("goclient");
    let mut build = go(&["build", "-trimpath", "-mod=readonly", "-buildvcs=false", "-o"]);
    build.arg(&program).arg(".");
    ran(build).map(|_| program)
}

/// The program. Where there is no Go, `what` counts as skipped, as with a real kube-apiserver;
/// where `CI` is set everything has to be tested.
pub fn program(what: &str) -> Option<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BUILT.get_or_init(built) {
        Ok(program) => Some(program),
        Err(why) => {
            let may_lack = why == "Go is missing" && std::env::var_os("CI").is_none();
            assert!(may_lack, "{why}; {ADVICE}");
            say(&format!("skipped: {what}: {why}; {ADVICE}"));
            None
        }
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Runs it as `behaviour` says, against gateways.
    pub fn start(program: &Path, behaviour: &str, gateways: &[PathBuf], streams: Streams) -> Self {
        let mut command = Command::new(program);
        command.arg(behaviour).args(gateways).env_remove("KUBECONFIG");
        command.env("KUBE_FEATURE_WatchListClient", streams.word());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, lines: BufReader::new(output).lines() }
    }

    /// What it says next: how it went so far.
    pub fn next(&mut self) -> Value {
        let line = tokio::task::block_in_place(|| self.lines.next());
        let said: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        assert_eq!(said.get("error"), None, "{said}");
        said
    }

    /// Tells it something.
    pub fn tell(&mut self, word: &str) {
        writeln!(self.input.as_mut().unwrap(), "{word}").unwrap();
    }

    /// Tells it that there is no more, and answers its last words.
    pub fn end(mut self) -> Value {
        drop(self.input.take());
        self.next()
    }
}

/// How informers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// With a watch that tells first what there is, as clients of today do.
    Begun,
    /// With a list, as before.
    Off,
}

impl Streams {
    const fn word(self) -> &'static str {
        match self {
            Self::Begun => "true",
            Self::Off => "false",
        }
    }
}

#[test]
fn the_program_is_formatted() {
    if program("the form of the clients in Go").is_none() {
        return;
    }
    let root = ran(go(&["env", "GOROOT"])).unwrap();
    let mut format = Command::new(Path::new(root.trim()).join("bin/gofmt"));
    format.args(["-l", SOURCES]);
    assert_eq!(ran(format).unwrap(), "", "these are not as gofmt has them");
}
