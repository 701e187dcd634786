//! Which numbered behaviours have a test: the lists of `tests/catalogue/*.md` against the names of
//! the test functions in the checkout. Whether the tests pass is not known here.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The committed answer, from the project's root.
pub const FILE: &str = "tests/catalogue/covered.json";
/// The folders that hold Rust of ours.
const FOLDERS: [&str; 5] = ["agents", "ops", "schemas", "services", "tests"];

/// One list of behaviours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// The numbers that have a test.
    pub covered: BTreeSet<u32>,
    /// Those that have none, and why.
    pub missing: BTreeMap<u32, String>,
}

/// Every list, by the prefix of its tests (`rp`).
pub type Areas = BTreeMap<String, Area>;

/// Reads the lists and finds the tests.
///
/// # Errors
/// Files that cannot be read, lists that cannot be understood, and numbers that are tested and not
/// listed.
pub fn find(root: &Path) -> Result<Areas> {
    let mut areas = Areas::new();
    let lists = std::fs::read_dir(root.join("tests/catalogue"))?;
    let lists = lists.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let mut sources = vec![];
    for folder in FOLDERS {
        rust(&root.join(folder), &mut sources)?;
    }
    let texts = sources.iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    for path in lists.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let prefix = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if prefix == "README" {
            continue;
        }
        let listed = listed(&std::fs::read_to_string(path)?);
        let listed = listed.with_context(|| format!("read {}", path.display()))?;
        let tested: BTreeSet<u32> = texts.iter().flat_map(|text| tested(text, prefix)).collect();
        let area = compared(&listed, &tested).with_context(|| format!("check {prefix}.md"))?;
        areas.insert(prefix.to_owned(), area);
    }
    Ok(areas)
}

/// As `--json` prints it and as it is committed.
#[must_use]
pub fn as_json(areas: &Areas) -> Value {
    let area = |area: &Area| {
        let missing = area.missing.iter();
        let missing: Vec<Value> =
            missing.map(|(number, why)| json!({"number": number, "why": why})).collect();
        json!({"covered": area.covered, "missing": missing})
    };
    areas.iter().map(|(prefix, of)| (prefix.clone(), area(of))).collect()
}

/// As it is committed.
///
/// # Errors
/// None that a value can have.
pub fn text(areas: &Areas) -> Result<String> {
    Ok(serde_json::to_string_pretty(&as_json(areas))? + "\n")
}

/// For people: one line per list, one per number that has no test.
#[must_use]
pub fn lines(areas: &Areas) -> Vec<String> {
    let mut lines = vec![];
    for (prefix, Area { covered, missing }) in areas {
        let all = covered.len() + missing.len();
        lines.push(format!("{prefix}: {} of {all} behaviours have a test", covered.len()));
        lines.extend(missing.iter().map(|(number, why)| format!("  {prefix}{number:03} {why}")));
    }
    lines
}

/// The numbers of a list, each with the reason why it has no test, if it says one.
fn listed(text: &str) -> Result<BTreeMap<u32, Option<String>>> {
    let mut items: Vec<String> = vec![];
    for line in text.lines() {
        match (line.strip_prefix("- "), line.strip_prefix("  "), items.last_mut()) {
            (Some(item), ..) => items.push(item.to_owned()),
            (None, Some(more), Some(item)) => {
                item.push(' ');
                item.push_str(more);
            }
            _ => {}
        }
    }
    let mut numbers = BTreeMap::new();
    for item in items {
        let (number, sentence) = item.split_once(' ').context("an item begins with a number")?;
        let number = number.parse().with_context(|| format!("\"{number}\" is no number"))?;
        let why = sentence.split_once("(missing: ");
        let why = why.map(|(_, why)| why.trim_end_matches(')').to_owned());
        if numbers.insert(number, why).is_some() {
            bail!("{number} stands twice");
        }
    }
    Ok(numbers)
}

/// The numbers of the test functions of a text: `fn rp081_...` under `#[test]`.
fn tested<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = u32> + 'a {
    let start = format!("fn {prefix}");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.clone().zip(lines.skip(1)).filter_map(move |(before, line)| {
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix(&start)?;
        let test = before.starts_with("#[") && before.contains("test");
        let (number, _) = name.split_once('_').filter(|_| test)?;
        number.parse().ok()
    })
}

fn compared(listed: &BTreeMap<u32, Option<String>>, tested: &BTreeSet<u32>) -> Result<Area> {
    if let Some(stray) = tested.iter().find(|number| !listed.contains_key(number)) {
        bail!("{stray} has a test and is not listed");
    }
    let mut area = Area::default();
    for (number, why) in listed {
        match (tested.contains(number), why) {
            (true, None) => drop(area.covered.insert(*number)),
            (false, why) => {
                let none = || "nobody has written one".to_owned();
                area.missing.insert(*number, why.clone().unwrap_or_else(none));
            }
            (true, Some(_)) => bail!("{number} has a test and says that it is missing"),
        }
    }
    Ok(area)
}

fn rust(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_covered_missing_or_wrong() {
        let list = "# Title\n- 001 One.\n- 002 Two, of\n  two lines. (missing: later\n  on)\n";
        let listed = listed(list).unwrap();
        assert_eq!(listed[&2], Some("later on".to_owned()));
        let source = "#[test]\nfn xy001_one() {}\nfn xy002_helper() {}\n";
        let tested: BTreeSet<u32> = tested(source, "xy").collect();
        assert_eq!(tested, [1].into());
        let area = compared(&listed, &tested).unwrap();
        assert_eq!(area.covered, [1].into());
        assert_eq!(area.missing, [(2, "later on".to_owned())].into());
        assert!(compared(&listed, &[2].into()).is_err(), "it says that it is missing");
        assert!(compared(&listed, &[3].into()).is_err(), "it is not listed");
    }
}
