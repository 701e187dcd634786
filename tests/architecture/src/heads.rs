//! The first line of every Rust file says what the file is for (style, "Comments and docs").

use std::path::Path;

use crate::offence::Offence;
use crate::tree;

const RULE: &str = "heads";

/// Files that do not begin with what they are for.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let says = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|rest| rest.trim().len() > 10)
    };
    let silent = tree::rust(root).into_iter().filter(|entry| !says(&entry.text()));
    let what = "the first line is not a `//!` that says what the file is for";
    silent.map(|entry| Offence::at(RULE, entry.place, 1, what)).collect()
}
