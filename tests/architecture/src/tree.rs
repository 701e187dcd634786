//! The files and folders of a checkout, without what builds and version control leave there.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder or file below a root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// From the root, with `/` between.
    pub(crate) place: String,
    pub(crate) path: PathBuf,
    pub(crate) folder: bool,
}

impl Entry {
    pub(crate) fn named(&self, extension: &str) -> bool {
        !self.folder && self.path.extension().is_some_and(|found| found == extension)
    }

    /// The text of the file; empty when it cannot be read.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }
}

/// Everything below `root`, in order; hidden folders and `target` are left out.
pub(crate) fn walk(root: &Path) -> Vec<Entry> {
    let mut found = Vec::new();
    below(root, "", &mut found);
    found.sort();
    found
}

/// The Rust files below `root`.
pub(crate) fn rust(root: &Path) -> Vec<Entry> {
    walk(root).into_iter().filter(|entry| entry.named("rs")).collect()
}

fn below(folder: &Path, prefix: &str, found: &mut Vec<Entry>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let place = format!("{prefix}{name}");
        let (path, is_folder) = (entry.path(), entry.path().is_dir());
        if is_folder {
            below(&path, &format!("{place}/"), found);
        }
        found.push(Entry { place, path, folder: is_folder });
    }
}
