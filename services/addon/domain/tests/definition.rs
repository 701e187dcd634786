//! What is decided about ClusterManagementAddOns: each command, and every refusal.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{NOW, applying, chosen, defined, definition, of_definition, planned};
use fleetlog_addon_domain::command::{DefinitionCommand, OfDefinition};
use fleetlog_addon_domain::{Definition, Refusal};
use fleetlog_kernel::spec::given;
use fleetlog_messages::addon::{
    AddOnConfig, ClusterManagementAddOn, ClusterManagementAddOnStatus, ConfigCoordinates,
    DefinitionDeleted, DefinitionDeletionRequested, DefinitionProgressed, definition_event::Event,
};
use fleetlog_messages::work::RolloutStrategy;
use std::collections::{BTreeMap, BTreeSet};

fn apply(object: ClusterManagementAddOn) -> OfDefinition {
    of_definition(DefinitionCommand::Apply(applying(object)))
}

fn delete(add_ons: usize) -> OfDefinition {
    of_definition(DefinitionCommand::Delete { by: "alice".into(), add_ons })
}

fn plan(decided: &[(&str, &[&str])], installed: &[(&str, &str)], lost: &[&str]) -> OfDefinition {
    let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    of_definition(DefinitionCommand::Plan {
        chosen: decided.iter().map(|(name, clusters)| chosen(name, clusters)).collect(),
        installed: installed.iter().map(text).collect(),
        lost: lost.iter().map(|c| (*c).to_owned()).collect(),
        stages: vec![],
    })
}

fn requested() -> Event {
    let at = Some(fleetlog_rules::time(NOW));
    let by = "alice".into();
    Event::DeletionRequested(DefinitionDeletionRequested { by, at, generation: 2 })
}

fn refused(object: ClusterManagementAddOn, refusal: Refusal) {
    given::<Definition>([]).at(NOW).when(apply(object)).then_refused(refusal);
}

#[test]
fn a_new_definition_is_born_with_its_finalizer() {
    let when = given::<Definition>([]).at(NOW).when(apply(definition(&["east"])));
    when.then([defined(&["east"])]);
}

#[test]
fn the_same_definition_again_changes_nothing() {
    given::<Definition>([defined(&["east"])]).when(apply(definition(&["east"]))).then_nothing();
}

#[test]
fn a_change_of_the_spec_moves_the_generation() {
    let when = given::<Definition>([defined(&["east"])]).when(apply(definition(&[])));
    let events = when.events();
    let [Event::Specified(specified)] = events.as_slice() else { panic!("{events:?}") };
    let meta = specified.definition.clone().unwrap().metadata.unwrap();
    assert_eq!(meta.generation, Some(2));
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let mut old = definition(&[]);
    old.spec.as_mut().unwrap().add_on_configuration =
        Some(ConfigCoordinates { crd_name: Some("x".into()), ..Default::default() });
    refused(old, Refusal::Config { resource: "spec.addOnConfiguration".into() });
    let mut other = definition(&["east"]);
    let strategy = other.spec.as_mut().unwrap().install_strategy.as_mut().unwrap();
    let config = AddOnConfig { resource: Some("knobs".into()), ..AddOnConfig::default() };
    strategy.placements[0].configs.push(config);
    refused(other, Refusal::Config { resource: "knobs.".into() });
    let mut slow = definition(&["east"]);
    let strategy = slow.spec.as_mut().unwrap().install_strategy.as_mut().unwrap();
    strategy.placements[0].rollout_strategy =
        Some(RolloutStrategy { r#type: Some("Canary".into()), ..Default::default() });
    let reason = "type: \"Canary\" is none of All, Progressive and ProgressivePerGroup".to_owned();
    refused(slow, Refusal::Rollout { placement: "ops/east".into(), reason });
    let mut nowhere = definition(&["east"]);
    nowhere.spec.as_mut().unwrap().install_strategy.as_mut().unwrap().placements.clear();
    refused(nowhere, Refusal::NoPlacements);
    let mut own = definition(&[]);
    let annotations = &mut own.metadata.as_mut().unwrap().annotations;
    annotations.insert("addon.open-cluster-management.io/lifecycle".into(), "self".into());
    refused(own, Refusal::Lifecycle { lifecycle: "self".into() });
}

#[test]
fn an_object_of_another_name_or_without_a_spec_is_refused() {
    let mut other = definition(&[]);
    other.metadata.as_mut().unwrap().name = Some("logs".into());
    let (given, addressed) = ("/logs".to_owned(), "metrics".to_owned());
    refused(other, Refusal::Misaddressed { given, addressed });
    let bare = ClusterManagementAddOn { spec: None, ..definition(&[]) };
    refused(bare, Refusal::Incomplete { missing: "spec" });
}

#[test]
fn a_change_of_what_was_not_seen_is_refused() {
    let mut asked = applying(definition(&[]));
    asked.resource_version = "7".to_owned();
    let command = of_definition(DefinitionCommand::Apply(asked));
    let when = given::<Definition>([]).when(command.clone());
    when.then_refused(Refusal::NotFound { object: "metrics".into() });
    given::<Definition>([defined(&[])]).when(command).then_refused(Refusal::Outdated {
        object: "metrics".into(),
        given: "7".into(),
        current: "0".into(),
    });
}

#[test]
fn a_definition_goes_at_once_without_add_ons_and_after_them_otherwise() {
    let gone = Event::Deleted(DefinitionDeleted {});
    let when = given::<Definition>([defined(&[])]).at(NOW).when(delete(0));
    when.then([requested(), gone.clone()]);
    given::<Definition>([defined(&[])]).at(NOW).when(delete(2)).then([requested()]);
    let leaving = [defined(&[]), requested()];
    given::<Definition>(leaving.clone()).when(delete(2)).then_nothing();
    let status = || Box::new(ClusterManagementAddOnStatus::default());
    let last = |add_ons| of_definition(DefinitionCommand::Summarize { add_ons, status: status() });
    given::<Definition>(leaving.clone()).when(last(1)).then_nothing();
    given::<Definition>(leaving.clone()).when(last(0)).then([gone]);
    let when = given::<Definition>(leaving).when(apply(definition(&[])));
    when.then_refused(Refusal::BeingDeleted { object: "metrics".into() });
    let when = given::<Definition>([]).when(delete(0));
    when.then_refused(Refusal::NotFound { object: "metrics".into() });
}

#[test]
fn a_plan_installs_what_is_chosen_and_removes_what_no_longer_is() {
    let when =
        given::<Definition>([defined(&["east"])]).when(plan(&[("east", &["c1", "c2"])], &[], &[]));
    when.then([planned(1, &[("c1", "ops/east"), ("c2", "ops/east")], &[])]);
    let history = [defined(&["east"]), planned(1, &[("c1", "ops/east")], &[])];
    let again = plan(&[("east", &["c1"])], &[("c1", "ops/east")], &[]);
    given::<Definition>(history.clone()).when(again).then_nothing();
    let moved = plan(&[("east", &["c2"])], &[("c1", "ops/east")], &[]);
    let when = given::<Definition>(history.clone()).when(moved);
    when.then([planned(2, &[("c2", "ops/east")], &["c1"])]);
    let lost = plan(&[("east", &["c1"])], &[], &["c1"]);
    given::<Definition>(history).when(lost).then([planned(2, &[("c1", "ops/east")], &[])]);
}

#[test]
fn of_two_placements_that_chose_a_cluster_the_last_counts() {
    let both = plan(&[("east", &["c1"]), ("west", &["c1"])], &[], &[]);
    let when = given::<Definition>([defined(&["east", "west"])]).when(both);
    when.then([planned(1, &[("c1", "ops/west")], &[])]);
}

#[test]
fn a_placement_without_a_decision_keeps_what_it_has() {
    let history = [defined(&["east"]), planned(1, &[("c1", "ops/east")], &[])];
    given::<Definition>(history).when(plan(&[], &[("c1", "ops/east")], &[])).then_nothing();
}

#[test]
fn a_definition_by_hand_plans_nothing_and_leaves_what_is_there() {
    let history = [defined(&["east"]), planned(1, &[("c1", "ops/east")], &[]), defined(&[])];
    let when = given::<Definition>(history).when(plan(&[], &[("c1", "ops/east")], &[]));
    when.then_nothing();
}

#[test]
fn a_summary_that_says_something_new_is_kept() {
    let status = ClusterManagementAddOnStatus {
        install_progressions: vec![Default::default()],
        ..ClusterManagementAddOnStatus::default()
    };
    let summarize = |status: &ClusterManagementAddOnStatus| {
        let status = Box::new(status.clone());
        of_definition(DefinitionCommand::Summarize { add_ons: 1, status })
    };
    let progressed = Event::Progressed(DefinitionProgressed { status: Some(status.clone()) });
    let when = given::<Definition>([defined(&["east"])]).when(summarize(&status));
    when.then([progressed.clone()]);
    let history = [defined(&["east"]), progressed];
    given::<Definition>(history).when(summarize(&status)).then_nothing();
    given::<Definition>([]).when(summarize(&status)).then_nothing();
    let nothing = of_definition(DefinitionCommand::Plan {
        chosen: BTreeMap::new(),
        installed: BTreeMap::new(),
        lost: BTreeSet::new(),
        stages: vec![],
    });
    given::<Definition>([]).when(nothing).then_nothing();
}
