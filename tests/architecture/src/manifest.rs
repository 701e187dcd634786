//! Of a Cargo.toml what rules ask: its package, the packages it names, whether it takes the
//! workspace's lints. Not a TOML parser: it reads the form this workspace writes.

use std::path::Path;

use crate::tree::{Entry, walk};

/// A package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The folder it lies in.
    pub(crate) folder: String,
    pub(crate) name: String,
    /// Named by what is shipped (build scripts included).
    pub(crate) names: Vec<String>,
    /// Named by its tests only.
    pub(crate) names_in_tests: Vec<String>,
    pub(crate) lints: bool,
}

impl Manifest {
    pub(crate) fn place(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

/// Every package below `root`.
pub(crate) fn packages(root: &Path) -> Vec<Manifest> {
    let files = walk(root).into_iter().filter(|entry| entry.place.ends_with("/Cargo.toml"));
    files.map(|entry| read(&entry)).filter(|manifest| !manifest.name.is_empty()).collect()
}

fn read(entry: &Entry) -> Manifest {
    let folder = entry.place.trim_end_matches("/Cargo.toml").to_owned();
    let mut manifest = Manifest {
        folder,
        name: String::new(),
        names: Vec::new(),
        names_in_tests: Vec::new(),
        lints: false,
    };
    let mut section = String::new();
    for line in entry.text().lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            if let Some((table, name)) = section.rsplit_once("ependencies.") {
                manifest.add(table, name.trim_matches('"'));
            }
        } else if let Some((key, value)) = line.split_once('=') {
            manifest.line(&section, key.trim(), value.trim());
        }
    }
    manifest
}

impl Manifest {
    fn line(&mut self, section: &str, key: &str, value: &str) {
        if section == "package" && key == "name" {
            self.name = value.trim_matches('"').to_owned();
        } else if section == "lints" && key == "workspace" {
            self.lints = value == "true";
        } else if let Some(table) = section.strip_suffix("ependencies") {
            let name = key.split('.').next().unwrap_or_default();
            self.add(table, name.trim_matches('"'));
        }
    }

    /// `table` is what stands before `ependencies`: `d`, `dev-d`, `build-d`, `target.x.d`.
    fn add(&mut self, table: &str, name: &str) {
        let tests = table.ends_with("dev-d");
        let list = if tests { &mut self.names_in_tests } else { &mut self.names };
        list.push(name.to_owned());
    }
}
