//! The long run: every process killed in turn, for many rounds. What is killed and what has to hold
//! is `tests/e2e`'s.

use anyhow::{Context as _, Result};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::process::Command;

/// Runs so many rounds from a seed, printing each; true when all of them held.
///
/// # Errors
/// A test that cannot be run at all.
pub fn run(root: &Path, rounds: u32, seed: u64) -> Result<bool> {
    println!("soak: {rounds} rounds, seed {seed}; the same again with --seed {seed}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With the whole workspace, so that what `verify` built is built.
    let status = Command::new(cargo)
        .args(["test", "--locked", "--release", "--workspace", "--test", "processes"])
        .args(["--", "kills::", "--nocapture"])
        .env("FLEETLOG_E2E_ROUNDS", rounds.to_string())
        .env("FLEETLOG_E2E_SEED", seed.to_string())
        .current_dir(root)
        .status();
    Ok(status.context("run the kills")?.success())
}

/// A seed for who names none: another one each time, short enough to be typed again.
#[must_use]
pub fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}
