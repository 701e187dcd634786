//! Connections that are cut, held, or open one way only, between an agent and the hub and between
//! each service and the hub: while they are, everybody else goes on; afterwards everything does.

use crate::{CONNECTED, CONNECTING, all_is_well};
use fleetlog_e2e_tests::{
    Fleetlog, History, Line, Load, Member, Victim, Way, Writing, programs, until_well,
};
use fleetlog_kernel::Service;
use serde_json::json;
use std::time::Duration;

const FAR: &str = "far";
/// What a service says when the answer to an append is long overdue.
const OVERDUE: &str = "nobody knows whether a commit was stored";
/// How long it may take until it appends something and has waited for the answer.
const OVERDUE_AFTER: Duration = Duration::from_secs(120);

/// How often the agent behind the line said something.
fn said(whole: &mut Fleetlog, words: &str) -> usize {
    let agent = whole.process(&Victim::Agent(FAR.to_owned())).unwrap();
    agent.said().matches(words).count()
}

/// Waits until that agent says something once more than before.
async fn says_again(whole: &mut Fleetlog, words: &str, before: usize) {
    says_more(whole, &Victim::Agent(FAR.to_owned()), words, before).await;
}

/// Waits until a process says something more often than before.
async fn says_more(whole: &mut Fleetlog, who: &Victim, words: &str, before: usize) {
    until_well(&format!("{who:?} says \"{words}\" again"), async || {
        let times = whole.process(who)?.said().matches(words).count();
        anyhow::ensure!(times > before, "{times} times");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agent_s_line_may_break_in_any_way_and_its_works_go_on() {
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let line = Line::to(whole.hub().url()).await.unwrap();
    let members = [Member::simulated(FAR, 3).await.unwrap()];
    whole.join(&members[0], Some(line.url())).await.unwrap();
    let mut load = Load::start(&whole, &members, 3).await.unwrap();
    let mut history = History::of(&whole).await.unwrap();

    // It is cut, and cut again before the agent is back.
    for _ in 0..3 {
        load.progress(5).await.unwrap();
        line.set(Way::Cut);
        load.progress(10).await.unwrap();
        line.set(Way::Open);
    }
    all_is_well(&whole, &members, &load, &mut history).await;

    // Nobody is told that nothing goes through; then it does again.
    line.set(Way::Held);
    load.progress(20).await.unwrap();
    line.set(Way::Open);
    all_is_well(&whole, &members, &load, &mut history).await;

    // Works are heard of, and nothing can be asked or reported; or the reverse.
    for way in [Way::ToClient, Way::ToHub] {
        line.set(way);
        load.progress(20).await.unwrap();
        line.cut_once();
        all_is_well(&whole, &members, &load, &mut history).await;
    }

    silence(&mut whole, &line, &mut load).await;
    all_is_well(&whole, &members, &load, &mut history).await;
    whole.verify().unwrap();
}

/// A line that is silent for longer than a lease, and one on which the hub's answers are lost.
async fn silence(whole: &mut Fleetlog, line: &Line, load: &mut Load) {
    let lease = json!({
        "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
        "metadata": { "name": FAR }, "spec": { "leaseDurationSeconds": 1 },
    });
    Writing::on(whole).apply(&lease).await.unwrap();
    // On a new connection it hears of its lease at once.
    let connected = said(whole, CONNECTED);
    line.cut_once();
    says_again(whole, CONNECTED, connected).await;
    line.set(Way::Held);
    load.progress(5).await.unwrap();
    let unknown = "--for=condition=ManagedClusterConditionAvailable=Unknown";
    whole.run(&["wait", "mcl/far", unknown, "--timeout", "120s"]).unwrap().ok().unwrap();
    line.set(Way::Open);
    whole.available(FAR).unwrap();

    let (connecting, connected) = (said(whole, CONNECTING), said(whole, CONNECTED));
    line.set(Way::ToHub);
    says_again(whole, CONNECTING, connecting).await;
    load.progress(5).await.unwrap();
    line.cut_once();
    says_again(whole, CONNECTED, connected).await;
    whole.available(FAR).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_s_line_may_break_in_any_way_and_nothing_is_lost_or_done_twice() {
    let mut whole = Fleetlog::without_services(programs!()).await.unwrap();
    let mut lines = vec![];
    for service in Service::ALL {
        let line = Line::to(whole.hub().url()).await.unwrap();
        whole.serve(service, Some(line.url()), &[]).unwrap();
        lines.push((service, line));
    }
    whole.answering().await.unwrap();
    let mut members = vec![];
    for (name, seed) in [("near", 4), ("nearer", 5), ("nearest", 6)] {
        members.push(Member::simulated(name, seed).await.unwrap());
        whole.join(&members[members.len() - 1], None).await.unwrap();
    }
    let mut load = Load::start(&whole, &members, 4).await.unwrap();
    let mut history = History::of(&whole).await.unwrap();
    for (service, line) in &lines {
        for way in [Way::Cut, Way::Held, Way::ToHub, Way::ToClient] {
            // Three times, so that the cut meets commands in every stage of their handling.
            for more in [1, 4, 7] {
                load.progress(more).await.unwrap();
                line.set(way);
                // The writers of other services go on meanwhile.
                load.progress(3).await.unwrap();
                if way != Way::Held {
                    line.set(Way::Cut);
                }
                line.set(Way::Open);
            }
        }
        all_is_well(&whole, &members, &load, &mut history).await;
        if *service == Service::Work {
            overdue(&mut whole, line).await;
            all_is_well(&whole, &members, &load, &mut history).await;
        }
        let process = whole.process(&Victim::Service(*service)).unwrap();
        assert_eq!(process.ended(), None, "{service} goes on:\n{}", process.said());
    }
    let _pause = load.pause().await.unwrap();
    whole.verify().unwrap();
}

/// An append of the work service is stored and its answer held, for longer than it waits for one;
/// the connection stays.
async fn overdue(whole: &mut Fleetlog, line: &Line) {
    let work = Victim::Service(Service::Work);
    let before = whole.process(&work).unwrap().said().matches(OVERDUE).count();
    line.hold_answers_once_said("PUB fl.ev.work.");
    let says = says_more(whole, &work, OVERDUE, before);
    let said = tokio::time::timeout(OVERDUE_AFTER, says).await;
    line.set(Way::Open);
    assert!(said.is_ok(), "it does not say so: {OVERDUE}");
}
