//! What tests may not do: be ignored, sleep, assert nothing (style, "Tests: the ladder").

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::exceptions::judged;
use crate::offence::Offence;
use crate::source::{self, Function, Source};

const RULE: &str = "testing";

/// What makes a function fail when something is wrong.
const ASSERTIONS: [&str; 6] = ["assert", "expect", "unwrap", "panic!", "refused", "bail!"];

/// The assertions that domain tests share.
const HARNESS: &str = "schemas/kernel/src/spec.rs";

/// Tests that are ignored, that sleep, or that cannot fail.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let sources = source::all(root);
    let mut packages: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in &sources {
        packages.entry(package(&source.place)).or_default().push(source);
    }
    let harness: Vec<&Source> = sources.iter().filter(|source| source.place == HARNESS).collect();
    let offences = packages.values().flat_map(|package| {
        let helpers: Vec<&Source> = package.iter().chain(&harness).copied().collect();
        let asserting = asserting(&helpers);
        let found = package.iter().flat_map(|source| idle(source, &asserting));
        found.collect::<Vec<_>>()
    });
    let mut targets: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_library_of_tests(&source.place)) {
        targets.entry(target(&source.place)).or_default().push(source);
    }
    let offences = offences.chain(sources.iter().flat_map(ignored));
    judged(offences.chain(targets.values().flat_map(|target| sleeping(target))).collect())
}

/// The folder of a package, by the folders that only a package has.
fn package(place: &str) -> &str {
    let ends = ["/src/", "/tests/", "/benches/"].iter().filter_map(|part| place.find(part));
    ends.min().and_then(|end| place.get(..end)).unwrap_or(place)
}

/// What is compiled into one test program: a file of `tests`, a folder of it, or a file with tests
/// of its own.
fn target(place: &str) -> &str {
    let below = place.find("/tests/").map(|at| at + "/tests/".len());
    let end = below.and_then(|start| place[start..].find('/').map(|end| start + end));
    end.and_then(|end| place.get(..end)).unwrap_or(place)
}

/// The simulated world and the benchmarks: time passes in them on purpose.
fn is_library_of_tests(place: &str) -> bool {
    place.starts_with("tests/") && place.contains("/src/")
}

fn ignored(source: &Source) -> Vec<Offence> {
    let lines = source.code.iter().enumerate();
    let ignored = lines.filter(|(_, code)| code.contains(concat!("#[", "ignore")));
    ignored.map(|(at, _)| Offence::at(RULE, &source.place, at + 1, "the test is ignored")).collect()
}

/// Sleeps that a test which does not pause its clock comes by, at most by name.
fn sleeping(target: &[&Source]) -> Vec<Offence> {
    let functions: Vec<(&Source, &Function)> = target
        .iter()
        .flat_map(|source| source.functions.iter().map(move |function| (*source, function)))
        .filter(|(source, function)| source.is_test(function.first))
        .collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let awake = functions.iter().filter(|(_, function)| function.test && !function.paused);
    let mut next: Vec<&Function> = awake.map(|(_, function)| *function).collect();
    let mut found = Vec::new();
    while let Some(function) = next.pop() {
        if !reached.insert(&function.name) {
            continue;
        }
        let called: BTreeSet<&str> = words(&function.body).collect();
        let helpers = functions.iter().map(|(_, helper)| *helper);
        next.extend(helpers.filter(|helper| !helper.test && called.contains(&*helper.name)));
    }
    for (source, function) in functions.iter().filter(|(_, f)| reached.contains(&*f.name)) {
        let lines = source.tested().filter(|(line, code)| {
            (function.first..=function.last).contains(line)
                && words(code).any(|word| ["sleep", "sleep_until"].contains(&word))
        });
        let what = "the test sleeps on the real clock: wait for a condition";
        found.extend(lines.map(|(line, _)| Offence::at(RULE, &source.place, line, what)));
    }
    found
}

/// Tests that nothing could make fail; one named after panics fails by one.
fn idle(source: &Source, asserting: &BTreeSet<&str>) -> Vec<Offence> {
    let tests = source.functions.iter().filter(|f| f.test && !f.name.contains("panic"));
    tests
        .filter(|f| !asserts(f, asserting))
        .map(|f| {
            let what = format!("fn {} asserts nothing", f.name);
            Offence::at(RULE, &source.place, f.first, what)
        })
        .collect()
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
