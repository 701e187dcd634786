//! Every Rust file of a package is compiled: some `mod` line or target leads to it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::manifest::packages;
use crate::offence::Offence;
use crate::source::{self, Source, module};

const RULE: &str = "modules";

/// Files that nobody compiles.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let files = source::all(root);
    let reached: BTreeSet<String> = files.iter().flat_map(declared).collect();
    let folders: Vec<String> = packages(root).into_iter().map(|package| package.folder).collect();
    let orphans = files.iter().filter(|source| {
        folders.iter().any(|folder| source.place.starts_with(&format!("{folder}/")))
            && !is_target(&source.place, &folders)
            && !reached.contains(&source.place)
    });
    orphans.map(|source| Offence::of(RULE, &source.place, "no `mod` line leads to it")).collect()
}

/// A file that cargo finds by itself.
fn is_target(place: &str, folders: &[String]) -> bool {
    folders.iter().filter_map(|folder| place.strip_prefix(&format!("{folder}/"))).any(|rest| {
        let parts: Vec<&str> = rest.split('/').collect();
        matches!(
            parts.as_slice(),
            ["build.rs"]
                | ["src", "lib.rs" | "main.rs"]
                | ["src", "bin", _]
                | ["tests" | "benches" | "examples", _]
                | ["tests" | "benches" | "examples", _, "main.rs"]
        )
    })
}

/// The files that the `mod` lines and the paths of a file may mean.
fn declared(source: &Source) -> Vec<String> {
    let folder = source.place.rsplit_once('/').map_or("", |(folder, _)| folder);
    let by_name = source.code.iter().filter_map(|line| module(line));
    let by_path = source.strings.iter().filter(|s| s.text.ends_with(".rs"));
    let by_path = by_path.map(|s| format!("{folder}/{}", s.text));
    by_name.flat_map(|name| source.files_of(name)).chain(by_path).collect()
}
