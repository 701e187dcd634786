//! Dotted subjects are built and read in one module, and listed in topology's data; a string that
//! looks like one anywhere else is a bug.

use std::path::Path;

use crate::offence::Offence;
use crate::source::{self, Source};

const RULE: &str = "subjects";

/// Where subjects are spelled.
const HOMES: [&str; 3] =
    ["schemas/messages/src/subject.rs", "schemas/messages/src/subject/", "ops/topology/src/"];

/// Strings outside tests that spell a subject.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let at_home = |place: &str| HOMES.iter().any(|home| place.starts_with(home));
    let sources = source::all(root);
    sources.iter().filter(|source| !at_home(&source.place)).flat_map(offences).collect()
}

fn offences(source: &Source) -> Vec<Offence> {
    let strings = source.strings.iter().filter(|s| !source.is_test(s.line));
    let spelled = strings.filter(|s| is_subject(&s.text));
    spelled
        .map(|s| {
            Offence::at(RULE, &source.place, s.line, format!("\"{}\" spells a subject", s.text))
        })
        .collect()
}

/// `fl.` at a word's beginning, followed by a token.
fn is_subject(text: &str) -> bool {
    text.match_indices("fl.").any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + 3..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/".contains(c))
            && after.is_some_and(|c| c.is_ascii_lowercase() || "*>{".contains(c))
    })
}
