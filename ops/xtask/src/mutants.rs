//! The pure code, changed in one place at a time, against its own tests: a mutant that no test
//! notices is alive. How they are made and tested is `.cargo/mutants.toml`'s.

use crate::cargo::cargo;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;

/// The packages whose tests have to notice.
pub const PACKAGES: [&str; 2] = ["fleetlog-rules", "fleetlog-placement-domain"];
/// Of a hundred mutants that can be built, so many must not be alive.
const TOO_MANY: u64 = 5;
/// What `cargo mutants` ends with where every test ran: all were noticed, some were not, some were
/// noticed only by the time that their tests took.
const RAN: [i32; 3] = [0, 2, 3];

/// A share of the mutants: one of `of` equal parts, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    part: u32,
    of: u32,
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let both = text.split_once('/');
        let both = both.and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match both {
            Some((part, of)) if part < of => Ok(Self { part, of }),
            _ => Err("it stands as K/N, K from 0 to N-1: 0/8 is every eighth mutant"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// What became of the mutants of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// A test failed.
    pub caught: u64,
    /// The tests did not end in their time.
    pub timeout: u64,
    /// Every test passed.
    pub alive: u64,
    /// It could not be built.
    pub unviable: u64,
}

impl Tally {
    /// How many could be built.
    #[must_use]
    pub const fn viable(&self) -> u64 {
        self.caught + self.timeout + self.alive
    }

    /// Whether few enough are alive.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.alive * 100 < self.viable() * TOO_MANY
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (alive, viable) = (self.alive, self.viable());
        let hundredths = (alive * 10_000).checked_div(viable).unwrap_or(0);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        let Self { timeout, unviable, .. } = self;
        write!(f, "{alive} of {viable} viable mutants alive ({whole}.{rest:02} %), ")?;
        write!(f, "{timeout} ran out of time, {unviable} could not be built")
    }
}

/// What `cargo mutants` writes.
#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String, package: String },
}

/// The mutants by package, and the names of those alive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What became of them.
    pub tallies: BTreeMap<String, Tally>,
    /// The survivors: place and change.
    pub alive: Vec<String>,
}

impl Found {
    /// Reads `outcomes.json`.
    ///
    /// # Errors
    /// A text that is none, or names an outcome that is not known.
    pub fn of(text: &str) -> Result<Self> {
        let outcomes: Outcomes = serde_json::from_str(text).context("read the outcomes")?;
        let mut found = Self::default();
        for Outcome { scenario, summary } in outcomes.outcomes {
            let Scenario::Mutant { name, package } = scenario else { continue };
            let tally = found.tallies.entry(package).or_default();
            match summary.as_str() {
                "CaughtMutant" => tally.caught += 1,
                "Timeout" => tally.timeout += 1,
                "Unviable" => tally.unviable += 1,
                "MissedMutant" => {
                    tally.alive += 1;
                    found.alive.push(name);
                }
                other => bail!("the mutant \"{name}\" ended as \"{other}\""),
            }
        }
        Ok(found)
    }
}

/// Tests the mutants, all or a share; true when in each package few enough are alive.
///
/// # Errors
/// Where `cargo mutants` is not installed, or could not run the tests.
pub fn run(root: &Path, share: Option<Share>) -> Result<bool> {
    let asked = cargo(root, &["mutants", "--version"]).stdin(Stdio::null()).output();
    if !asked.is_ok_and(|output| output.status.success()) {
        bail!(
            "cargo-mutants is not installed: install it with `cargo install cargo-mutants \
             --locked`, or leave the mutants out with --no-mutants"
        );
    }
    let of = share.map_or_else(|| "all".to_owned(), |share| format!("share {share} of"));
    println!("soak: {of} mutants of {}", PACKAGES.join(" and "));
    let into = root.join("target");
    std::fs::create_dir_all(&into).context("make the folder for the outcomes")?;
    let mut command = cargo(root, &["mutants"]);
    command.args(PACKAGES.map(|package| format!("--package={package}")));
    if let Some(share) = share {
        command.arg("--sharding=round-robin").arg(format!("--shard={share}"));
    }
    let status = command.arg("--output").arg(&into).status();
    let status = status.context("run cargo mutants")?;
    if !status.code().is_some_and(|code| RAN.contains(&code)) {
        bail!("cargo mutants could not test the mutants: {status}");
    }
    let text = std::fs::read_to_string(into.join("mutants.out/outcomes.json"));
    let found = Found::of(&text.context("read what became of the mutants")?)?;
    found.alive.iter().for_each(|name| println!("alive: {name}"));
    for (package, tally) in &found.tallies {
        println!("soak: {package}: {tally}");
    }
    Ok(!found.tallies.is_empty() && found.tallies.values().all(Tally::holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, package: &str, summary: &str) -> serde_json::Value {
        let mutant = serde_json::json!({"name": name, "package": package, "genre": "FnValue"});
        serde_json::json!({"scenario": {"Mutant": mutant}, "summary": summary})
    }

    #[test]
    fn the_outcomes_are_counted_by_package() {
        let text = serde_json::json!({"total_mutants": 5, "outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            outcome("a.rs:1:1: replace f with ()", "a", "CaughtMutant"),
            outcome("a.rs:2:1: replace g with ()", "a", "MissedMutant"),
            outcome("a.rs:3:1: replace h with ()", "a", "Timeout"),
            outcome("a.rs:4:1: replace i with ()", "a", "Unviable"),
            outcome("b.rs:1:1: replace f with ()", "b", "CaughtMutant"),
        ]});
        let found = Found::of(&text.to_string()).unwrap();
        let a = Tally { caught: 1, timeout: 1, alive: 1, unviable: 1 };
        let b = Tally { caught: 1, ..Tally::default() };
        assert_eq!(found.tallies, [("a".to_owned(), a), ("b".to_owned(), b)].into());
        assert_eq!(found.alive, ["a.rs:2:1: replace g with ()"]);
        assert_eq!(
            a.to_string(),
            "1 of 3 viable mutants alive (33.33 %), 1 ran out of time, 1 could not be built"
        );
        assert!(!a.holds() && b.holds());
        let odd = serde_json::json!({"outcomes": [outcome("n", "a", "Failure")]});
        assert!(Found::of(&odd.to_string()).is_err());
    }

    #[test]
    fn under_five_of_a_hundred_may_live() {
        let of = |alive, caught| Tally { alive, caught, ..Tally::default() };
        assert!(of(4, 96).holds() && !of(5, 95).holds());
        assert!(!Tally::default().holds(), "nothing was tested");
    }

    #[test]
    fn a_share_is_a_part_of_so_many() {
        assert_eq!("3/8".parse(), Ok(Share { part: 3, of: 8 }));
        assert_eq!(Share { part: 3, of: 8 }.to_string(), "3/8");
        for bad in ["8/8", "3", "/", "a/b", "1/0"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
