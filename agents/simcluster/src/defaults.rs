//! The defaults that clients can see and trip over: what a typed server fills in. Only those that
//! change how an object compares or behaves; the full tables stay with real servers.

use serde_json::{Map, Value, json};

use crate::kinds::Kind;
use crate::random::scatter;
use crate::state::State;
use crate::stored::{as_map, member_mut, meta_mut};

/// Fills a new object, or the new state of one that was `old`.
pub(crate) fn fill(state: &State, kind: &Kind, value: &mut Value, old: Option<&Value>) {
    match &*kind.id {
        "namespaces" => namespace(value, old),
        "services" => service(state, value, old),
        "secrets" => absent(as_map(value), "type", &json!("Opaque")),
        "deployments.apps" | "statefulsets.apps" => {
            absent(member_mut(value, "spec"), "replicas", &json!(1));
        }
        "jobs.batch" => job(value),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(value),
        _ => {}
    }
}

fn absent(map: &mut Map<String, Value>, key: &str, default: &Value) {
    let entry = map.entry(key.to_owned()).or_insert(Value::Null);
    if entry.is_null() {
        *entry = default.clone();
    }
}

fn namespace(value: &mut Value, old: Option<&Value>) {
    let name = value.pointer("/metadata/name").cloned().unwrap_or_default();
    let labels = meta_mut(value).entry("labels").or_insert(Value::Null);
    as_map(labels).insert("kubernetes.io/metadata.name".into(), name);
    let Some(old) = old else {
        member_mut(value, "spec").insert("finalizers".into(), json!(["kubernetes"]));
        member_mut(value, "status").insert("phase".into(), "Active".into());
        return;
    };
    // Only the content controller lets go of a namespace.
    if let Some(spec) = old.get("spec").cloned() {
        as_map(value).insert("spec".into(), spec);
    }
}

fn service(state: &State, value: &mut Value, old: Option<&Value>) {
    let name = value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or("").to_owned();
    let kept = old.and_then(|old| old.pointer("/spec/clusterIP")).cloned();
    let spec = member_mut(value, "spec");
    absent(spec, "type", &json!("ClusterIP"));
    absent(spec, "sessionAffinity", &json!("None"));
    let external = spec.get("type").is_some_and(|t| t == "ExternalName");
    if !external {
        let number = scatter(state.seed, &[&name, "address"], 0);
        let address = format!("10.96.{}.{}", number % 256, 1 + (number >> 8) % 254);
        absent(spec, "clusterIP", &kept.unwrap_or_else(|| address.into()));
        let address = spec.get("clusterIP").cloned().unwrap_or_default();
        absent(spec, "clusterIPs", &json!([address]));
        absent(spec, "internalTrafficPolicy", &json!("Cluster"));
        absent(spec, "ipFamilies", &json!(["IPv4"]));
        absent(spec, "ipFamilyPolicy", &json!("SingleStack"));
    }
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
    for port in ports.filter_map(Value::as_object_mut) {
        absent(port, "protocol", &json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        absent(port, "targetPort", &number);
    }
    if old.is_none() {
        member_mut(value, "status").insert("loadBalancer".into(), json!({}));
    }
}

fn job(value: &mut Value) {
    let uid = value.pointer("/metadata/uid").cloned().unwrap_or_default();
    let spec = member_mut(value, "spec");
    absent(spec, "completions", &json!(1));
    absent(spec, "parallelism", &json!(1));
    absent(spec, "backoffLimit", &json!(6));
    absent(spec, "completionMode", &json!("NonIndexed"));
    let labels = json!({"batch.kubernetes.io/controller-uid": uid});
    absent(spec, "selector", &json!({"matchLabels": labels}));
}

fn definition(value: &mut Value) {
    let spec = member_mut(value, "spec");
    absent(spec, "conversion", &json!({"strategy": "None"}));
    let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) else { return };
    let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    absent(names, "listKind", &json!(format!("{kind}List")));
    absent(names, "singular", &json!(kind.to_lowercase()));
}
