//! The server goes and comes back, under load: nobody else is started again.

use crate::all_is_well;
use fleetlog_e2e_tests::{Fleetlog, History, Load, Member, programs};

/// How often it goes.
const TIMES: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_server_goes_and_comes_back_and_everybody_goes_on() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let members =
        [Member::simulated("east", 8).await.unwrap(), Member::simulated("west", 9).await.unwrap()];
    for member in &members {
        whole.join(member, None).await.unwrap();
    }
    let mut load = Load::start(&whole, &members, 8).await.unwrap();
    let mut history = History::of(&whole).await.unwrap();
    for _ in 0..TIMES {
        load.progress(10).await.unwrap();
        whole.restart_server().await.unwrap();
        load.progress(10).await.unwrap();
        all_is_well(&whole, &members, &load, &mut history).await;
    }
    for victim in whole.victims() {
        let process = whole.process(&victim).unwrap();
        assert_eq!(process.ended(), None, "{victim:?} goes on:\n{}", process.said());
    }
    let _pause = load.pause().await.unwrap();
    whole.verify().unwrap();
}
