//! What CI runs: formatting, lints, each pure package alone, all tests and doc tests; then one line
//! of counts. The servers that tests need are obtained first. It changes nothing in the checkout.

use crate::cargo::cargo;
use anyhow::{Context as _, Result, bail};
use fleetlog_tools::ToolError;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Packages that may not reach I/O: each has to build without the features of others.
pub const PURE: [&str; 9] = [
    "fleetlog-kernel",
    "fleetlog-messages",
    "fleetlog-objects",
    "fleetlog-rules",
    "fleetlog-registration-domain",
    "fleetlog-placement-domain",
    "fleetlog-addon-domain",
    "fleetlog-work-domain",
    "fleetlog-agent-core",
];

/// What the tests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// Those that could not run here, by name and reason.
    pub skipped: Vec<String>,
}

impl Counts {
    /// Counts one line of the test runner's output.
    pub fn take(&mut self, line: &str) {
        if let Some(skipped) = line.strip_prefix("skipped: ") {
            self.skipped.push(skipped.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            match (number, words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Obtains the servers that tests need, so that no test waits minutes for one without a word.
///
/// # Errors
/// One that cannot be had, where `CI` is set; elsewhere the tests that need it are skipped.
fn obtain() -> Result<()> {
    let say = |step: &str| println!("verify: {step}");
    type Find = fn(fleetlog_tools::Progress<'_>) -> std::result::Result<PathBuf, ToolError>;
    let all: [Find; 3] =
        [fleetlog_tools::nats_server, fleetlog_tools::etcd, fleetlog_tools::kube_apiserver];
    for find in all {
        if let Err(error) = find(&say) {
            let why = format!("{} {error}; {}", error.code(), error.advice());
            if std::env::var_os("CI").is_some() {
                bail!("{why}");
            }
            println!("verify: {why}");
        }
    }
    Ok(())
}

/// Runs everything; true when all of it is well.
///
/// # Errors
/// A step that cannot be run at all.
pub fn run(root: &Path) -> Result<bool> {
    obtain()?;
    let steps: [(&str, Vec<&str>); 2] = [
        ("formatting", vec!["fmt", "--all", "--", "--check"]),
        (
            "lints",
            vec![
                "clippy",
                "--locked",
                "--release",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
    ];
    let mut sound = true;
    for (name, arguments) in steps {
        sound &= step(root, name, &arguments)?;
    }
    for package in PURE {
        let name = format!("{package} alone");
        sound &= step(
            root,
            &name,
            &["check", "--locked", "--release", "--quiet", "--package", package],
        )?;
    }
    let (counts, ended_well) = tests(root)?;
    if counts.passed == 0 {
        bail!("no test ran");
    }
    for skipped in &counts.skipped {
        println!("skipped: {skipped}");
    }
    if !sound {
        println!("verify: a check before the tests failed, see above");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(sound && ended_well && counts.failed == 0)
}

fn step(root: &Path, name: &str, arguments: &[&str]) -> Result<bool> {
    println!("verify: {name}");
    let status = cargo(root, arguments).status();
    Ok(status.with_context(|| format!("run cargo for {name}"))?.success())
}

/// Runs the tests, shows their output as it comes, and counts.
fn tests(root: &Path) -> Result<(Counts, bool)> {
    println!("verify: tests");
    let mut child =
        cargo(root, &["test", "--locked", "--release", "--workspace", "--no-fail-fast"])
            .stdout(Stdio::piped())
            .spawn()
            .context("run cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut counts = Counts::default();
    let mut screen = std::io::stdout().lock();
    for line in BufReader::new(output).lines() {
        let line = line?;
        counts.take(&line);
        writeln!(screen, "{line}")?;
    }
    Ok((counts, child.wait()?.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_s_lines_are_counted() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.01s",
            "skipped: kube (no kube-apiserver)",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counts.take(line);
        }
        let skipped = vec!["kube (no kube-apiserver)".to_owned()];
        assert_eq!(counts, Counts { passed: 4, failed: 2, skipped });
    }
}
