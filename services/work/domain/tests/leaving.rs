//! Works and replica sets on their way out: who holds them, and what may still be written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Decider, Position};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::work::{
    ManifestWork, ManifestWorkReplicaSet, ManifestWorkSpec, ReplicaSetSpecified,
    WorkDeletionRequested, WorkSpecified,
};
use fleetlog_rules::finalizers::Late;
use fleetlog_work_domain::command::{Member, OfSet, OfWork, Planned, SetCommand, WorkCommand};
use fleetlog_work_domain::metadata::Metadata;
use fleetlog_work_domain::name::{SET_FINALIZER, WORK_FINALIZER};
use fleetlog_work_domain::summary::Tally;
use fleetlog_work_domain::{Refusal, ReplicaSet, Work};
use proptest::prelude::*;

const MINE: &str = "example.com/mine";

/// The work whose metadata is this.
fn with(metadata: ObjectMeta) -> WorkEvent {
    let work = Some(ManifestWork { metadata: Some(metadata), ..work() });
    WorkEvent::Specified(WorkSpecified { work, bundle: Some(bundle("b1")), ..Default::default() })
}

/// As it is born, held by these.
fn held(finalizers: &[&str]) -> ObjectMeta {
    let finalizers = finalizers.iter().map(|one| (*one).to_owned()).collect();
    ObjectMeta { finalizers, ..born("c1", "shop", 1, WORK_FINALIZER) }
}

/// As it is since second 3, when it was to go.
fn going(finalizers: &[&str]) -> ObjectMeta {
    ObjectMeta {
        generation: Some(2),
        deletion_timestamp: Some(time(3)),
        deletion_grace_period_seconds: Some(0),
        ..held(finalizers)
    }
}

/// A write of all of it, as the hub API sends it.
fn writing(metadata: ObjectMeta, hash: &str) -> OfWork {
    let mut asked = apply(ManifestWork { metadata: Some(metadata), ..work() }, Some(bundle(hash)));
    asked.metadata = Metadata::Replace;
    of_work(WorkCommand::Apply(Box::new(asked)))
}

fn leaving() -> [WorkEvent; 2] {
    [with(held(&[MINE, WORK_FINALIZER])), deletion_requested("alice", 3)]
}

#[test]
fn a_deletion_is_a_generation_of_its_own() {
    let work = given::<Work>([specified("b1"), deletion_requested("alice", 3)]).state();
    assert_eq!(work.metadata(), Some(&going(&[WORK_FINALIZER])));
    // Of an older release.
    let by = "alice".to_owned();
    let old = WorkDeletionRequested { by, at: Some(time(3)), generation: 0 };
    let work = given::<Work>([specified("b1"), WorkEvent::DeletionRequested(old)]).state();
    assert_eq!((work.generation(), work.is_deleting()), (1, true));
}

#[test]
fn who_takes_the_last_finalizer_away_ends_a_work() {
    given::<Work>([specified("b1"), deletion_requested("alice", 3)])
        .when(writing(held(&[]), "b1"))
        .then([deleted()]);
}

#[test]
fn of_a_work_that_is_wanted_the_agents_finalizer_stays() {
    given::<Work>([specified("b1")]).when(writing(held(&[]), "b1")).then_nothing();
    given::<Work>([specified("b1")])
        .when(writing(held(&[MINE]), "b1"))
        .then([with(held(&[MINE, WORK_FINALIZER]))]);
}

#[test]
fn a_users_finalizer_holds_a_work_when_its_agent_is_done() {
    given::<Work>(leaving()).when(gone()).then([with(going(&[MINE]))]);
    let done = || leaving().into_iter().chain([with(going(&[MINE]))]);
    given::<Work>(done()).when(gone()).then_nothing();
    given::<Work>(done()).when(writing(held(&[]), "b1")).then([deleted()]);
    // The other way round, the agent is waited for.
    given::<Work>(leaving())
        .when(writing(held(&[WORK_FINALIZER]), "b1"))
        .then([with(going(&[WORK_FINALIZER]))]);
}

#[test]
fn without_its_cluster_a_work_waits_for_users_alone() {
    let asked = of_work(WorkCommand::Abandon { by: "service:work".into() });
    given::<Work>([with(held(&[MINE, WORK_FINALIZER]))])
        .at(at(3))
        .when(OfWork { cluster: Member::Unknown, ..asked })
        .then([deletion_requested("service:work", 3), with(going(&[MINE]))]);
}

#[test]
fn on_its_way_out_metadata_changes_and_nothing_else() {
    let mut labelled = going(&[MINE, WORK_FINALIZER]);
    labelled.labels.insert("a".into(), "b".into());
    given::<Work>(leaving()).when(writing(labelled.clone(), "b1")).then([with(labelled.clone())]);
    given::<Work>(leaving())
        .when(writing(labelled, "b2"))
        .then_refused(Refusal::BeingDeleted { object: "c1/shop".into() });
    let late = Late { finalizers: vec!["example.com/late".into()] };
    given::<Work>(leaving())
        .when(writing(held(&["example.com/late", MINE, WORK_FINALIZER]), "b1"))
        .then_refused(Refusal::Late(late));
}

#[test]
fn an_agent_that_has_not_heard_of_the_end_is_heard() {
    let leaving = || [specified("b2"), deletion_requested("alice", 3)];
    given::<Work>(leaving()).at(at(5)).when(reporting(1, available(1, 5))).then([reported_at(
        5,
        1,
        available(1, 5),
    )]);
    let told = || leaving().into_iter().chain([reported(2, available(2, 6))]);
    given::<Work>(told())
        .when(reporting(1, available(1, 5)))
        .then_refused(Refusal::OtherGeneration { reported: 1, current: 2 });
    assert_eq!(given::<Work>(told()).when(reporting(2, available(1, 6))).events().len(), 1);
}

#[test]
fn agents_are_told_again_of_what_concerns_them_alone() {
    let [held, requested] = leaving();
    let work = Work::default().fold(&[held], Position(3)).fold(&[requested], Position(4));
    assert_eq!(work.delivered_at(), Position(4));
    let work = work.fold(&[with(going(&[MINE]))], Position(5));
    assert_eq!((work.delivered_at(), work.state().changed), (Position(4), 5));
}

/// The set's work, written whole by somebody.
fn of_the_set(change: impl FnOnce(&mut ManifestWork)) -> OfWork {
    let mut work = made();
    change(&mut work);
    let mut asked = apply(work, Some(bundle("b1")));
    asked.metadata = Metadata::Replace;
    of_work(WorkCommand::Apply(Box::new(asked)))
}

#[test]
fn who_does_not_own_a_work_may_hold_it_and_change_nothing_else() {
    let refused =
        || Refusal::OwnedByReplicaSet { work: "c1/shop".into(), owner: "apps/shop".into() };
    let holds = of_the_set(|work| {
        work.metadata.get_or_insert_default().finalizers = vec![MINE.into()];
    });
    let events = given::<Work>([delivered()]).when(holds).events();
    let [WorkEvent::Specified(event)] = events.as_slice() else { panic!("{events:?}") };
    let meta = event.work.as_ref().and_then(|work| work.metadata.as_ref()).unwrap();
    assert_eq!(meta.finalizers, [MINE, WORK_FINALIZER]);
    assert_eq!((event.replica_set.as_str(), event.decision), ("apps/shop", 7));
    given::<Work>([delivered()])
        .when(of_the_set(|work| {
            work.spec =
                Some(ManifestWorkSpec { executor: Some(Default::default()), ..Default::default() });
        }))
        .then_refused(refused());
    given::<Work>([delivered()])
        .when(of_the_set(|work| work.metadata.get_or_insert_default().labels.clear()))
        .then_refused(refused());
    // What its owner brings next does not let go of it.
    let history = || [delivered(), WorkEvent::Specified(event.clone())];
    given::<Work>(history()).when(delivering(Planned::Still)).then_nothing();
}

fn status_of(hash: &str) -> fleetlog_messages::work::WriteWorkStatus {
    let status = Some(available(1, hash.len() as i64));
    fleetlog_messages::work::WriteWorkStatus { status, ..Default::default() }
}

fn writes(write: fleetlog_messages::work::WriteWorkStatus) -> OfWork {
    of_work(WorkCommand::WriteStatus(Box::new(write)))
}

#[test]
fn a_status_is_taken_as_it_is_written() {
    let first = || [specified("b1"), reported(1, available(1, 1))];
    // Transition times are the writer's.
    given::<Work>(first()).at(at(9)).when(writes(status_of("five!"))).then([reported_at(
        9,
        1,
        available(1, 5),
    )]);
    given::<Work>(first()).when(writes(status_of("x"))).then_nothing();
    let none = fleetlog_messages::work::WriteWorkStatus::default();
    given::<Work>([])
        .when(writes(none.clone()))
        .then_refused(Refusal::NotFound { object: "c1/shop".into() });
    let events = given::<Work>(first()).when(writes(none)).events();
    let [WorkEvent::StatusReported(emptied)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&emptied.status, emptied.generation), (&None, 1));
    let stale = fleetlog_messages::work::WriteWorkStatus {
        resource_version: Position(6).resource_version(0),
        ..status_of("x")
    };
    let refused = Work::default().fold(&first(), Position(7)).decide(&writes(stale), at(9));
    assert!(matches!(refused, Err(Refusal::Outdated { .. })), "{refused:?}");
    let mut large = condition("Applied", "True", 1, 5);
    large.message = Some("x".repeat(600 * 1024));
    let large = fleetlog_messages::work::WriteWorkStatus {
        status: Some(status(vec![large])),
        ..Default::default()
    };
    let refused = given::<Work>(first()).state().decide(&writes(large), at(9));
    assert!(matches!(refused, Err(Refusal::ReportTooLarge { .. })), "{refused:?}");
}

#[test]
fn a_status_speaks_of_the_generation_that_it_says_is_applied() {
    let third = || {
        let metadata = ObjectMeta { generation: Some(3), ..held(&[WORK_FINALIZER]) };
        [with(metadata), reported(1, available(1, 1))]
    };
    let of = |conditions| {
        let status = Some(status(conditions));
        let write = fleetlog_messages::work::WriteWorkStatus { status, ..Default::default() };
        let events = given::<Work>(third()).when(writes(write)).events();
        let [WorkEvent::StatusReported(event)] = events.as_slice() else { panic!("{events:?}") };
        event.generation
    };
    let said = |kind, generation| condition(kind, "True", generation, 5);
    assert_eq!(of(vec![said("Applied", 2), said("Available", 3)]), 2);
    assert_eq!(of(vec![said("Available", 2)]), 2);
    assert_eq!(of(vec![said("Applied", 7)]), 3);
    let mut unnumbered = said("Applied", 1);
    unnumbered.observed_generation = None;
    assert_eq!(of(vec![unnumbered]), 3);
    assert_eq!(of(vec![]), 1);
}

fn set_with(metadata: ObjectMeta) -> SetEvent {
    let replica_set = Some(ManifestWorkReplicaSet { metadata: Some(metadata), ..set(&["east"]) });
    SetEvent::Specified(ReplicaSetSpecified { replica_set, bundle: Some(bundle("b1")) })
}

fn set_held(finalizers: &[&str]) -> ObjectMeta {
    let finalizers = finalizers.iter().map(|one| (*one).to_owned()).collect();
    ObjectMeta { finalizers, ..born("apps", "shop", 1, SET_FINALIZER) }
}

fn set_going(finalizers: &[&str]) -> ObjectMeta {
    ObjectMeta {
        generation: Some(2),
        deletion_timestamp: Some(time(3)),
        deletion_grace_period_seconds: Some(0),
        ..set_held(finalizers)
    }
}

fn writing_set(metadata: ObjectMeta) -> OfSet {
    let object = ManifestWorkReplicaSet { metadata: Some(metadata), ..set(&["east"]) };
    let mut asked = applying_set(object, Some(bundle("b1")));
    if let SetCommand::Apply(apply) = &mut asked.command {
        apply.metadata = Metadata::Replace;
    }
    asked
}

#[test]
fn a_users_finalizer_holds_a_set_when_its_works_are_gone() {
    let before = || set_with(set_held(&[MINE, SET_FINALIZER]));
    let delete = |works| of_set(SetCommand::Delete { by: "alice".into(), works });
    let (asked, done) = (|| set_deletion_requested("alice", 3), || set_with(set_going(&[MINE])));
    given::<ReplicaSet>([before()]).at(at(3)).when(delete(0)).then([asked(), done()]);
    let mut cascade = set_held(&[MINE, SET_FINALIZER]);
    let waiting = || {
        let object = ManifestWorkReplicaSet {
            metadata: Some(set_held(&[MINE, SET_FINALIZER])),
            ..foreground(set(&["east"]))
        };
        let (replica_set, bundle) = (Some(object), Some(bundle("b1")));
        SetEvent::Specified(ReplicaSetSpecified { replica_set, bundle })
    };
    given::<ReplicaSet>([waiting()]).at(at(3)).when(delete(1)).then([asked()]);
    let events = given::<ReplicaSet>([waiting(), asked()])
        .when(of_set(SetCommand::Summarize(Tally::default())))
        .events();
    let [SetEvent::Specified(event)] = events.as_slice() else { panic!("{events:?}") };
    let meta = event.replica_set.as_ref().and_then(|set| set.metadata.clone()).unwrap();
    assert_eq!(meta, set_going(&[MINE]));
    // The one of the service is no user's to take away.
    cascade.finalizers.clear();
    given::<ReplicaSet>([before(), asked()])
        .when(writing_set(cascade))
        .then([set_with(set_going(&[SET_FINALIZER]))]);
    given::<ReplicaSet>([before(), asked(), done()])
        .when(writing_set(set_held(&[])))
        .then([set_deleted()]);
    given::<ReplicaSet>([before(), asked(), done()])
        .when(writing_set(set_held(&["example.com/late"])))
        .then_refused(Refusal::Late(Late { finalizers: vec!["example.com/late".into()] }));
}

/// What is asked of a work in a history.
#[derive(Clone, Debug)]
enum Asked {
    Write(Vec<usize>, bool),
    Delete,
    Gone,
    Report(i64),
    Abandon,
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        4 => (proptest::sample::subsequence(vec![0, 1, 2], 0..=3), any::<bool>())
            .prop_map(|(finalizers, other)| Asked::Write(finalizers, other)),
        1 => Just(Asked::Delete),
        2 => Just(Asked::Gone),
        2 => (0..4_i64).prop_map(Asked::Report),
        1 => Just(Asked::Abandon),
    ]
}

proptest! {
    /// Whatever is asked in whichever order: a work goes only when it is to go and nobody holds it,
    /// nobody takes hold of it late, and its spec moves no more.
    #[test]
    fn a_work_goes_when_nobody_holds_it(all in proptest::collection::vec(asked(), 1..24)) {
        let names = [MINE, "example.com/other", WORK_FINALIZER];
        let mut work = Work::default().fold(&[specified("b1")], Position(1));
        for (index, asked) in all.into_iter().enumerate() {
            let command = match asked {
                Asked::Write(given, other) => {
                    let names: Vec<&str> = given.into_iter().map(|i| names[i]).collect();
                    writing(held(&names), if other { "b2" } else { "b1" })
                }
                Asked::Delete => of_work(WorkCommand::Delete { by: "alice".into() }),
                Asked::Gone => gone(),
                Asked::Report(generation) => reporting(generation, available(generation, 5)),
                Asked::Abandon => OfWork {
                    cluster: Member::Unknown,
                    ..of_work(WorkCommand::Abandon { by: "service:work".into() })
                },
            };
            let Ok(events) = work.decide(&command, at(9)) else { continue };
            let (before, position) = (work.clone(), Position(index as u64 + 2));
            work = work.fold(&events, position);
            if work.object().is_none() {
                let goes = |event: &WorkEvent| matches!(event, WorkEvent::DeletionRequested(_));
                prop_assert!(before.is_deleting() || events.iter().any(goes));
                break;
            }
            let holds = |work: &Work| {
                work.metadata().map(|meta| meta.finalizers.clone()).unwrap_or_default()
            };
            prop_assert!(!holds(&work).is_empty());
            if before.is_deleting() {
                prop_assert!(work.is_deleting());
                prop_assert!(holds(&work).iter().all(|one| holds(&before).contains(one)));
                prop_assert_eq!(work.bundle(), before.bundle());
                prop_assert_eq!(work.generation(), before.generation());
                prop_assert_eq!(work.delivered_at(), before.delivered_at());
            }
        }
    }
}
