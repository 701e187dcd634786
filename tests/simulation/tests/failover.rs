//! Failovers play through without a violation, everything that they are made of happens, and each
//! bug planted for them is found by the invariant that is meant for it.
#![allow(clippy::panic, reason = "tests fail by panicking")]

use fleetlog_simulation::{Bug, Happening, Invariant, Kind, Report, Story, run};
use std::collections::BTreeMap;

/// How many seeds are played without a bug; more by `FLEETLOG_SEEDS`.
const SEEDS: u64 = 16;
/// Within how many seeds each planted bug has to be found.
const FOUND_WITHIN: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Shows what happens, when `FLEETLOG_LOG` says so.
fn show_logs() {
    if let Ok(directives) = std::env::var("FLEETLOG_LOG") {
        let logs = tracing_subscriber::fmt().with_env_filter(directives).without_time();
        let _ = logs.with_writer(std::io::stderr).try_init();
    }
}

fn play(seed: u64) -> Report {
    run(Story::Failover, seed, None)
        .unwrap_or_else(|violation| panic!("{violation}\nplay it again with FLEETLOG_SEED={seed}"))
}

/// Plays seeds on two threads; `FLEETLOG_SEED` plays that one alone.
#[test]
fn every_failover_keeps_the_invariants_and_everything_happens() {
    show_logs();
    let (first, count) = match number("FLEETLOG_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("FLEETLOG_SEEDS").unwrap_or(SEEDS)),
    };
    let half = |half: u64| {
        let seeds = (first..first + count).filter(move |seed| seed % 2 == half);
        seeds.map(play).collect::<Vec<_>>()
    };
    let reports = std::thread::scope(|scope| {
        let halves = [0, 1].map(|number| scope.spawn(move || half(number)));
        let reports = halves.map(|half| half.join());
        reports.map(|half| half.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (mut happened, mut struck) = (BTreeMap::new(), BTreeMap::new());
    for report in reports.into_iter().flatten() {
        for (what, times) in report.happened {
            *happened.entry(what).or_insert(0) += times;
        }
        for (kind, times) in report.faults {
            *struck.entry(kind).or_insert(0) += times;
        }
    }
    println!("{happened:?}\n{struck:?}");
    if count < SEEDS {
        return;
    }
    for what in Happening::ACTS.into_iter().chain(Happening::CONSEQUENCES) {
        let times = happened.get(&what).copied().unwrap_or(0);
        assert!(times > 0, "{what:?} never happened in seeds {first}..+{count}");
    }
    // Silences are the story's own here.
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Silence) {
        let times = struck.get(&kind).copied().unwrap_or(0);
        assert!(times > 0, "no fault of kind {kind:?} ever struck in seeds {first}..+{count}");
    }
}

#[track_caller]
fn is_found(bug: Bug, by: Invariant) {
    let found = (1..=FOUND_WITHIN).find_map(|seed| {
        let violation = run(Story::Failover, seed, Some(bug)).err()?;
        (violation.breach.invariant == by).then_some(violation)
    });
    match found {
        Some(violation) => println!("{bug:?} is found: {violation}"),
        None => panic!("{bug:?} was not found by {by:?} within {FOUND_WITHIN} seeds"),
    }
}

#[test]
fn a_registration_that_compares_at_once_is_found() {
    is_found(Bug::ComparesAtOnce, Invariant::AbsenceMovesNothing);
}

#[test]
fn a_beat_that_renews_nothing_is_found() {
    is_found(Bug::BeatRenewsNothing, Invariant::HeardIsAvailable);
}

#[test]
fn an_edited_lease_that_keeps_its_expiry_is_found() {
    is_found(Bug::EditKeepsExpiry, Invariant::EditExpiresNobody);
}

#[test]
fn a_taint_that_stays_is_found() {
    is_found(Bug::TaintStays, Invariant::ReturnedIsUntainted);
}

#[test]
fn a_decision_that_passes_through_nothing_is_found() {
    is_found(Bug::DecidesInTwo, Invariant::NeverNothing);
}

#[test]
fn a_withdrawal_that_is_forgotten_is_found() {
    is_found(Bug::WithdrawalForgotten, Invariant::WorksFollowDecisions);
}

/// What a failover came to, for a comparison.
fn told(seed: u64, bug: Option<Bug>) -> String {
    format!("{:?}", run(Story::Failover, seed, bug))
}

#[test]
fn a_seed_plays_the_same_failover_again() {
    for bug in [None, Some(Bug::DecidesInTwo)] {
        for seed in 1..=2 {
            let again = std::thread::spawn(move || told(seed, bug));
            let once = told(seed, bug);
            assert_eq!(Some(once), again.join().ok(), "seed {seed} with {bug:?}");
        }
    }
}
