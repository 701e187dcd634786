//! Two parts of the long run: placement held against its reference over many histories, and every
//! process killed in turn and at named places, for many rounds. What has to hold is the tests'.

use crate::cargo::cargo;
use anyhow::{Context as _, Result};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

/// One test of the whole workspace, so that what `verify` built is built.
const TEST: [&str; 5] = ["test", "--locked", "--release", "--workspace", "--test"];

/// Runs so many rounds from a seed, printing each; true when all of them held.
///
/// # Errors
/// A test that cannot be run at all.
pub fn run(root: &Path, rounds: u32, seed: u64) -> Result<bool> {
    println!("soak: {rounds} rounds, seed {seed}; the same again with --seed {seed}");
    let status = cargo(root, &[&TEST[..], &["processes"]].concat())
        .args(["--", "kills::", "places::", "--nocapture"])
        .env("FLEETLOG_E2E_ROUNDS", rounds.to_string())
        .env("FLEETLOG_E2E_SEED", seed.to_string())
        .status();
    Ok(status.context("run the kills")?.success())
}

/// Has so many histories of placement compared with the reference scheduler; true when none
/// differs.
///
/// # Errors
/// A test that cannot be run at all.
pub fn histories(root: &Path, histories: u32) -> Result<bool> {
    println!("soak: {histories} histories of placement against the reference");
    let status = cargo(root, &[&TEST[..], &["against_reference"]].concat())
        .args(["--", "many_histories"])
        .env("FLEETLOG_SEEDS", histories.to_string())
        .status();
    Ok(status.context("run the histories")?.success())
}

/// A seed for who names none: another one each time, short enough to be typed again.
#[must_use]
pub fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}
