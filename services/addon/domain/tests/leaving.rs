//! Add-ons, definitions and templates on their way out: who holds them, and what may be written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{
    NOW, add_on, definition, installed, key, meta, of_add_on, of_definition, of_template, owner,
    template, templated,
};
use fleetlog_addon_domain::command::{
    AddOnCommand, Apply, Defined, DefinitionCommand, OfAddOn, OfDefinition, OfTemplate,
    TemplateCommand, Work,
};
use fleetlog_addon_domain::names::{DEFINITION_FINALIZER, FINALIZER};
use fleetlog_addon_domain::{AddOn, Definition, Refusal, Template};
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Decider, Position};
use fleetlog_messages::addon::{
    AddOnDeleted, AddOnDeletionRequested, AddOnProgressed, AddOnSpecified, AddOnTemplate,
    ClusterManagementAddOn, ClusterManagementAddOnStatus, DefinitionDeleted,
    DefinitionDeletionRequested, DefinitionProgressed, DefinitionSpecified, ManagedClusterAddOn,
    ManagedClusterAddOnStatus, TemplateDeleted, TemplateDeletionRequested, TemplateSpecified,
    WriteAddOnStatus, WriteDefinitionStatus, add_on_event::Event as AddOnEvent,
    definition_event::Event as DefinitionEvent, template_event::Event as TemplateEvent,
};
use fleetlog_messages::common::{Condition, ObjectMeta, OwnerReference, Time};
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::metadata::Change;

const MINE: &str = "example.com/mine";

/// A write of all of it, as the hub API sends it.
fn whole<T>(object: T) -> Box<Apply<T>> {
    Box::new(Apply { object, resource_version: String::new(), change: Change::Replace })
}

fn now() -> Option<Time> {
    Some(fleetlog_rules::time(NOW))
}

/// As it is since it is to go.
fn going(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        generation: Some(2),
        deletion_timestamp: now(),
        deletion_grace_period_seconds: Some(0),
        ..meta
    }
}

fn late() -> Refusal {
    Refusal::Late(Late { finalizers: vec!["example.com/late".into()] })
}

fn owned(finalizers: &[&str]) -> ObjectMeta {
    let owner_references: Vec<OwnerReference> = vec![owner()];
    ObjectMeta { owner_references, ..meta("c1", "metrics", finalizers) }
}

fn with(metadata: ObjectMeta) -> AddOnEvent {
    let add_on = Some(ManagedClusterAddOn { metadata: Some(metadata), ..add_on() });
    AddOnEvent::Specified(AddOnSpecified { add_on, ..AddOnSpecified::default() })
}

fn writing(metadata: ObjectMeta) -> OfAddOn {
    let object = ManagedClusterAddOn { metadata: Some(metadata), ..add_on() };
    of_add_on(AddOnCommand::Apply(whole(object)))
}

#[test]
fn a_users_finalizer_holds_an_add_on_when_its_work_is_gone() {
    let before = || with(owned(&[MINE, FINALIZER]));
    let requested = || {
        let (by, at) = ("alice".into(), now());
        AddOnEvent::DeletionRequested(AddOnDeletionRequested { by, at, generation: 2 })
    };
    let done = || with(going(owned(&[MINE])));
    let delete = || of_add_on(AddOnCommand::Delete { by: "alice".into() });
    given::<AddOn>([before()]).at(NOW).when(delete()).then([requested(), done()]);
    let waits = OfAddOn { work: Work::Here, ..delete() };
    given::<AddOn>([before()]).at(NOW).when(waits).then([requested()]);
    let assess = || of_add_on(AddOnCommand::Assess(Box::default()));
    given::<AddOn>([before(), requested()]).when(assess()).then([done()]);
    // Its status goes on; the last finalizer ends it, whatever becomes of its definition.
    let held = || given::<AddOn>([before(), requested(), done()]);
    held().when(delete()).then_nothing();
    assert!(matches!(held().when(assess()).events().as_slice(), [AddOnEvent::Progressed(_)]));
    let last = OfAddOn { definition: Defined::Leaving, ..writing(owned(&[])) };
    held().when(last).then([AddOnEvent::Deleted(AddOnDeleted {})]);
    held().when(writing(owned(&[MINE, "example.com/late"]))).then_refused(late());
    // The service's own is no user's to take away.
    given::<AddOn>([before(), requested()])
        .when(writing(owned(&[])))
        .then([with(going(owned(&[FINALIZER])))]);
    let mut other = add_on();
    other.metadata = Some(owned(&[MINE, FINALIZER]));
    other.spec.get_or_insert_default().install_namespace = Some("x".into());
    given::<AddOn>([before(), requested()])
        .when(of_add_on(AddOnCommand::Apply(whole(other))))
        .then_refused(Refusal::BeingDeleted { object: key().to_string() });
}

fn said(kind: &str, reason: &str) -> Condition {
    let text = |text: &str| Some(text.to_owned());
    let (r#type, status, reason) = (text(kind), text("True"), text(reason));
    Condition { r#type, status, reason, ..Condition::default() }
}

#[test]
fn a_status_is_taken_as_it_is_written_and_whose_conditions_are_whose_is_kept() {
    let status = |conditions: &[Condition]| {
        let conditions = conditions.to_vec();
        Some(ManagedClusterAddOnStatus { conditions, ..ManagedClusterAddOnStatus::default() })
    };
    let first = status(&[said("Configured", "Ours")]);
    let progressed = AddOnProgressed { status: first, written: vec![] };
    let before = || [installed(""), AddOnEvent::Progressed(progressed.clone())];
    let both = status(&[said("Configured", "Ours"), said("Available", "Theirs")]);
    let write = |status: &Option<ManagedClusterAddOnStatus>, version: &str| {
        let (status, resource_version) = (status.clone(), version.to_owned());
        let write = WriteAddOnStatus { status, resource_version };
        of_add_on(AddOnCommand::WriteStatus(Box::new(write)))
    };
    let written = vec!["Available".to_owned()];
    let event = AddOnEvent::Progressed(AddOnProgressed { status: both.clone(), written });
    given::<AddOn>(before()).when(write(&both, "")).then([event.clone()]);
    let after = || given::<AddOn>(before().into_iter().chain([event.clone()]));
    after().when(write(&both, "")).then_nothing();
    let add_on = after().state();
    assert!(add_on.is_written("Available") && !add_on.is_written("Configured"));
    let not_found = Refusal::NotFound { object: key().to_string() };
    given::<AddOn>([]).when(write(&both, "")).then_refused(not_found);
    let stale = AddOn::default().fold(&before(), Position(7)).decide(&write(&both, "1"), NOW);
    assert!(matches!(stale, Err(Refusal::Outdated { .. })), "{stale:?}");
    let large = status(&[said("Available", &"x".repeat(600 * 1024))]);
    let large = after().state().decide(&write(&large, ""), NOW);
    assert!(matches!(large, Err(Refusal::StatusTooLarge { .. })), "{large:?}");
}

fn defined_as(metadata: ObjectMeta) -> DefinitionEvent {
    let metadata = Some(metadata);
    let definition = Some(ClusterManagementAddOn { metadata, ..definition(&[]) });
    DefinitionEvent::Specified(DefinitionSpecified { definition })
}

fn defining(finalizers: &[&str]) -> OfDefinition {
    let metadata = Some(meta("", "metrics", finalizers));
    let object = ClusterManagementAddOn { metadata, ..definition(&[]) };
    of_definition(DefinitionCommand::Apply(whole(object)))
}

#[test]
fn a_users_finalizer_holds_a_definition_when_its_add_ons_are_gone() {
    let before = || defined_as(meta("", "metrics", &[MINE, DEFINITION_FINALIZER]));
    let requested = || {
        let (by, at) = ("alice".into(), now());
        DefinitionEvent::DeletionRequested(DefinitionDeletionRequested { by, at, generation: 2 })
    };
    let done = || defined_as(going(meta("", "metrics", &[MINE])));
    let delete = |add_ons| of_definition(DefinitionCommand::Delete { by: "alice".into(), add_ons });
    given::<Definition>([before()]).at(NOW).when(delete(0)).then([requested(), done()]);
    given::<Definition>([before()]).at(NOW).when(delete(1)).then([requested()]);
    let summarize = || {
        let status = Box::default();
        of_definition(DefinitionCommand::Summarize { add_ons: 0, status })
    };
    given::<Definition>([before(), requested()]).when(summarize()).then([done()]);
    let held = || given::<Definition>([before(), requested(), done()]);
    held().when(summarize()).then_nothing();
    held().when(defining(&[])).then([DefinitionEvent::Deleted(DefinitionDeleted {})]);
    held().when(defining(&["example.com/late"])).then_refused(late());
    given::<Definition>([before(), requested()])
        .when(defining(&[]))
        .then([defined_as(going(meta("", "metrics", &[DEFINITION_FINALIZER])))]);
}

#[test]
fn the_status_of_a_definition_is_taken() {
    let write = |status: &ClusterManagementAddOnStatus| {
        let (status, resource_version) = (Some(status.clone()), String::new());
        let write = WriteDefinitionStatus { status, resource_version };
        of_definition(DefinitionCommand::WriteStatus(Box::new(write)))
    };
    let status = ClusterManagementAddOnStatus {
        install_progressions: vec![Default::default()],
        ..ClusterManagementAddOnStatus::default()
    };
    let before = || given::<Definition>([defined_as(meta("", "metrics", &[DEFINITION_FINALIZER]))]);
    let event = DefinitionProgressed { status: Some(status.clone()) };
    before().when(write(&status)).then([DefinitionEvent::Progressed(event)]);
    given::<Definition>([])
        .when(write(&status))
        .then_refused(Refusal::NotFound { object: "metrics".into() });
}

fn templating(finalizers: &[&str]) -> OfTemplate {
    let metadata = Some(meta("", "metrics-1", finalizers));
    let object = AddOnTemplate { metadata, ..template(&[common::account()]) };
    of_template(TemplateCommand::Apply(whole(object)))
}

#[test]
fn a_template_waits_for_whoever_holds_it() {
    let delete = || of_template(TemplateCommand::Delete { by: "alice".into() });
    let by = "alice".to_owned();
    given::<Template>([templated(&[common::account()])])
        .when(delete())
        .then([TemplateEvent::Deleted(TemplateDeleted { by: by.clone() })]);
    let held = |metadata: ObjectMeta| {
        let metadata = Some(metadata);
        let template = Some(AddOnTemplate { metadata, ..template(&[common::account()]) });
        TemplateEvent::Specified(TemplateSpecified { template })
    };
    let before = || held(meta("", "metrics-1", &[MINE, "example.com/other"]));
    let requested = || {
        let (by, at) = (by.clone(), now());
        TemplateEvent::DeletionRequested(TemplateDeletionRequested { by, at, generation: 2 })
    };
    given::<Template>([before()]).at(NOW).when(delete()).then([requested()]);
    let leaving = || given::<Template>([before(), requested()]);
    leaving().when(delete()).then_nothing();
    leaving().when(templating(&[MINE])).then([held(going(meta("", "metrics-1", &[MINE])))]);
    leaving().when(templating(&[])).then([TemplateEvent::Deleted(TemplateDeleted::default())]);
    leaving().when(templating(&["example.com/late"])).then_refused(late());
    assert_eq!(leaving().state().spec_hash(), given::<Template>([before()]).state().spec_hash());
}
