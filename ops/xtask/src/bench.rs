//! Builds and runs the benchmarks. What they measure is theirs.

use crate::cargo::cargo;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// The suite that is measured by two programs: the domain alone, and placements end to end.
const PLACEMENT: &str = "placement";
/// The suite that has a program of its own.
const LOG: &str = "log";
/// Another, beside the program that it measures.
const GATEWAY: &str = "gateway";

/// Builds the programs that are measured and the benchmarks, then runs a suite; true when it ran
/// to its end.
///
/// # Errors
/// A build that cannot be run.
pub fn run(root: &Path, suite: &[String]) -> Result<bool> {
    let name = suite.first().map_or("", String::as_str);
    let packages: &[&str] = match name {
        PLACEMENT => &["fleetlog-placement-bench", "fleetlog-bench"],
        LOG => &["fleetlog-log-bench"],
        GATEWAY => &["fleetlog-gateway", "fleetlog-gateway-bench"],
        _ => &["fleetlog-cli", "fleetlog-work", "fleetlog-bench"],
    };
    // Standard output belongs to the figures.
    let named = packages.iter().flat_map(|package| ["--package", package]);
    let built = cargo(root, &["build", "--release"])
        .args(named)
        .stdout(Stdio::null())
        .status()
        .context("build the benchmarks")?;
    if !built.success() {
        return Ok(false);
    }
    let program = |package: &str, arguments: &[String]| {
        let words = ["run", "--release", "--quiet", "--package", package, "--"];
        let mut run = cargo(root, &words);
        run.args(arguments);
        run
    };
    let flags = suite.get(1..).unwrap_or_default();
    if name != PLACEMENT {
        let mut run = match name {
            LOG => program("fleetlog-log-bench", flags),
            GATEWAY => program("fleetlog-gateway-bench", flags),
            _ => program("fleetlog-bench", suite),
        };
        return Ok(run.status().context("run the benchmarks")?.success());
    }
    let decide: Vec<String> = [vec!["decide".to_owned()], flags.to_vec()].concat();
    both(program("fleetlog-placement-bench", flags), program("fleetlog-bench", &decide), flags)
}

/// Runs two programs one after the other; their JSON is printed as one array.
fn both(mut first: Command, mut second: Command, flags: &[String]) -> Result<bool> {
    if !flags.iter().any(|flag| flag == "--json") {
        let ran = |run: &mut Command| run.status().context("run the benchmarks");
        return Ok(ran(&mut first)?.success() && ran(&mut second)?.success());
    }
    let mut figures: Vec<serde_json::Value> = vec![];
    for run in [&mut first, &mut second] {
        let ran = run.stderr(Stdio::inherit()).output().context("run the benchmarks")?;
        if !ran.status.success() {
            return Ok(false);
        }
        let some: Vec<serde_json::Value> =
            serde_json::from_slice(&ran.stdout).context("read the figures")?;
        figures.extend(some);
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(true)
}
