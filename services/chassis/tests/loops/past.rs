//! Questions about the past: answered as it was, from a state of their own.

use crate::stage::{Performed, Stage, accomplished, bounds, pass};
use crate::tally::{Tally, tally};
use fleetlog_bus::{ClientError, Edition, SNAP_BUCKET, encode_snapshot};
use fleetlog_chassis::{Bounds, FORMAT, Hosted, Machine as _};
use fleetlog_kernel::Service;
use fleetlog_messages::common::{Answer, Query, Snapshot};
use std::sync::Arc;
use std::time::Duration;

const SERVICE: Service = Service::Registration;

fn objects(pages: &[Answer]) -> Vec<Vec<String>> {
    let text = |object: &Vec<u8>| String::from_utf8(object.clone()).unwrap();
    pages.iter().map(|page| page.objects.iter().map(text).collect()).collect()
}

async fn refusal(stage: &Arc<Stage>, query: Query) -> String {
    match stage.client().ask(SERVICE, "get", query).await {
        Err(ClientError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_past_is_answered_as_it_was_by_position_and_by_time() {
    let stage = Stage::new();
    let service = stage.start().await;
    let client = stage.client();
    let mut times = vec![];
    for name in ["a", "b", "a"] {
        accomplished(client.command(&tally(name), "add 1".into()).await.unwrap());
        times.push(i64::try_from(service.ground.clock.now().as_nanos()).unwrap());
        pass(Duration::from_secs(1)).await;
    }
    for (at, then) in [(1, vec!["a=1"]), (2, vec!["a=1", "b=1"]), (3, vec!["a=2", "b=1"])] {
        let by_position = Query { as_of: at, ..Query::default() };
        let by_time = Query { as_of_time: times[at as usize - 1], ..Query::default() };
        for query in [by_position, by_time] {
            let pages = client.ask(SERVICE, "get", query).await.unwrap();
            assert_eq!(objects(&pages), std::slice::from_ref(&then));
            assert_eq!(pages[0].position, at);
        }
    }
    let moments = [(0, 0), (2, 0), (0, times[0]), (0, times[1] + 1)];
    for ((as_of, as_of_time), position) in moments.into_iter().zip([3, 2, 1, 2]) {
        let query = Query { as_of, as_of_time, ..Query::default() };
        let pages = client.ask(SERVICE, "moment", query).await.unwrap();
        assert_eq!((pages[0].position, objects(&pages)), (position, vec![vec![]]));
    }
    assert_eq!(service.read(|hosted| hosted.position().0), 3, "the state that decides stays");
}

#[tokio::test(start_paused = true)]
async fn the_past_is_the_same_from_a_snapshot_and_from_the_log_alone() {
    let stage = Stage::new();
    let bounds = Bounds { snapshot_every: 2, ..bounds() };
    let _service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    let client = stage.client();
    for _ in 0..7 {
        accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
        pass(Duration::from_secs(1)).await;
    }
    for at in 1..=7 {
        let query = Query { as_of: at, ..Query::default() };
        let pages = client.ask(SERVICE, "get", query).await.unwrap();
        assert_eq!(objects(&pages), [vec![format!("a={at}")]]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_moment_long_past_is_folded_from_a_waypoint_and_then_from_the_last_answer() {
    let stage = Stage::new();
    let bounds = Bounds { snapshot_every: 2, ..bounds() };
    let service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    let client = stage.client();
    for _ in 0..11 {
        accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
        pass(Duration::from_secs(1)).await;
    }
    let snapshots = &service.ground.bus.snapshots;
    let edition = Edition { format: FORMAT, version: Tally::VERSION, since: 0 };
    let mut candidates = snapshots.candidates(SERVICE, &(0..=5), edition).await.unwrap();
    let saved = candidates.next().await.unwrap().unwrap();
    assert_eq!(saved.position, 4, "neither of the two newest is so old");
    let ask = async |as_of| {
        let pages = client.ask(SERVICE, "get", Query { as_of, ..Query::default() }).await.unwrap();
        objects(&pages)[0][0].clone()
    };
    let put = async |snapshot: &Snapshot| {
        let broker = &service.ground.bus.broker;
        let name = "registration-waypoint-1";
        broker.put_object(SNAP_BUCKET, name, encode_snapshot(snapshot)).await.unwrap();
    };
    // An answer tells where it began when what lies there is falsified.
    let mut falsified = Hosted::<Tally>::restore(&saved).unwrap();
    falsified.machine_mut().0.insert("a".to_owned(), 100);
    put(&falsified.snapshot()).await;
    assert_eq!(ask(5).await, "a=101", "it began at the waypoint");
    put(&saved).await;
    assert_eq!(ask(6).await, "a=102", "it went on from the last answer");
    assert_eq!(ask(5).await, "a=5", "which is after this moment");
    put(&falsified.snapshot()).await;
    assert_eq!(ask(5).await, "a=5");
    pass(Duration::from_secs(120)).await;
    assert_eq!(ask(5).await, "a=101", "nobody asked for long: the last answer is gone");
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_the_log_does_not_hold_is_refused() {
    let stage = Stage::new();
    let _service = stage.start().await;
    accomplished(stage.client().command(&tally("a"), "add 1".into()).await.unwrap());
    let late = Query { as_of: 2, ..Query::default() };
    assert_eq!(refusal(&stage, late).await, "CHS0008");
    let early = Query { as_of_time: 1, ..Query::default() };
    assert_eq!(refusal(&stage, early).await, "CHS0008");
}

#[tokio::test(start_paused = true)]
async fn questions_about_the_past_leave_places_for_others() {
    let stage = Stage::new();
    let bounds = Bounds { past_questions: 2, ..bounds() };
    let _service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    let client = stage.client();
    accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
    let past = || Query { as_of: 1, ..Query::default() };
    let asked = (0..4).map(|_| client.ask(SERVICE, "get", past()));
    let answers = futures::future::join_all(asked).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (2, 2));
    for answer in refused {
        let Err(ClientError::Refused(refusal)) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.code, "CHS0007");
    }
    client.ask(SERVICE, "get", past()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_question_of_the_services_own_is_answered_as_of_a_moment_too() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let client = stage.client();
    for _ in 0..2 {
        accomplished(client.command(&tally("a"), "add 1".into()).await.unwrap());
        pass(Duration::from_secs(10)).await;
    }
    let about = Query { name: "a".to_owned(), ..Query::default() };
    let past = Query { as_of: 1, ..about.clone() };
    for (query, said) in [(about, "a holds 2 at 1800000020"), (past, "a holds 1 at 1800000000")] {
        let pages = client.ask(SERVICE, "tell", query).await.unwrap();
        assert_eq!(objects(&pages), [vec![said]]);
    }
}
