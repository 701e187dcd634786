//! A development hub as a process of its own, and the command run against it as a user runs it.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
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

/// Runs the command on the hub of a folder, with something on its standard input.
pub fn fleetlog_in(dir: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
    run(command.args(arguments).arg("--data").arg(dir), input)
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
    said: Arc<Mutex<String>>,
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
        Self::start_with(dir, &["--clusters", &clusters.to_string()])
    }

    /// Starts it with these flags, and waits until it is ready.
    pub fn start_with(dir: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fleetlog"))
            .arg("dev")
            .args(flags)
            .arg("--data")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (errors, heard) = (child.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || listen(errors, &heard));
        let output = child.stdout.take().unwrap();
        let mut lines = BufReader::new(output).lines();
        let mut heard = |line: std::io::Result<String>| {
            let line = line.unwrap_or_default();
            said.lock().unwrap().push_str(&format!("{line}\n"));
            line.contains("ready")
        };
        assert!(lines.any(&mut heard), "the hub did not come up");
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self { child, dir: dir.to_owned(), said, _temporary: None }
    }

    /// What it has printed and logged so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub fn says(&self, words: &str) {
        until(words, || self.said().contains(words).then_some(()));
    }

    /// The process of its nats-server, once that can be spoken to.
    pub fn server_pid(&self) -> u64 {
        until("a running nats-server", || {
            let text = std::fs::read_to_string(self.dir.join("hub.json")).ok()?;
            let hub: serde_json::Value = serde_json::from_str(&text).ok()?;
            hub["natsPid"].as_u64()
        })
    }

    /// Sends a signal (`INT`, `TERM`) to the hub itself.
    pub fn signal(&self, name: &str) {
        signal(name, u64::from(self.child.id()));
    }

    /// Waits until it has ended; its exit code.
    pub fn ended(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.feed(arguments, "")
    }

    /// Runs a command with something on its standard input.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Ran {
        fleetlog_in(&self.dir, arguments, input)
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

/// A work of one object, "hello", for a cluster.
pub fn hello(cluster: &str) -> String {
    format!(
        "
apiVersion: work.open-cluster-management.io/v1
kind: ManifestWork
metadata: {{name: hello, namespace: {cluster}}}
spec:
  workload:
    manifests:
      - apiVersion: v1
        kind: ConfigMap
        metadata: {{name: hello, namespace: default}}
        data: {{greeting: hello}}
"
    )
}

/// Sends a signal to a process.
pub fn signal(name: &str, pid: u64) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "no process {pid}");
}

/// How long anything may take to come about, on a machine that is very busy.
const WITHIN: Duration = Duration::from_secs(180);

/// Looks again and again until something is found, however long a look itself takes.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < WITHIN, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listen(errors: impl std::io::Read, heard: &Mutex<String>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        eprintln!("{line}");
        heard.lock().unwrap().push_str(&format!("{line}\n"));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
