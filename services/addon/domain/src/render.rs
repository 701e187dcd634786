//! A template as the work of one cluster (spec 2.8): texts filled in, containers told where they
//! run, what feeds their health back, and what stays. Pure; the same inputs give the same bytes.

use crate::config::Config;
use crate::names::{ADD_ON_LABEL, AddOnKey, DEFAULT_NAMESPACE, HASHES, ORPHAN};
use crate::state::Template;
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::work::{
    DeleteOption, FeedbackRule, ManifestConfigOption, ManifestWork, ManifestWorkSpec,
    OrphaningRule, ResourceIdentifier, SelectivelyOrphan,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many bytes the manifests of an add-on's work may have (spec 2.10).
pub const LIMIT: usize = 400 * 1024;

/// What fills texts, and what containers find in their environment.
type Values = BTreeMap<&'static str, String>;

/// A work, and its manifests as a bundle holds them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The work, without manifests.
    pub work: ManifestWork,
    /// A JSON array of canonical manifests.
    pub manifests: Vec<u8>,
}

/// A workload whose state is an add-on's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// `Deployment` or `DaemonSet`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether none of it should run.
    pub idle: bool,
}

/// The work of an add-on; `None` for a template that does not exist.
#[must_use]
pub fn render(template: &Template, key: &AddOnKey) -> Option<Rendered> {
    let agent = template.object()?.spec.as_ref()?.agent_spec.clone()?;
    let mut manifests = filled(template, key);
    let values = values(template, key);
    for manifest in &mut manifests {
        tell_containers(manifest, &values);
    }
    let spec = ManifestWorkSpec {
        workload: None,
        delete_option: delete_option(agent.delete_option, &manifests),
        manifest_configs: configs(agent.manifest_configs, &manifests),
        executor: agent.executor,
    };
    let metadata = ObjectMeta {
        name: Some(key.work_name()),
        namespace: Some(key.cluster.clone()),
        labels: [(ADD_ON_LABEL.to_owned(), key.name.clone())].into(),
        annotations: [(HASHES.to_owned(), Config::of(template).hashes())].into(),
        ..ObjectMeta::default()
    };
    let work =
        ManifestWork { metadata: Some(metadata), spec: Some(spec), ..ManifestWork::default() };
    let bodies: Vec<Vec<u8>> = manifests.iter().map(fleetlog_objects::canonical).collect();
    let manifests = [b"[".as_slice(), &bodies.join(&b','), b"]"].concat();
    Some(Rendered { work, manifests })
}

/// Where the agent runs: with the first Deployment, else the first DaemonSet (spec 2.8).
#[must_use]
pub fn namespace(template: &Template) -> String {
    let manifests = template.manifests();
    let of = |kind: &str| {
        let found = manifests.iter().find(|m| is_workload(m) && m["kind"] == kind)?;
        found.pointer("/metadata/namespace")?.as_str().map(str::to_owned)
    };
    let found = of("Deployment").or_else(|| of("DaemonSet"));
    found.filter(|ns| !ns.contains("{{")).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// The workloads of an add-on, whose state is its health.
#[must_use]
pub fn workloads(template: &Template, key: &AddOnKey) -> Vec<Workload> {
    let values = values(template, key);
    let found = template.manifests().iter().filter(|manifest| is_workload(manifest));
    let filled = found.map(|manifest| {
        let mut manifest = manifest.clone();
        fill(&mut manifest, &values);
        workload(&manifest)
    });
    filled.collect()
}

fn workload(manifest: &Value) -> Workload {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    Workload {
        kind: text("/kind").to_owned(),
        namespace: text("/metadata/namespace").to_owned(),
        name: text("/metadata/name").to_owned(),
        idle: manifest.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0),
    }
}

fn is_workload(manifest: &Value) -> bool {
    manifest["apiVersion"] == "apps/v1"
        && (manifest["kind"] == "Deployment" || manifest["kind"] == "DaemonSet")
}

fn filled(template: &Template, key: &AddOnKey) -> Vec<Value> {
    let values = values(template, key);
    let mut manifests = template.manifests().to_vec();
    manifests.iter_mut().for_each(|manifest| fill(manifest, &values));
    manifests
}

fn values(template: &Template, key: &AddOnKey) -> Values {
    [("CLUSTER_NAME", key.cluster.clone()), ("INSTALL_NAMESPACE", namespace(template))].into()
}

/// Fills `{{NAME}}` in every text; unknown names stay as they are.
fn fill(value: &mut Value, values: &Values) {
    match value {
        Value::String(text) => {
            if text.contains("{{") {
                for (name, with) in values {
                    *text = text.replace(&format!("{{{{{name}}}}}"), with);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts the values into the environment of every container; what the user set there stays.
fn tell_containers(manifest: &mut Value, values: &Values) {
    if !is_workload(manifest) {
        return;
    }
    let containers = manifest.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(fields) = container.as_object_mut() else { continue };
        let environment = fields.entry("env").or_insert_with(|| json!([]));
        let Some(environment) = environment.as_array_mut() else { continue };
        for (name, value) in values {
            if environment.iter().all(|given| given["name"] != *name) {
                environment.push(json!({ "name": name, "value": value }));
            }
        }
    }
}

/// The user's options, and for every workload the rule that feeds its state back.
fn configs(given: Vec<ManifestConfigOption>, manifests: &[Value]) -> Vec<ManifestConfigOption> {
    let mut configs = given;
    for workload in manifests.iter().filter(|m| is_workload(m)).map(workload) {
        let resource = resource_of(&workload.kind);
        let is_same = |config: &ManifestConfigOption| {
            config.resource_identifier.as_ref().is_some_and(|id| {
                id.group() == "apps"
                    && id.resource() == resource
                    && id.name() == workload.name
                    && id.namespace() == workload.namespace
            })
        };
        let rule = || FeedbackRule { r#type: Some("WellKnownStatus".into()), ..Default::default() };
        match configs.iter_mut().find(|config| is_same(config)) {
            Some(config) => {
                if config.feedback_rules.iter().all(|rule| rule.r#type() != "WellKnownStatus") {
                    config.feedback_rules.push(rule());
                }
            }
            None => configs.push(ManifestConfigOption {
                resource_identifier: Some(ResourceIdentifier {
                    group: Some("apps".into()),
                    resource: Some(resource),
                    name: Some(workload.name),
                    namespace: Some(workload.namespace),
                }),
                feedback_rules: vec![rule()],
                ..ManifestConfigOption::default()
            }),
        }
    }
    configs
}

/// The user's option, and a rule for every manifest that says of itself that it stays.
fn delete_option(given: Option<DeleteOption>, manifests: &[Value]) -> Option<DeleteOption> {
    let stays = |manifest: &&Value| {
        let annotations = manifest.pointer("/metadata/annotations");
        annotations.is_some_and(|annotations| annotations.get(ORPHAN).is_some())
    };
    let rules: Vec<OrphaningRule> = manifests.iter().filter(stays).map(orphaning).collect();
    if rules.is_empty() || given.as_ref().is_some_and(|g| g.propagation_policy() == "Orphan") {
        return given;
    }
    let mut option = given.unwrap_or_default();
    option.propagation_policy = Some("SelectivelyOrphan".to_owned());
    let orphans = option.selectively_orphans.get_or_insert_with(SelectivelyOrphan::default);
    orphans.orphaning_rules.extend(rules);
    Some(option)
}

fn orphaning(manifest: &Value) -> OrphaningRule {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let version = text("/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    OrphaningRule {
        group: Some(group.to_owned()),
        resource: Some(resource_of(text("/kind"))),
        namespace: Some(text("/metadata/namespace").to_owned()),
        name: Some(text("/metadata/name").to_owned()),
    }
}

/// The resource of a kind, by the rule that nearly all kinds follow.
fn resource_of(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if let Some(stem) = kind.strip_suffix('y') {
        return format!("{stem}ies");
    }
    let sibilant = ["s", "x", "ch", "sh"].iter().any(|end| kind.ends_with(end));
    if sibilant { format!("{kind}es") } else { format!("{kind}s") }
}
