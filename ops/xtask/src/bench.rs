//! Builds and runs the benchmarks. What they measure is theirs.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// The suite that has a package of its own.
const PLACEMENT: &str = "placement";

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
    let (packages, arguments): (&[&str], &[String]) = match suite.split_first() {
        Some((first, rest)) if first == PLACEMENT => (&["fleetlog-placement-bench"], rest),
        _ => (&["fleetlog-cli", "fleetlog-work", "fleetlog-bench"], suite),
    };
    // Standard output belongs to the figures.
    let named = packages.iter().flat_map(|package| ["--package", package]);
    let built = cargo()
        .args(["build", "--release"])
        .args(named)
        .stdout(Stdio::null())
        .status()
        .context("build the benchmarks")?;
    if !built.success() {
        return Ok(false);
    }
    let last = packages.last().copied().unwrap_or_default();
    let ran = cargo()
        .args(["run", "--release", "--quiet", "--package", last, "--"])
        .args(arguments)
        .status()
        .context("run the benchmarks")?;
    Ok(ran.success())
}
