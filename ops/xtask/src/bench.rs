//! Builds and runs the benchmarks. What they measure is theirs.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// Builds the programs that are measured and the benchmarks, then runs a suite; true when it ran
/// to its end.
///
/// # Errors
/// A build that cannot be run.
pub fn run(root: &Path, suite: &[String]) -> Result<bool> {
    let cargo = || {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root);
        cargo
    };
    // Standard output belongs to the figures.
    let built = cargo()
        .args(["build", "--release", "--package", "fleetlog-cli"])
        .args(["--package", "fleetlog-work", "--package", "fleetlog-bench"])
        .stdout(Stdio::null())
        .status()
        .context("build the benchmarks")?;
    if !built.success() {
        return Ok(false);
    }
    let ran = cargo()
        .args(["run", "--release", "--quiet", "--package", "fleetlog-bench", "--"])
        .args(suite)
        .status()
        .context("run the benchmarks")?;
    Ok(ran.success())
}
