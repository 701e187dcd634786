//! Storms and choices play through without a violation, everything that choices are made of
//! happens, and each planted bug is found.
#![allow(clippy::panic, reason = "tests fail by panicking")]

use fleetlog_simulation::{Bug, Happening, Invariant, Kind, Report, Story, run};
use std::collections::BTreeMap;

/// How many seeds are played without a bug; more by `FLEETLOG_SEEDS`.
const SEEDS: u64 = 24;
/// How many seeds of choices, as many more in proportion.
const CHOICES: u64 = 16;
/// Within how many seeds each planted bug has to be found.
const FOUND_WITHIN: u64 = 200;

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

/// Plays seeds on two threads; `FLEETLOG_SEED` plays that one alone.
#[test]
fn every_invariant_holds_in_every_storm() {
    show_logs();
    let (first, count) = match number("FLEETLOG_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("FLEETLOG_SEEDS").unwrap_or(SEEDS)),
    };
    let play = |half: u64| {
        let mut faults: BTreeMap<Kind, u64> = BTreeMap::new();
        for seed in (first..first + count).filter(|seed| seed % 2 == half) {
            let report = run(Story::Storm, seed, None).unwrap_or_else(|violation| {
                panic!("{violation}\nplay it again with FLEETLOG_SEED={seed}")
            });
            for (kind, times) in report.faults {
                *faults.entry(kind).or_default() += times;
            }
        }
        faults
    };
    let halves = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || play(half)));
        halves.map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    for kind in Kind::ALL {
        let times: u64 = halves.iter().filter_map(|half| half.get(&kind)).sum();
        println!("{kind:?} struck {times} times");
        if count < SEEDS {
            continue;
        }
        assert!(times > 0, "no fault of kind {kind:?} ever struck in seeds {first}..+{count}");
    }
}

#[track_caller]
fn is_found(bug: Bug) {
    let found = (1..=FOUND_WITHIN).find_map(|seed| run(Story::Storm, seed, Some(bug)).err());
    match found {
        Some(violation) => println!("{bug:?} is found: {violation}"),
        None => panic!("{bug:?} was not found within {FOUND_WITHIN} seeds"),
    }
}

/// Every revision is compared with the reference: that is among what is checked.
#[test]
fn every_choice_is_the_reference_s_and_everything_that_moves_one_happens() {
    show_logs();
    let (first, count) = match number("FLEETLOG_SEED") {
        Some(seed) => (seed, 1),
        None => (1, number("FLEETLOG_SEEDS").map_or(CHOICES, |seeds| seeds.div_ceil(3))),
    };
    let mut happened: BTreeMap<Happening, u64> = BTreeMap::new();
    for seed in first..first + count {
        let report: Report = run(Story::Choices, seed, None).unwrap_or_else(|violation| {
            panic!("{violation}\nplay it again with FLEETLOG_SEED={seed}")
        });
        for (what, times) in report.happened {
            *happened.entry(what).or_default() += times;
        }
    }
    println!("{happened:?}");
    for what in Happening::CHOICES.into_iter().filter(|_| count >= CHOICES) {
        let times = happened.get(&what).copied().unwrap_or(0);
        assert!(times > 0, "{what:?} never happened in seeds {first}..+{count}");
    }
}

#[test]
fn a_placement_that_chooses_another_is_found() {
    let by = Invariant::AsTheReference;
    let found = (1..=FOUND_WITHIN).find_map(|seed| {
        let violation = run(Story::Choices, seed, Some(Bug::ChoosesAnother)).err()?;
        (violation.breach.invariant == by).then_some(violation)
    });
    match found {
        Some(violation) => println!("it is found: {violation}"),
        None => panic!("it was not found by {by:?} within {FOUND_WITHIN} seeds"),
    }
}

#[test]
fn an_acknowledgement_before_the_commit_is_found() {
    is_found(Bug::AcknowledgeBeforeDurable);
}

#[test]
fn appends_without_deduplication_are_found() {
    is_found(Bug::NoDeduplication);
}

#[test]
fn an_agent_that_accepts_an_older_generation_is_found() {
    is_found(Bug::OlderGenerationAccepted);
}

#[test]
fn an_agent_that_deletes_before_its_first_sync_is_found() {
    is_found(Bug::DeleteBeforeFirstSync);
}

#[test]
fn a_reaction_that_is_replayed_in_a_rebuild_is_found() {
    is_found(Bug::ReactionReplayedInRebuild);
}

#[test]
fn a_tail_that_is_lost_after_a_snapshot_is_found() {
    is_found(Bug::LostTailAfterSnapshot);
}

#[test]
fn a_seed_plays_the_same_run_again() {
    let play =
        || run(Story::Storm, 3, None).map(|report| (report.faults, report.commits, report.lasted));
    let (once, again) = (play(), play());
    match (once, again) {
        (Ok(once), Ok(again)) => assert_eq!(once, again),
        (once, again) => panic!("{once:?}\n{again:?}"),
    }
}
