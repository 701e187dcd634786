//! What is decided about ManagedClusterAddOns: each command, and every refusal.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{NOW, add_on, applying, installed, key, of_add_on};
use fleetlog_addon_domain::command::{AddOnCommand, Defined, Member, OfAddOn, Planned, Work};
use fleetlog_addon_domain::names::DEFAULT_NAMESPACE;
use fleetlog_addon_domain::{AddOn, Refusal};
use fleetlog_kernel::NameError;
use fleetlog_kernel::spec::given;
use fleetlog_messages::addon::{
    AddOnConfig, AddOnDeleted, AddOnDeletionRequested, AddOnProgressed, ManagedClusterAddOn,
    ManagedClusterAddOnStatus, add_on_event::Event,
};

fn apply(object: ManagedClusterAddOn) -> OfAddOn {
    of_add_on(AddOnCommand::Apply(applying(object)))
}

fn install(placement: &str, planned: Planned) -> OfAddOn {
    of_add_on(AddOnCommand::Install { placement: placement.into(), decision: 5, planned })
}

fn delete() -> OfAddOn {
    of_add_on(AddOnCommand::Delete { by: "alice".into() })
}

fn uninstall(planned: Planned) -> OfAddOn {
    of_add_on(AddOnCommand::Uninstall { by: "alice".into(), planned })
}

fn abandon() -> OfAddOn {
    of_add_on(AddOnCommand::Abandon { by: "alice".into() })
}

fn assess(status: ManagedClusterAddOnStatus) -> OfAddOn {
    of_add_on(AddOnCommand::Assess(Box::new(status)))
}

fn requested() -> Event {
    let at = Some(fleetlog_rules::time(NOW));
    Event::DeletionRequested(AddOnDeletionRequested { by: "alice".into(), at, generation: 2 })
}

fn gone() -> Event {
    Event::Deleted(AddOnDeleted {})
}

fn with_work(asked: OfAddOn) -> OfAddOn {
    OfAddOn { work: Work::Here, ..asked }
}

fn unknown(asked: OfAddOn) -> OfAddOn {
    OfAddOn { cluster: Member::Unknown, ..asked }
}

#[test]
fn a_user_installs_an_add_on_that_its_definition_owns() {
    given::<AddOn>([]).at(NOW).when(apply(add_on())).then([installed("")]);
    given::<AddOn>([installed("")]).when(apply(add_on())).then_nothing();
}

#[test]
fn a_plan_installs_it_once_and_notes_another_placement() {
    let still = |placement| install(placement, Planned::Still);
    given::<AddOn>([]).at(NOW).when(still("ops/east")).then([installed("ops/east")]);
    given::<AddOn>([installed("ops/east")]).when(still("ops/east")).then_nothing();
    let when = given::<AddOn>([installed("ops/west")]).when(still("ops/east"));
    when.then([installed("ops/east")]);
    given::<AddOn>([]).when(install("ops/east", Planned::NoMore)).then_nothing();
    given::<AddOn>([installed(""), requested()]).when(still("ops/east")).then_nothing();
}

#[test]
fn what_a_user_installed_stays_the_users_when_placements_come_and_go() {
    let here = || given::<AddOn>([installed("")]).at(NOW);
    here().when(install("ops/east", Planned::Still)).then_nothing();
    here().when(uninstall(Planned::NoMore)).then_nothing();
    let without_definition = |definition| OfAddOn { definition, ..uninstall(Planned::NoMore) };
    here().when(without_definition(Defined::Leaving)).then([requested(), gone()]);
    here().when(without_definition(Defined::Missing)).then([requested(), gone()]);
}

#[test]
fn without_cluster_or_definition_nothing_is_installed() {
    let asked = || apply(add_on());
    let when = given::<AddOn>([]).when(unknown(asked()));
    when.then_refused(Refusal::NoSuchCluster { cluster: "c1".into() });
    let missing = OfAddOn { definition: Defined::Missing, ..asked() };
    let when = given::<AddOn>([]).when(missing);
    when.then_refused(Refusal::NoDefinition { name: "metrics".into() });
    let leaving = OfAddOn { definition: Defined::Leaving, ..asked() };
    let when = given::<AddOn>([]).when(leaving);
    when.then_refused(Refusal::BeingDeleted { object: "metrics".into() });
    let when = given::<AddOn>([installed(""), requested()]).when(asked());
    when.then_refused(Refusal::BeingDeleted { object: key().to_string() });
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let mut hosted = add_on();
    let host = "addon.open-cluster-management.io/hosting-cluster-name".to_owned();
    hosted.metadata.as_mut().unwrap().annotations.insert(host, "hub".into());
    let when = given::<AddOn>([]).when(apply(hosted));
    when.then_refused(Refusal::Hosted { add_on: "c1/metrics".into(), host: "hub".into() });
    let mut placed = add_on();
    placed.spec.as_mut().unwrap().install_namespace = Some(DEFAULT_NAMESPACE.into());
    assert_eq!(given::<AddOn>([]).when(apply(placed.clone())).events().len(), 1);
    placed.spec.as_mut().unwrap().install_namespace = Some("tools".into());
    let when = given::<AddOn>([]).when(apply(placed));
    when.then_refused(Refusal::InstallNamespace { namespace: "tools".into() });
    let mut other = add_on();
    let config = AddOnConfig { resource: Some("knobs".into()), ..AddOnConfig::default() };
    other.spec.as_mut().unwrap().configs.push(config);
    let when = given::<AddOn>([]).when(apply(other));
    when.then_refused(Refusal::Config { resource: "knobs.".into() });
}

#[test]
fn a_name_that_no_label_of_a_work_could_have_is_refused() {
    let mut asked = apply(ManagedClusterAddOn { metadata: None, ..add_on() });
    asked.key.name = "a".repeat(64);
    let rule = "the name of an add-on has at most 63 characters";
    let name = NameError { name: asked.key.name.clone(), rule };
    given::<AddOn>([]).when(asked).then_refused(Refusal::Name(name));
}

#[test]
fn it_goes_at_once_without_a_work_and_after_its_work_otherwise() {
    let here = || given::<AddOn>([installed("")]).at(NOW);
    here().when(delete()).then([requested(), gone()]);
    here().when(with_work(delete())).then([requested()]);
    here().when(with_work(unknown(delete()))).then([requested(), gone()]);
    let leaving = || given::<AddOn>([installed(""), requested()]).at(NOW);
    leaving().when(with_work(delete())).then_nothing();
    leaving().when(assess(ManagedClusterAddOnStatus::default())).then([gone()]);
    let when = given::<AddOn>([]).when(delete());
    when.then_refused(Refusal::NotFound { object: "c1/metrics".into() });
}

#[test]
fn a_plan_removes_only_what_no_plan_has() {
    let here = || given::<AddOn>([installed("ops/east")]).at(NOW);
    here().when(with_work(uninstall(Planned::NoMore))).then([requested()]);
    here().when(uninstall(Planned::Still)).then_nothing();
    given::<AddOn>([]).when(uninstall(Planned::NoMore)).then_nothing();
}

#[test]
fn it_goes_with_its_cluster_and_stays_when_the_cluster_came_back() {
    let here = || given::<AddOn>([installed("ops/east")]).at(NOW);
    here().when(with_work(unknown(abandon()))).then([requested(), gone()]);
    here().when(abandon()).then_nothing();
    given::<AddOn>([]).when(unknown(abandon())).then_nothing();
}

#[test]
fn a_status_that_says_something_new_is_kept() {
    let status = ManagedClusterAddOnStatus { namespace: Some("m".into()), ..Default::default() };
    let progressed =
        Event::Progressed(AddOnProgressed { status: Some(status.clone()), written: vec![] });
    let when = given::<AddOn>([installed("")]).when(assess(status.clone()));
    when.then([progressed.clone()]);
    given::<AddOn>([installed(""), progressed]).when(assess(status.clone())).then_nothing();
    given::<AddOn>([]).when(assess(status)).then_nothing();
}
