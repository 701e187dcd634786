//! Folders: every package, and every folder of the first two levels, has a short README; at the
//! top lies only what the architecture lists.

use std::collections::BTreeSet;
use std::path::Path;

use crate::offence::Offence;
use crate::tree::{Entry, walk};

const RULE: &str = "folders";

/// Most lines of the README of a folder.
const README: usize = 60;

/// What may lie at the top; hidden names are not looked at.
const TOP: [&str; 17] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "agents",
    "clippy.toml",
    "deny.toml",
    "ops",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "services",
    "tests",
];

/// Folders without a README, READMEs that are too long, strangers at the top.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let entries = walk(root);
    let files: BTreeSet<&str> =
        entries.iter().filter(|entry| !entry.folder).map(|entry| &*entry.place).collect();
    let has = |folder: &str, file: &str| files.contains(&*format!("{folder}/{file}"));
    let depth = |place: &str| place.matches('/').count();
    let silent = entries.iter().filter(|entry| {
        let named = depth(&entry.place) < 2 || has(&entry.place, "Cargo.toml");
        entry.folder && named && !has(&entry.place, "README.md")
    });
    let silent = silent.map(|entry| Offence::of(RULE, &entry.place, "has no README.md"));
    let strangers =
        entries.iter().filter(|entry| depth(&entry.place) == 0 && !TOP.contains(&&*entry.place));
    let strangers = strangers.map(|entry| Offence::of(RULE, &entry.place, "does not belong here"));
    silent.chain(strangers).chain(entries.iter().filter_map(long)).collect()
}

fn long(entry: &Entry) -> Option<Offence> {
    let folder = entry.place.strip_suffix("/README.md")?;
    let lines = entry.text().lines().count();
    let what = format!("its README.md has {lines} lines, at most {README} are allowed");
    (lines > README).then(|| Offence::of(RULE, folder, what))
}
