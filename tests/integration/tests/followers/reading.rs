//! What followers get, and when they stop.

use crate::stage::Stage;
use fleetlog_bus::{FollowError, Follower, Tale, ToldEvents};
use fleetlog_kernel::Position;
use fleetlog_messages::happened::{Happened, Untold};
use fleetlog_messages::registration::{
    BindingBound, BindingEvent, ClusterDeleted, ClusterEvent, ClusterSetDeleted, ClusterSetEvent,
    binding_event, cluster_event, cluster_set_event,
};
use fleetlog_messages::registration_v2;
use fleetlog_messages::subject::{self, Subject};
use fleetlog_registration::{binding_id, cluster_id, set_id};
use fleetlog_test_support::{MADE, eventually};
use fleetlog_topology::apply::connect;
use fleetlog_topology::{Profile, audit, followers};
use futures::StreamExt as _;
use prost::Message as _;

const CLUSTER: &str = "fleetlog.registration.v1.ClusterEvent";
const SET: &str = "fleetlog.registration.v1.ClusterSetEvent";

async fn cluster_goes(stage: &Stage, name: &str) -> u64 {
    let event = cluster_event::Event::Deleted(ClusterDeleted { by: "alice".to_owned() });
    let event = ClusterEvent { event: Some(event) }.encode_to_vec();
    stage.append(&cluster_id(name), CLUSTER, "ClusterDeleted", event).await
}

async fn set_goes(stage: &Stage, name: &str) -> u64 {
    let event = cluster_set_event::Event::Deleted(ClusterSetDeleted { by: "alice".to_owned() });
    let event = ClusterSetEvent { event: Some(event) }.encode_to_vec();
    stage.append(&set_id(name), SET, "ClusterSetDeleted", event).await
}

async fn next(tale: &mut Tale) -> ToldEvents {
    tale.next().await.unwrap().unwrap()
}

async fn refused(follower: &Follower, filter: Subject) -> String {
    match follower.follow(&filter, Position::START).await {
        Ok(_) => panic!("{filter} was read"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_reads_its_subjects_at_the_positions_of_the_log_and_nothing_else() {
    let stage = Stage::new().await;
    let first = cluster_goes(&stage, "c1").await;
    set_goes(&stage, "s1").await;
    let part = stage.follows("part", &["fl.ev.registration.cluster.>"]).await;
    let clusters = Subject::raw("fl.ev.registration.cluster.*");
    let mut tale = part.follow(&clusters, Position::START).await.unwrap();
    let third = cluster_goes(&stage, "c2").await;
    for (position, name) in [(first, "c1"), (third, "c2")] {
        let told = next(&mut tale).await;
        assert_eq!(
            (told.commit.position, &*told.commit.aggregate.name),
            (Position(position), name)
        );
        let deleted = cluster_event::Event::Deleted(ClusterDeleted { by: "alice".to_owned() });
        assert_eq!(told.events, [Happened::Cluster(deleted)]);
    }
    let mut later = part.follow(&clusters, Position(first)).await.unwrap();
    assert_eq!(next(&mut later).await.commit.position, Position(third));
    for filter in [subject::events(), Subject::raw("fl.ev.registration.>")] {
        let said = refused(&part, filter.clone()).await;
        assert!(said.contains(filter.as_str()), "{said}");
    }
    let all = stage.follows("all", &["fl.ev.>"]).await;
    let mut tale = all.follow(&subject::events(), Position::START).await.unwrap();
    for position in 1..=3 {
        assert_eq!(next(&mut tale).await.commit.position, Position(position));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_is_told_once_more_and_ends() {
    let stage = Stage::new().await;
    let follower = stage.follows("all", &["fl.ev.>"]).await;
    for name in ["c1", "c2", "c3", "c4"] {
        cluster_goes(&stage, name).await;
    }
    let mut tale = follower.follow(&subject::events(), Position(3)).await.unwrap();
    assert_eq!(next(&mut tale).await.commit.position, Position(4), "the mirror has them all");
    for (first, last, expected) in [
        (2, 3, vec![2, 3]),
        (0, 1, vec![1]),
        (3, 9, vec![3, 4]),
        (1, 4, vec![1, 2, 3, 4]),
        (5, 9, vec![]),
        (3, 2, vec![]),
    ] {
        let (first, last) = (Position(first), Position(last));
        let tale = follower.replay(&subject::events(), first, last).await.unwrap();
        let told: Vec<u64> = tale.map(|told| told.unwrap().commit.position.0).collect().await;
        assert_eq!(told, expected, "{first} to {last}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_is_told_in_todays_words_and_what_is_newer_stops_the_follower() {
    let stage = Stage::new().await;
    let binding = binding_id("shop", "blue");
    let old = binding_event::Event::Bound(BindingBound { exists: false, at: None });
    let old = BindingEvent { event: Some(old) }.encode_to_vec();
    let schema = "fleetlog.registration.v1.BindingEvent";
    stage.append(&binding, schema, "BindingBound", old).await;
    let newer = "fleetlog.registration.v3.BindingEvent";
    stage.append(&binding, newer, "BindingMoved", vec![1]).await;
    cluster_goes(&stage, "c1").await;
    let follower = stage.follows("all", &["fl.ev.>"]).await;
    let mut tale = follower.follow(&subject::events(), Position::START).await.unwrap();
    let unbound = registration_v2::BindingUnbound { at: None };
    let unbound = registration_v2::binding_event::Event::Unbound(unbound);
    assert_eq!(next(&mut tale).await.events, [Happened::Binding(unbound)]);
    match tale.next().await.unwrap() {
        Err(FollowError::Untold(Untold::Newer(found))) => {
            assert_eq!(found.position, Position(2));
            assert_eq!((&*found.event, &*found.schema), ("BindingMoved", newer));
            assert_eq!(found.reads, Some("fleetlog.registration.v2.BindingEvent"));
        }
        other => panic!("{other:?}"),
    }
    assert!(tale.next().await.is_none(), "nothing behind it is told");
    let range = follower.replay(&subject::events(), Position(1), Position(3)).await.unwrap();
    let told: Vec<bool> = range.map(|told| told.is_ok()).collect().await;
    assert_eq!(told, [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_deleted_is_cut_and_let_in_no_more_also_after_a_restart() {
    let mut stage = Stage::new().await;
    let gone = stage.follower("gone", &["fl.ev.>"]).await;
    let stays = stage.follower("stays", &["fl.ev.>"]).await;
    let url = stage.hub.url().to_owned();
    let follower = Follower::connect(&url, gone.clone()).await.unwrap();
    cluster_goes(&stage, "c1").await;
    let mut tale = follower.follow(&subject::events(), Position::START).await.unwrap();
    next(&mut tale).await;

    followers::delete(stage.hub.dir(), &url, "gone", MADE).await.unwrap();

    let is_refused = async || Follower::connect(&url, gone.clone()).await.err();
    eventually("the deleted follower is refused", is_refused).await.unwrap();
    let names = |dir| -> Vec<String> {
        followers::all(dir).unwrap().into_iter().map(|follower| follower.name).collect()
    };
    assert_eq!(names(stage.hub.dir()), ["stays"]);
    let again = followers::delete(stage.hub.dir(), &url, "gone", MADE).await.unwrap_err();
    assert_eq!(again.code(), "HUB0033");
    stage.hub.restart().await.unwrap();
    assert!(Follower::connect(&url, gone).await.is_err(), "a restart let it in");
    cluster_goes(&stage, "c2").await;
    let stays = Follower::connect(&url, stays).await.unwrap();
    let mut tale = stays.follow(&subject::events(), Position(1)).await.unwrap();
    assert_eq!(next(&mut tale).await.commit.position, Position(2), "the mirror goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_once_and_subjects_are_those_of_events() {
    let stage = Stage::new().await;
    stage.follower("audit", &["fl.ev.>"]).await;
    let (dir, url) = (stage.hub.dir(), stage.hub.url());
    let refusal = async |name: &str, subject: &str| {
        let subjects = [subject.to_owned()];
        followers::create(dir, url, name, &subjects, MADE).await.unwrap_err().code()
    };
    assert_eq!(refusal("audit", "fl.ev.>").await, "HUB0032");
    assert_eq!(refusal("other", "fl.cmd.>").await, "HUB0031");
    assert_eq!(refusal("*", "fl.ev.>").await, "HUB0009");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mirror_is_looked_at_and_one_that_is_cut_off_is_an_alarm() {
    let stage = Stage::new().await;
    let auditor = stage.hub.identity().unwrap().auditor().unwrap();
    let auditor = connect(stage.hub.url(), &auditor).await.unwrap();
    assert_eq!(audit::look(&auditor).await.unwrap(), None, "nobody follows, nothing is copied");
    let last = cluster_goes(&stage, "c1").await;
    // As somebody makes it who does not know that it needs a filter: it stays empty, silently.
    let cut_off = serde_json::json!({
        "name": "AUDIT", "storage": "file",
        "mirror": { "name": "EVENTS",
            "external": { "api": "JS.HUB.API", "deliver": "fl.audit.deliver" } },
    });
    let create = "$JS.API.STREAM.CREATE.AUDIT".to_owned();
    auditor.request(create, cut_off.to_string().into()).await.unwrap();
    let cut_off = audit::look(&auditor).await.unwrap().unwrap();
    assert_eq!((cut_off.heard, cut_off.position), (None, 0));
    assert_eq!(cut_off.alarm().unwrap().code(), "HUB0034");
    let differs = audit::apply(&auditor, Profile::Dev).await.unwrap_err();
    assert_eq!(differs.code(), "HUB0004");

    let well = Stage::new().await;
    assert_eq!(cluster_goes(&well, "c1").await, last);
    well.follower("all", &["fl.ev.>"]).await;
    let auditor = well.hub.identity().unwrap().auditor().unwrap();
    let auditor = connect(well.hub.url(), &auditor).await.unwrap();
    let caught_up = async || {
        let mirror = audit::look(&auditor).await.unwrap().unwrap();
        (mirror.position == last && mirror.alarm().is_none()).then_some(())
    };
    eventually("the mirror has the log", caught_up).await.unwrap();
    audit::apply(&auditor, Profile::Dev).await.unwrap();
}
