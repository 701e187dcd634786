//! SIGKILL of each process in turn, under load. `FLEETLOG_E2E_ROUNDS` and `FLEETLOG_E2E_SEED` say
//! how often and which; `cargo xtask soak` sets them.

use crate::{members, number, say};
use fleetlog_chassis::Ids;
use fleetlog_e2e_tests::{Fleetlog, History, Load, Victim, programs, settled};

/// Rounds where nobody says otherwise.
const ROUNDS: u64 = 10;
/// At most so many commands are acknowledged between two kills, each of some writer.
const BETWEEN: u64 = 12;
/// In each round of this number, all of them die at once too.
const EVERYBODY: u64 = 3;

fn shuffled(mut victims: Vec<Victim>, random: &Ids) -> Vec<Victim> {
    let mut drawn = vec![];
    while !victims.is_empty() {
        let at = random.below(victims.len() as u64);
        drawn.push(victims.swap_remove(usize::try_from(at).unwrap()));
    }
    drawn
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_there_once_whichever_process_is_killed() {
    let (rounds, seed) = (number("FLEETLOG_E2E_ROUNDS", ROUNDS), number("FLEETLOG_E2E_SEED", 1));
    say(&format!("kills: {rounds} rounds, seed {seed}"));
    let random = Ids::seeded(seed);
    let members = members("each process killed in turn").await;
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    for member in &members {
        whole.join(member, None).await.unwrap();
    }
    let mut load = Load::start(&whole, &members, seed).await.unwrap();
    let mut history = History::of(&whole).await.unwrap();
    for round in 1..=rounds {
        for victim in shuffled(whole.victims(), &random) {
            load.progress(1 + random.below(BETWEEN)).await.unwrap();
            whole.kill(&victim).unwrap();
            // It is missed for a while, or at once there again.
            load.progress(random.below(2) * 2).await.unwrap();
            whole.start_again(&victim).unwrap();
        }
        if round % EVERYBODY == 0 {
            // As where the power goes, with commands in the air.
            load.progress(1 + random.below(BETWEEN)).await.unwrap();
            for victim in whole.victims() {
                whole.kill(&victim).unwrap();
            }
            for victim in shuffled(whole.victims(), &random) {
                whole.start_again(&victim).unwrap();
            }
            load.progress(1).await.unwrap();
        }
        let pause = load.pause().await.unwrap();
        settled(&whole, &members, &load, &pause).await.unwrap();
        let commits = history.holds(&load, &pause).await.unwrap();
        let acknowledged = load.acknowledged();
        say(&format!("kills: round {round}: {acknowledged} acknowledged, {commits} commits"));
    }
    let _pause = load.pause().await.unwrap();
    whole.verify().unwrap();
}
