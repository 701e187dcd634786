//! What an add-on's status says of configuration, progress and health.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{defined, deployment, installed, key, templated};
use fleetlog_addon_domain::health::{Scene, Source, status};
use fleetlog_addon_domain::turns::Turn;
use fleetlog_addon_domain::{AddOn, Config, Definition, Template};
use fleetlog_kernel::Timestamp;
use fleetlog_kernel::spec::given;
use fleetlog_messages::addon::{
    AddOnProgressed, ManagedClusterAddOnStatus, SeenMember, SeenWork, add_on_event::Event,
};
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    FeedbackValue, FieldValue, ManifestCondition, ManifestResourceMeta, ManifestResourceStatus,
    ManifestWorkStatus, StatusFeedbackResult,
};
use serde_json::{Value, json};

/// Reasons by condition type, each with its status.
fn said(status: &ManagedClusterAddOnStatus, kind: &str) -> String {
    let found = status.conditions.iter().find(|c| c.r#type() == kind).unwrap();
    format!("{} {}", found.status(), found.reason())
}

fn template(manifests: &[Value]) -> Template {
    given::<Template>([templated(manifests)]).state()
}

fn work(template: &Template, conditions: &[(&str, &str)], values: &[(&str, i64)]) -> SeenWork {
    let condition = |(kind, status): &(&str, &str)| Condition {
        r#type: Some((*kind).to_owned()),
        status: Some((*status).to_owned()),
        message: Some("why".to_owned()),
        ..Condition::default()
    };
    let value = |(name, integer): &(&str, i64)| FeedbackValue {
        name: Some((*name).to_owned()),
        field_value: Some(FieldValue { integer: Some(*integer), ..FieldValue::default() }),
    };
    let manifest = |kind: &str| ManifestCondition {
        resource_meta: Some(ManifestResourceMeta {
            kind: Some(kind.to_owned()),
            name: Some("agent".to_owned()),
            namespace: Some("metrics".to_owned()),
            ..ManifestResourceMeta::default()
        }),
        status_feedback: Some(StatusFeedbackResult { values: values.iter().map(value).collect() }),
        ..ManifestCondition::default()
    };
    let manifests = vec![manifest("Deployment"), manifest("DaemonSet")];
    let status = ManifestWorkStatus {
        conditions: conditions.iter().map(condition).collect(),
        resource_status: Some(ManifestResourceStatus { manifests }),
    };
    SeenWork {
        generation: 1,
        config_hashes: Config::of(template).hashes(),
        status: Some(status),
        reported_generation: 1,
        ..SeenWork::default()
    }
}

fn judged(
    template: Source<'_>,
    work: Option<&SeenWork>,
    available: Option<bool>,
) -> ManagedClusterAddOnStatus {
    let add_on = given::<AddOn>([installed("ops/east")]).state();
    let definition = given::<Definition>([defined(&["east"])]).state();
    let cluster = SeenMember { since: 1, available };
    let scene = Scene {
        key: &key(),
        add_on: &add_on,
        definition: Some(&definition),
        template,
        turn: &Turn::Come,
        has: None,
        work,
        cluster: Some(&cluster),
    };
    status(scene, Timestamp::default())
}

const DONE: &[(&str, &str)] = &[("Applied", "True"), ("Available", "True")];

fn health(manifest: &Value, conditions: &[(&str, &str)], values: &[(&str, i64)]) -> String {
    let template = template(std::slice::from_ref(manifest));
    let work = work(&template, conditions, values);
    said(&judged(Source::Found(&template), Some(&work), Some(true)), "Available")
}

#[test]
fn without_a_template_it_says_what_is_missing() {
    for source in [Source::Unnamed, Source::Missing("m"), Source::Foreign("m")] {
        let status = judged(source, None, None);
        assert_eq!(said(&status, "Configured"), "False ConfigurationsNotConfigured");
        assert_eq!(said(&status, "Available"), "Unknown WorkNotFound");
    }
    let status = judged(Source::Unnamed, None, None);
    assert_eq!(said(&status, "Progressing"), "False ConfigurationUnsupported");
    assert_eq!(status.config_references, []);
}

#[test]
fn who_runs_an_add_on_without_a_template_says_how_it_is() {
    let condition = |kind: &str, status: &str| Condition {
        r#type: Some(kind.to_owned()),
        status: Some(status.to_owned()),
        reason: Some("Theirs".to_owned()),
        ..Condition::default()
    };
    let status = ManagedClusterAddOnStatus {
        conditions: vec![condition("Available", "True"), condition("Degraded", "False")],
        namespace: Some("theirs".to_owned()),
        kube_client_driver: Some("token".to_owned()),
        ..ManagedClusterAddOnStatus::default()
    };
    let written = vec!["Available".to_owned(), "Degraded".to_owned()];
    let progressed = Event::Progressed(AddOnProgressed { status: Some(status), written });
    let add_on = given::<AddOn>([installed("ops/east"), progressed]).state();
    let template = template(&[deployment()]);
    let judged = |template, available| {
        let cluster = SeenMember { since: 1, available };
        let (key, turn, cluster) = (&key(), &Turn::Come, Some(&cluster));
        let (definition, has, work) = (None, None, None);
        let add_on = &add_on;
        let scene = Scene { key, add_on, definition, template, turn, has, work, cluster };
        fleetlog_addon_domain::health::status(scene, Timestamp::of_seconds(9))
    };
    let theirs = judged(Source::Unnamed, Some(true));
    assert_eq!(said(&theirs, "Available"), "True Theirs");
    assert_eq!(said(&theirs, "Configured"), "False ConfigurationsNotConfigured");
    assert_eq!(theirs.namespace.as_deref(), Some("theirs"));
    assert_eq!(theirs.health_check, None);
    let silent = judged(Source::Unnamed, Some(false));
    assert_eq!(said(&silent, "Available"), "Unknown ManagedClusterLeaseUpdateStopped");
    // With a template the service knows better, but of what only they know.
    let ours = judged(Source::Found(&template), Some(true));
    assert_eq!(said(&ours, "Available"), "Unknown WorkNotFound");
    assert_eq!(said(&ours, "Degraded"), "False Theirs");
    assert_eq!(ours.kube_client_driver.as_deref(), Some("token"));
}

#[test]
fn a_deployment_is_healthy_with_one_ready_replica() {
    let health = |values: &[(&str, i64)]| health(&deployment(), DONE, values);
    assert_eq!(health(&[]), "Unknown NoProbeResult");
    assert_eq!(health(&[("Replicas", 2)]), "False ProbeUnavailable");
    assert_eq!(health(&[("Replicas", 2), ("ReadyReplicas", 1)]), "True ProbeAvailable");
    let mut idle = deployment();
    idle["spec"]["replicas"] = json!(0);
    assert_eq!(self::health(&idle, DONE, &[]), "True ProbeAvailable");
}

#[test]
fn a_daemon_set_is_healthy_when_all_that_is_wanted_is_ready() {
    let mut set = deployment();
    set["kind"] = json!("DaemonSet");
    let health = |wanted, ready| {
        health(&set, DONE, &[("DesiredNumberScheduled", wanted), ("NumberReady", ready)])
    };
    assert_eq!(health(0, 0), "True ProbeAvailable");
    assert_eq!(health(2, 1), "False ProbeUnavailable");
    assert_eq!(health(2, 2), "True ProbeAvailable");
}

#[test]
fn without_workloads_an_applied_work_is_enough() {
    assert_eq!(health(&common::account(), DONE, &[]), "True WorkApplied");
    let failed = &[("Applied", "False")];
    assert_eq!(health(&common::account(), failed, &[]), "False WorkApplyFailed");
}

#[test]
fn of_a_silent_cluster_nothing_is_known() {
    let template = template(&[deployment()]);
    let work = work(&template, DONE, &[("ReadyReplicas", 1)]);
    let status = judged(Source::Found(&template), Some(&work), Some(false));
    assert_eq!(said(&status, "Available"), "Unknown ManagedClusterLeaseUpdateStopped");
}

#[test]
fn the_last_applied_configuration_is_that_of_a_complete_work() {
    let template = template(&[deployment()]);
    let complete = work(&template, DONE, &[]);
    let status = judged(Source::Found(&template), Some(&complete), Some(true));
    assert_eq!(said(&status, "Progressing"), "False Completed");
    let config = &status.config_references[0];
    assert_eq!(config.last_applied_config, config.desired_config);
    let older = SeenWork { config_hashes: "{}".to_owned(), ..complete.clone() };
    let status = judged(Source::Found(&template), Some(&older), Some(true));
    assert_eq!(said(&status, "Progressing"), "True Progressing");
    assert_eq!(status.config_references[0].last_applied_config, None);
    let early = SeenWork { reported_generation: 0, ..complete };
    let status = judged(Source::Found(&template), Some(&early), Some(true));
    assert_eq!(said(&status, "ManifestApplied"), "False WaitingForManifestApplied");
}
