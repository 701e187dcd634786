//! Fleetlog as separate processes against one nats-server: the story, and what may befall it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod cuts;
mod fanout;
mod kills;
mod membership;
mod story;

use fleetlog_e2e_tests::Member;
use std::io::Write as _;

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
