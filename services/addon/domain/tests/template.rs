//! What is decided about AddOnTemplates, and what their works are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{NOW, account, applying, deployment, key, of_template, template, templated};
use fleetlog_addon_domain::command::{OfTemplate, TemplateCommand};
use fleetlog_addon_domain::render::{self, LIMIT};
use fleetlog_addon_domain::{Refusal, Template};
use fleetlog_kernel::spec::given;
use fleetlog_messages::addon::{
    AddOnTemplate, RegistrationSpec, TemplateDeleted, template_event::Event,
};
use serde_json::{Value, json};

fn apply(object: AddOnTemplate) -> OfTemplate {
    of_template(TemplateCommand::Apply(applying(object)))
}

fn refused(manifests: &[Value], refusal: Refusal) {
    given::<Template>([]).when(apply(template(manifests))).then_refused(refusal);
}

fn manifest(index: usize, rule: &str) -> Refusal {
    Refusal::Manifest { index, rule: rule.to_owned() }
}

fn rendered(manifests: &[Value]) -> (fleetlog_messages::work::ManifestWork, Vec<Value>) {
    let template = given::<Template>([templated(manifests)]).state();
    let rendered = render::render(&template, &key()).unwrap();
    (rendered.work, serde_json::from_slice(&rendered.manifests).unwrap())
}

#[test]
fn a_new_template_is_kept_as_it_was_written() {
    let manifests = [account(), deployment()];
    let when = given::<Template>([]).at(NOW).when(apply(template(&manifests)));
    when.then([templated(&manifests)]);
    let when = given::<Template>([templated(&manifests)]).when(apply(template(&manifests)));
    when.then_nothing();
}

#[test]
fn a_template_that_could_not_run_is_refused() {
    refused(&[], Refusal::NoManifests);
    refused(&[json!({"kind": "X"})], manifest(0, "has no \"apiVersion\""));
    let unnamed = json!({"apiVersion": "v1", "kind": "X", "metadata": {}});
    refused(&[unnamed], manifest(0, "has no \"metadata.name\""));
    let twice = "is \"v1 ServiceAccount metrics/agent\", as is the one at 0";
    refused(&[account(), account()], manifest(1, twice));
    let mut nameless = template(&[account()]);
    nameless.spec.as_mut().unwrap().addon_name = None;
    let when = given::<Template>([]).when(apply(nameless));
    when.then_refused(Refusal::Incomplete { missing: "spec.addonName" });
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let mut registered = template(&[account()]);
    let wish = RegistrationSpec { r#type: Some("KubeClient".into()), ..Default::default() };
    registered.spec.as_mut().unwrap().registration.push(wish);
    let when = given::<Template>([]).when(apply(registered));
    when.then_refused(Refusal::Registration { kind: "KubeClient".into() });
    let mut hook = account();
    let name = "addon.open-cluster-management.io/addon-pre-delete";
    hook["metadata"]["annotations"] = json!({ name: "" });
    let manifest = "v1 ServiceAccount metrics/agent".to_owned();
    refused(&[hook], Refusal::PreDelete { manifest });
    let mut large = account();
    large["data"] = json!("x".repeat(LIMIT));
    let when = given::<Template>([]).when(apply(template(&[large.clone()])));
    let size = serde_json::to_vec(&[large]).unwrap().len();
    when.then_refused(Refusal::TooLarge { size, limit: LIMIT });
}

#[test]
fn a_template_can_be_removed_once() {
    let delete = || of_template(TemplateCommand::Delete { by: "alice".into() });
    let when = given::<Template>([templated(&[account()])]).when(delete());
    when.then([Event::Deleted(TemplateDeleted { by: "alice".into() })]);
    let when = given::<Template>([]).when(delete());
    when.then_refused(Refusal::NotFound { object: "metrics-1".into() });
}

#[test]
fn texts_are_filled_and_unknown_names_stay() {
    let (_, manifests) = rendered(&[deployment()]);
    let container = &manifests[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["--cluster=c1", "{{X}}"]));
}

#[test]
fn containers_are_told_where_they_run_unless_the_user_said_so() {
    let (_, manifests) = rendered(&[deployment(), account()]);
    let env = |manifests: &[Value]| {
        manifests[0]["spec"]["template"]["spec"]["containers"][0]["env"].clone()
    };
    let told = json!([
        {"name": "CLUSTER_NAME", "value": "c1"},
        {"name": "INSTALL_NAMESPACE", "value": "metrics"},
    ]);
    assert_eq!(env(&manifests), told);
    let mut own = deployment();
    own["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "CLUSTER_NAME", "value": "mine"}]);
    let (_, manifests) = rendered(&[own]);
    assert_eq!(env(&manifests)[0]["value"], "mine");
    assert_eq!(env(&manifests).as_array().unwrap().len(), 2);
}

#[test]
fn the_work_carries_its_add_on_its_hashes_and_feeds_workloads_back() {
    let (work, _) = rendered(&[account(), deployment()]);
    let meta = work.metadata.unwrap();
    assert_eq!(meta.name(), "addon-metrics-deploy-0");
    assert_eq!(meta.namespace(), "c1");
    assert_eq!(meta.labels["open-cluster-management.io/addon-name"], "metrics");
    let hashes = &meta.annotations["open-cluster-management.io/config-spec-hash"];
    assert!(
        hashes.starts_with("{\"addontemplates.addon.open-cluster-management.io//metrics-1\":\"")
    );
    let spec = work.spec.unwrap();
    let config = &spec.manifest_configs[0];
    let id = config.resource_identifier.as_ref().unwrap();
    assert_eq!((id.resource(), id.name(), id.namespace()), ("deployments", "agent", "metrics"));
    assert_eq!(config.feedback_rules[0].r#type(), "WellKnownStatus");
    assert_eq!(spec.delete_option, None);
}

#[test]
fn a_manifest_that_says_so_of_itself_stays() {
    let mut kept = account();
    let name = "addon.open-cluster-management.io/deletion-orphan";
    kept["metadata"]["annotations"] = json!({ name: "" });
    let (work, _) = rendered(&[kept, deployment()]);
    let option = work.spec.unwrap().delete_option.unwrap();
    assert_eq!(option.propagation_policy(), "SelectivelyOrphan");
    let rules = option.selectively_orphans.unwrap().orphaning_rules;
    assert_eq!(
        (rules.len(), rules[0].resource(), rules[0].name()),
        (1, "serviceaccounts", "agent")
    );
}

#[test]
fn the_hash_is_of_what_the_template_says_not_of_its_labels() {
    let state = |object: AddOnTemplate| {
        let events = given::<Template>([]).when(apply(object)).events();
        given::<Template>(events).state().spec_hash().to_owned()
    };
    let mut labelled = template(&[account()]);
    labelled.metadata.as_mut().unwrap().labels.insert("a".into(), "b".into());
    assert_eq!(state(template(&[account()])), state(labelled));
    assert_ne!(state(template(&[account()])), state(template(&[deployment()])));
}
