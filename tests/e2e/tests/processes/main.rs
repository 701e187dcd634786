//! Fleetlog as separate processes against one nats-server: the story, and what may befall it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod away;
mod callers;
mod cuts;
mod fanout;
mod gateway;
mod kills;
mod membership;
mod newer;
mod places;
mod story;

use fleetlog_e2e_tests::{Fleetlog, History, Load, Member, settled};
use std::io::Write as _;

/// What an agent says, at the end of a line, when it looks for its hub and when it has found it.
const CONNECTING: &str = "INFO connecting\n";
const CONNECTED: &str = "INFO connected\n";

/// A simulated member, and a real one where it can be had.
async fn members(test: &str) -> Vec<Member> {
    let mut members = vec![Member::simulated("simulated", 1).await.unwrap()];
    let what = format!("{test} on a real kube-apiserver");
    members.extend(Member::real("real", &what).unwrap());
    members
}

/// A number from the environment.
fn number(name: &str, without: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(without, |text| text.parse().unwrap_or_else(|why| panic!("{name}: {why}")))
}

/// Says something past the runner, which keeps what a test prints to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Everything settles, and the log holds what was acknowledged.
async fn all_is_well(whole: &Fleetlog, members: &[Member], load: &Load, history: &mut History) {
    let pause = load.pause().await.unwrap();
    settled(whole, members, load, &pause).await.unwrap();
    history.holds(load, &pause).await.unwrap();
}
