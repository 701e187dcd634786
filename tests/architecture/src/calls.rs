//! Calls that have one place, or none: clocks, random ids, detached tasks, what chance decides, and
//! ways to panic outside tests. Stands beside the lints of clippy, which an attribute can silence.

use std::path::Path;

use crate::exceptions::judged;
use crate::offence::Offence;
use crate::source::{self, Source};

const RULE: &str = "calls";

/// What nobody calls, tests included.
const NOWHERE: [(&str, &str); 7] = [
    ("tokio::spawn(", "a detached task hides its panic"),
    ("task::spawn(", "a detached task hides its panic"),
    ("SystemTime::now", "time is an input"),
    ("Utc::now", "time is an input"),
    ("Local::now", "time is an input"),
    ("Uuid::new_v4", "identity is an input"),
    ("Uuid::now_v7", "identity is an input"),
];

/// What only tests call.
const IN_TESTS: [(&str, &str); 6] = [
    (".unwrap()", "an error has a name"),
    (".expect(", "an error has a name"),
    ("panic!(", "every panic is a bug"),
    ("todo!(", "nothing is left to do"),
    ("unimplemented!(", "nothing is left to do"),
    ("dbg!(", "logs go through tracing"),
];

/// Calls in the wrong place.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    judged(source::all(root).iter().flat_map(offences).collect())
}

fn offences(source: &Source) -> Vec<Offence> {
    let found = |line: usize, call: &str, why: &str| {
        Offence::at(RULE, &source.place, line, format!("`{call}`: {why}"))
    };
    let mut offences = Vec::new();
    for (at, code) in source.code.iter().enumerate() {
        let hits = NOWHERE.iter().filter(|(call, _)| calls(code, call));
        offences.extend(hits.map(|(call, why)| found(at + 1, call, why)));
        if code.contains("std::time::") && code.contains("Instant") {
            let why = "take tokio's, which tests can pause";
            offences.push(found(at + 1, "std::time::Instant", why));
        }
    }
    offences.extend(chances(source));
    for (line, code) in source.served() {
        let hits = IN_TESTS.iter().filter(|(call, _)| calls(code, call));
        offences.extend(hits.map(|(call, why)| found(line, call, why)));
    }
    offences
}

/// What tokio decides by a random number of its own, which no seed can play again.
fn chances(source: &Source) -> impl Iterator<Item = Offence> {
    let mut lines = source.served().peekable();
    std::iter::from_fn(move || {
        let (line, code) = lines.next()?;
        let next = lines.peek().map_or("", |(_, code)| code.trim());
        let chance = if code.contains("select! {") && next != "biased;" {
            Some("`select!` without `biased`: its order is chance")
        } else if code.contains("tokio::sync") && calls(code, "watch") {
            Some(
                "`tokio::sync::watch`: it wakes in an order of chance, take the chassis' `Watched`",
            )
        } else {
            None
        };
        Some(chance.map(|what| Offence::at(RULE, &source.place, line, what)))
    })
    .flatten()
}

/// Whether a line has this call, and not one whose name merely ends so.
fn calls(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        call.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}
