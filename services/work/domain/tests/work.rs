//! Given, when, then: every command on a ManifestWork and each of its refusals.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Position, dns_subdomain};
use fleetlog_messages::common::{ObjectMeta, Raw};
use fleetlog_messages::work::{
    ManifestWork, ManifestWorkSpec, ManifestsTemplate, ReportWork, WorkSpecified,
};
use fleetlog_rules::labels::LabelError;
use fleetlog_work_domain::command::{Member, OfWork, Owner, Planned, WorkCommand};
use fleetlog_work_domain::metadata::Metadata;
use fleetlog_work_domain::name::{WORK_FINALIZER, WorkKey};
use fleetlog_work_domain::{Refusal, Work};

fn by(who: &str) -> OfWork {
    of_work(WorkCommand::Delete { by: who.into() })
}

fn unknown(asked: OfWork) -> OfWork {
    OfWork { cluster: Member::Unknown, ..asked }
}

fn withdrawing(set: &str) -> OfWork {
    of_work(WorkCommand::Withdraw(Owner::ReplicaSet(set.into())))
}

#[test]
fn a_new_work_is_born_with_its_finalizer() {
    given::<Work>([]).at(at(1)).when(applying(work(), Some(bundle("b1")))).then([specified("b1")]);
}

#[test]
fn the_same_again_changes_nothing() {
    given::<Work>([specified("b1")])
        .at(at(9))
        .when(applying(work(), Some(bundle("b1"))))
        .then_nothing();
}

#[test]
fn other_manifests_are_a_new_generation() {
    let events =
        given::<Work>([specified("b1")]).when(applying(work(), Some(bundle("b2")))).events();
    let [WorkEvent::Specified(event)] = events.as_slice() else { panic!("{events:?}") };
    let metadata = event.work.as_ref().and_then(|w| w.metadata.as_ref()).unwrap();
    assert_eq!((metadata.generation(), metadata.uid()), (2, UID));
    assert_eq!(event.bundle, Some(bundle("b2")));
}

#[test]
fn a_label_is_no_new_generation() {
    let events = given::<Work>([specified("b1")])
        .when(applying(labelled(work(), "a", "b"), Some(bundle("b1"))))
        .events();
    let [WorkEvent::Specified(event)] = events.as_slice() else { panic!("{events:?}") };
    let metadata = event.work.as_ref().and_then(|w| w.metadata.as_ref()).unwrap();
    assert_eq!(metadata.generation(), 1);
    assert_eq!(metadata.labels.get("a").map(String::as_str), Some("b"));
}

#[test]
fn labels_that_are_not_given_stay_unless_they_are_replaced() {
    let before = || {
        let metadata = ObjectMeta {
            labels: [("a".to_owned(), "b".to_owned())].into(),
            ..born("c1", "shop", 1, WORK_FINALIZER)
        };
        let work = Some(ManifestWork { metadata: Some(metadata), ..work() });
        WorkEvent::Specified(WorkSpecified {
            work,
            bundle: Some(bundle("b1")),
            ..Default::default()
        })
    };
    given::<Work>([before()]).when(applying(work(), Some(bundle("b1")))).then_nothing();
    let mut replacing = apply(work(), Some(bundle("b1")));
    replacing.metadata = Metadata::Replace;
    given::<Work>([before()])
        .when(of_work(WorkCommand::Apply(Box::new(replacing))))
        .then([specified("b1")]);
}

#[test]
fn a_status_that_is_given_does_not_count() {
    let given_status = ManifestWork { status: Some(available(1, 5)), ..work() };
    given::<Work>([specified("b1")])
        .when(applying(given_status, Some(bundle("b1"))))
        .then_nothing();
}

#[test]
fn the_namespace_of_a_new_work_is_a_managed_cluster() {
    given::<Work>([])
        .when(unknown(applying(work(), Some(bundle("b1")))))
        .then_refused(Refusal::NoSuchCluster { cluster: "c1".into() });
}

#[test]
fn a_work_without_manifests_is_refused() {
    given::<Work>([]).when(applying(work(), None)).then_refused(Refusal::NoManifests);
    let none = fleetlog_messages::work::Bundle { count: 0, ..bundle("b1") };
    given::<Work>([]).when(applying(work(), Some(none))).then_refused(Refusal::NoManifests);
}

#[test]
fn manifests_over_the_limit_are_refused() {
    let limit = 64 * 1024 * 1024;
    let of = |size: u64| fleetlog_messages::work::Bundle { size: size + 3, ..bundle("b1") };
    given::<Work>([])
        .when(applying(work(), Some(of(limit + 1))))
        .then_refused(Refusal::TooLarge { size: limit + 1, limit });
    assert_eq!(given::<Work>([]).when(applying(work(), Some(of(limit)))).events().len(), 1);
}

#[test]
fn manifests_in_the_command_itself_are_refused() {
    let manifests = vec![Raw { json: b"{}".to_vec() }];
    let workload = Some(ManifestsTemplate { manifests });
    let spec = Some(ManifestWorkSpec { workload, ..ManifestWorkSpec::default() });
    given::<Work>([])
        .when(applying(ManifestWork { spec, ..work() }, Some(bundle("b1"))))
        .then_refused(Refusal::Incomplete { missing: "bundle" });
}

#[test]
fn a_work_without_spec_is_refused() {
    given::<Work>([])
        .when(applying(ManifestWork { spec: None, ..work() }, Some(bundle("b1"))))
        .then_refused(Refusal::Incomplete { missing: "spec" });
}

#[test]
fn names_that_kubernetes_or_the_agents_record_refuse_are_refused() {
    let named = |name: &str| OfWork {
        key: WorkKey::new("c1", name),
        ..applying(ManifestWork { metadata: None, ..work() }, Some(bundle("b1")))
    };
    let error = dns_subdomain("Shop").unwrap_err();
    given::<Work>([]).when(named("Shop")).then_refused(Refusal::BadName(error));
    let long = "a".repeat(189);
    let refused = Refusal::BadName(fleetlog_kernel::NameError {
        name: long.clone(),
        rule: "a work's name has at most 188 characters",
    });
    given::<Work>([]).when(named(&long)).then_refused(refused);
    assert_eq!(given::<Work>([]).when(named(&"a".repeat(188))).events().len(), 1);
}

#[test]
fn an_object_goes_under_its_own_name() {
    let other = ManifestWork { metadata: Some(meta("c2", "shop")), ..work() };
    given::<Work>([]).when(applying(other, Some(bundle("b1")))).then_refused(
        Refusal::Misaddressed { given: "c2/shop".into(), addressed: "c1/shop".into() },
    );
}

#[test]
fn a_label_that_no_object_can_have_is_refused() {
    let error = LabelError { text: "no good".into(), what: "value" };
    given::<Work>([])
        .when(applying(labelled(work(), "a", "no good"), Some(bundle("b1"))))
        .then_refused(Refusal::BadLabel(error));
}

#[test]
fn a_change_of_what_was_not_seen_is_refused() {
    let work_at_7 = Work::default().fold(&[specified("b1")], Position(7));
    let with = |version: String| {
        let mut asked = apply(labelled(work(), "a", "b"), Some(bundle("b1")));
        asked.resource_version = version;
        of_work(WorkCommand::Apply(Box::new(asked)))
    };
    let decide = |asked| fleetlog_kernel::Decider::decide(&work_at_7, &asked, at(9));
    let seen = Position(7).resource_version(0);
    assert_eq!(decide(with(seen.clone())).map(|events| events.len()), Ok(1));
    let old = Position(6).resource_version(0);
    let refused = Refusal::Outdated { object: "c1/shop".into(), given: old.clone(), current: seen };
    assert_eq!(decide(with(old)), Err(refused));
    given::<Work>([])
        .when(with("1".into()))
        .then_refused(Refusal::NotFound { object: "c1/shop".into() });
}

#[test]
fn users_do_not_change_what_a_replica_set_keeps() {
    given::<Work>([delivered()]).when(applying(work(), Some(bundle("b2")))).then_refused(
        Refusal::OwnedByReplicaSet { work: "c1/shop".into(), owner: "apps/shop".into() },
    );
}

#[test]
fn nothing_is_applied_to_what_is_on_its_way_out() {
    let history = || [specified("b1"), deletion_requested("alice", 3)];
    let being_deleted = || Refusal::BeingDeleted { object: "c1/shop".into() };
    given::<Work>(history())
        .when(applying(work(), Some(bundle("b2"))))
        .then_refused(being_deleted());
    given::<Work>([delivered(), deletion_requested("alice", 3)])
        .when(delivering(Planned::Still))
        .then_refused(being_deleted());
}

#[test]
fn a_deletion_waits_for_the_agent() {
    given::<Work>([specified("b1")])
        .at(at(3))
        .when(by("alice"))
        .then([deletion_requested("alice", 3)]);
    given::<Work>([specified("b1"), deletion_requested("alice", 3)]).when(by("bob")).then_nothing();
    given::<Work>([specified("b1"), deletion_requested("alice", 3)]).when(gone()).then([deleted()]);
}

#[test]
fn the_finalizer_shows_until_the_agent_is_done() {
    let work = given::<Work>([specified("b1"), deletion_requested("alice", 3)]).state();
    let meta = work.metadata().unwrap();
    assert_eq!(meta.deletion_timestamp, Some(time(3)));
    assert_eq!(meta.finalizers, [WORK_FINALIZER]);
}

#[test]
fn without_its_cluster_a_work_goes_at_once() {
    let abandon = || of_work(WorkCommand::Abandon { by: "service:work".into() });
    given::<Work>([specified("b1")])
        .at(at(3))
        .when(unknown(abandon()))
        .then([deletion_requested("service:work", 3), deleted()]);
    given::<Work>([specified("b1"), deletion_requested("alice", 3)])
        .when(unknown(abandon()))
        .then([deleted()]);
    given::<Work>([specified("b1")])
        .at(at(3))
        .when(unknown(by("alice")))
        .then([deletion_requested("alice", 3), deleted()]);
    given::<Work>([]).when(unknown(abandon())).then_nothing();
}

#[test]
fn a_cluster_that_came_back_keeps_its_works() {
    given::<Work>([specified("b1")])
        .when(of_work(WorkCommand::Abandon { by: "service:work".into() }))
        .then_nothing();
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    given::<Work>([])
        .when(by("alice"))
        .then_refused(Refusal::NotFound { object: "c1/shop".into() });
}

#[test]
fn a_plan_makes_a_work_with_its_labels() {
    given::<Work>([]).at(at(1)).when(delivering(Planned::Still)).then([delivered()]);
    given::<Work>([delivered()]).at(at(8)).when(delivering(Planned::Still)).then_nothing();
}

#[test]
fn a_plan_that_was_overtaken_makes_nothing() {
    given::<Work>([]).when(delivering(Planned::NoMore)).then_nothing();
}

#[test]
fn a_plan_does_not_take_over_a_users_work() {
    given::<Work>([specified("b1")])
        .when(delivering(Planned::Still))
        .then_refused(Refusal::OwnedByReplicaSet { work: "c1/shop".into(), owner: String::new() });
}

#[test]
fn a_plan_for_a_cluster_that_left_is_refused() {
    given::<Work>([])
        .when(unknown(delivering(Planned::Still)))
        .then_refused(Refusal::NoSuchCluster { cluster: "c1".into() });
}

#[test]
fn a_plan_withdraws_only_its_own() {
    given::<Work>([delivered()])
        .at(at(4))
        .when(withdrawing("apps/shop"))
        .then([deletion_requested("replicaset:apps/shop", 4)]);
    given::<Work>([delivered()]).when(withdrawing("apps/other")).then_nothing();
    given::<Work>([specified("b1")]).when(withdrawing("apps/shop")).then_nothing();
    given::<Work>([]).when(withdrawing("apps/shop")).then_nothing();
}

#[test]
fn a_report_becomes_the_status() {
    given::<Work>([specified("b1")])
        .at(at(5))
        .when(reporting(1, available(1, 5)))
        .then([reported_at(5, 1, available(1, 5))]);
}

#[test]
fn a_report_that_changes_nothing_is_no_event() {
    given::<Work>([specified("b1"), reported(1, available(1, 5))])
        .at(at(9))
        .when(reporting(1, available(1, 9)))
        .then_nothing();
}

#[test]
fn a_transition_time_moves_with_its_status_only() {
    let was =
        status(vec![condition("Applied", "True", 1, 5), condition("Available", "False", 1, 5)]);
    let now =
        status(vec![condition("Applied", "True", 1, 9), condition("Available", "True", 1, 9)]);
    let then =
        status(vec![condition("Applied", "True", 1, 5), condition("Available", "True", 1, 9)]);
    given::<Work>([specified("b1"), reported(1, was)])
        .at(at(9))
        .when(reporting(1, now))
        .then([reported_at(9, 1, then)]);
}

#[test]
fn a_report_about_another_generation_is_refused() {
    given::<Work>([specified("b1")])
        .when(reporting(2, available(2, 5)))
        .then_refused(Refusal::OtherGeneration { reported: 2, current: 1 });
}

#[test]
fn a_report_about_nothing_is_refused() {
    let not_found = || Refusal::NotFound { object: "c1/shop".into() };
    given::<Work>([]).when(reporting(1, available(1, 5))).then_refused(not_found());
    given::<Work>([]).when(gone()).then_refused(not_found());
    let empty = ReportWork { generation: 1, ..ReportWork::default() };
    given::<Work>([specified("b1")])
        .when(of_work(WorkCommand::Report(Box::new(empty))))
        .then_refused(Refusal::Incomplete { missing: "status" });
}

#[test]
fn a_report_that_no_event_could_hold_is_refused() {
    let mut large = condition("Applied", "True", 1, 5);
    large.message = Some("x".repeat(600 * 1024));
    let asked = reporting(1, status(vec![large]));
    let WorkCommand::Report(report) = &asked.command else { panic!("{asked:?}") };
    let size = prost::Message::encoded_len(report.as_ref());
    given::<Work>([specified("b1")])
        .when(asked)
        .then_refused(Refusal::ReportTooLarge { size, limit: 512 * 1024 });
}

#[test]
fn the_end_of_an_earlier_incarnation_does_not_end_this_one() {
    given::<Work>([specified("b1")]).when(gone()).then_nothing();
}

#[test]
fn an_agents_generation_moves_with_what_it_gets_and_with_nothing_else() {
    let work = Work::default().fold(&[specified("b1")], Position(3));
    assert_eq!(work.delivered_at(), Position(3));
    let work = work.fold(&[reported(1, available(1, 5))], Position(4));
    assert_eq!((work.delivered_at(), work.state().changed), (Position(3), 4));
    let work = work.fold(&[specified("b2")], Position(5));
    assert_eq!(work.delivered_at(), Position(5));
    let work = work.fold(&[deletion_requested("alice", 9)], Position(6));
    assert_eq!(work.delivered_at(), Position(6));
}
