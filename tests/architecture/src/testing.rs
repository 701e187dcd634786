//! What tests may not do: be ignored, sleep, assert nothing (style, "Tests: the ladder").

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::exceptions::judged;
use crate::offence::Offence;
use crate::source::{Function, Source};
use crate::tree;

const RULE: &str = "testing";

/// What makes a function fail when something is wrong.
const ASSERTIONS: [&str; 6] = ["assert", "expect", "unwrap", "panic!", "refused", "bail!"];

/// The assertions that domain tests share.
const HARNESS: &str = "schemas/kernel/src/spec.rs";

/// Tests that are ignored, that sleep, or that cannot fail.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let sources: Vec<Source> = tree::rust(root).iter().map(Source::read).collect();
    let mut packages: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in &sources {
        packages.entry(package(&source.place)).or_default().push(source);
    }
    let harness: Vec<&Source> = sources.iter().filter(|source| source.place == HARNESS).collect();
    let offences = packages.values().flat_map(|package| {
        let helpers: Vec<&Source> = package.iter().chain(&harness).copied().collect();
        let asserting = asserting(&helpers);
        package.iter().flat_map(|source| offences(source, &asserting)).collect::<Vec<_>>()
    });
    judged(offences.collect())
}

/// The folder of a package, by the folders that only a package has.
fn package(place: &str) -> &str {
    let ends = ["/src/", "/tests/", "/benches/"].iter().filter_map(|part| place.find(part));
    ends.min().and_then(|end| place.get(..end)).unwrap_or(place)
}

fn offences(source: &Source, asserting: &BTreeSet<&str>) -> Vec<Offence> {
    let at = |line: usize, what: String| Offence::at(RULE, &source.place, line, what);
    let mut found = Vec::new();
    for (number, code) in source.code.iter().enumerate() {
        if code.contains(concat!("#[", "ignore")) {
            found.push(at(number + 1, "the test is ignored".to_owned()));
        }
    }
    for (line, code) in source.tested() {
        if words(code).any(|word| ["sleep", "sleep_until"].contains(&word)) {
            found.push(at(line, "the test sleeps: wait for a condition".to_owned()));
        }
    }
    let idle = source.functions.iter().filter(|f| f.test && !asserts(f, asserting));
    found.extend(idle.map(|f| at(f.first, format!("fn {} asserts nothing", f.name))));
    found
}

/// The names of test functions that assert, by themselves or through one that does.
fn asserting<'a>(sources: &[&'a Source]) -> BTreeSet<&'a str> {
    let helpers: Vec<&Function> = sources
        .iter()
        .flat_map(|source| {
            let shared = source.place == HARNESS;
            source.functions.iter().filter(move |f| shared || source.is_test(f.first))
        })
        .collect();
    let mut names = BTreeSet::new();
    loop {
        let before = names.len();
        let more = helpers.iter().filter(|f| asserts(f, &names)).map(|f| &*f.name);
        let more: Vec<&str> = more.collect();
        names.extend(more);
        if names.len() == before {
            return names;
        }
    }
}

fn asserts(function: &Function, asserting: &BTreeSet<&str>) -> bool {
    ASSERTIONS.iter().any(|assertion| function.body.contains(assertion))
        || function.body.contains("?;")
        || words(&function.body).any(|word| asserting.contains(word))
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}
