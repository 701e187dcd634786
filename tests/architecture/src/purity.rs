//! What a pure package may never reach, by any path: each is resolved alone, because a build of the
//! whole workspace unifies features and hides breaches (object-model proof, section 6).

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::arrows::is_pure;
use crate::manifest::packages;
use crate::offence::Offence;

const RULE: &str = "purity";

/// I/O, clocks and random sources.
const FORBIDDEN: [&str; 20] = [
    "async-nats",
    "axum",
    "chrono",
    "fastrand",
    "futures",
    "getrandom",
    "hyper",
    "jiff",
    "k8s-openapi",
    "kube",
    "kube-client",
    "mio",
    "openssl",
    "rand",
    "rand_core",
    "reqwest",
    "rustls",
    "socket2",
    "time",
    "tokio",
];

/// Pure packages that reach what they may not.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let pure = packages(root).into_iter().filter(|package| {
        let folder = &package.folder;
        folder.starts_with("schemas/") || is_pure(folder)
    });
    pure.flat_map(|package| match resolve(root, &package.name) {
        Ok(tree) => reached(&tree)
            .into_iter()
            .map(|name| Offence::of(RULE, package.place(), format!("reaches {name}")))
            .collect(),
        Err(why) => vec![Offence::of(RULE, package.place(), why)],
    })
    .collect()
}

/// The forbidden packages in the lines of `cargo tree --prefix none`.
#[must_use]
pub fn reached(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<String> =
        names.filter(|name| FORBIDDEN.contains(name)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

fn resolve(root: &Path, package: &str) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .output()
        .map_err(|error| format!("cargo tree does not run: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("cannot be resolved alone: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
