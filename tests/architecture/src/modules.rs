//! Every Rust file of a package is compiled: some `mod` line or target leads to it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::manifest::packages;
use crate::offence::Offence;
use crate::source::Source;
use crate::tree::{self, Entry};

const RULE: &str = "modules";

/// Files that nobody compiles.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let files = tree::rust(root);
    let reached: BTreeSet<String> = files.iter().flat_map(declared).collect();
    let folders: Vec<String> = packages(root).into_iter().map(|package| package.folder).collect();
    let orphans = files.iter().filter(|entry| {
        folders.iter().any(|folder| entry.place.starts_with(&format!("{folder}/")))
            && !is_target(&entry.place, &folders)
            && !reached.contains(&entry.place)
    });
    orphans.map(|entry| Offence::of(RULE, &entry.place, "no `mod` line leads to it")).collect()
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

/// The files that the `mod` lines of a file may mean.
fn declared(entry: &Entry) -> Vec<String> {
    let source = Source::read(entry);
    let (folder, file) = entry.place.rsplit_once('/').unwrap_or(("", &entry.place));
    let stem = file.trim_end_matches(".rs");
    let root = ["lib", "main", "mod", "build"].contains(&stem);
    let mut homes = vec![format!("{folder}/{stem}")];
    // A file directly in `tests` or `bin` is a root of its own, whatever it is called.
    if root || folder.ends_with("/tests") || folder.ends_with("/bin") {
        homes.push(folder.to_owned());
    }
    let named = source.code.iter().filter_map(|line| module(line));
    let by_name: Vec<String> = named
        .flat_map(|name| {
            homes.iter().flat_map(move |home| {
                [format!("{home}/{name}.rs"), format!("{home}/{name}/mod.rs")]
            })
        })
        .collect();
    let by_path = source.strings.iter().filter(|s| s.text.ends_with(".rs"));
    by_path.map(|s| format!("{folder}/{}", s.text)).chain(by_name).collect()
}

/// The module that a line declares without defining it.
fn module(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.strip_suffix(';')?;
    let (before, name) = rest.rsplit_once("mod ")?;
    let visible = before.is_empty() || before.starts_with("pub") || before.ends_with("] ");
    visible.then_some(name.trim().trim_start_matches("r#"))
}
