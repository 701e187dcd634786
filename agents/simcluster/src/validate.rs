//! What a real server would refuse: names, and the few rules about content that clients meet.
//! Not a schema validation.

use serde_json::Value;

use fleetlog_kernel::{dns_label, dns_subdomain};

use crate::failure::{Cause, Failure};
use crate::kinds::Kind;

/// Checks an object's name by the rule of its kind.
pub(crate) fn name(kind: &Kind, name: &str) -> Result<(), Failure> {
    let field = "metadata.name";
    if name.is_empty() {
        let cause = Cause::required(field, "name or generateName is required");
        return Err(Failure::invalid(kind, name, &[cause]));
    }
    let broken = if kind.group == "rbac.authorization.k8s.io" {
        let segment = name != "." && name != ".." && !name.contains(['/', '%']);
        (!segment).then(|| "may not be '.', '..' or contain '/' or '%'".to_owned())
    } else if ["namespaces", "services"].contains(&&*kind.id) {
        dns_label(name).err().map(|e| e.to_string())
    } else {
        dns_subdomain(name).err().map(|e| e.to_string())
    };
    match broken {
        Some(why) => Err(Failure::invalid(kind, name, &[Cause::invalid(field, name, &why)])),
        None => Ok(()),
    }
}

/// Checks the content of a new object, or of a new state of `old`.
pub(crate) fn content(
    kind: &Kind,
    name: &str,
    new: &Value,
    old: Option<&Value>,
) -> Result<(), Failure> {
    let mut causes = Vec::new();
    strings(new, "labels", &mut causes);
    strings(new, "annotations", &mut causes);
    match &*kind.id {
        "deployments.apps" | "statefulsets.apps" | "daemonsets.apps" => workload(new, &mut causes),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(name, new, &mut causes),
        _ => {}
    }
    if let Some(old) = old {
        for pointer in immutable(kind) {
            if old.pointer(pointer).is_some() && old.pointer(pointer) != new.pointer(pointer) {
                let field = pointer.trim_start_matches('/').replace('/', ".");
                let value = new.pointer(pointer).map(Value::to_string).unwrap_or_default();
                causes.push(Cause::invalid(&field, &value, "field is immutable"));
            }
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}

fn immutable(kind: &Kind) -> &'static [&'static str] {
    match &*kind.id {
        "deployments.apps" | "daemonsets.apps" | "replicasets.apps" => &["/spec/selector"],
        "statefulsets.apps" => &["/spec/selector", "/spec/serviceName"],
        "jobs.batch" => &["/spec/template", "/spec/selector", "/spec/completionMode"],
        "services" => &["/spec/clusterIP"],
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => &["/roleRef"],
        "secrets" => &["/type"],
        _ => &[],
    }
}

fn strings(new: &Value, key: &str, causes: &mut Vec<Cause>) {
    let Some(map) = new.pointer("/metadata").and_then(|m| m.get(key)) else { return };
    let fine = map.as_object().is_some_and(|map| map.values().all(Value::is_string));
    if !fine {
        let field = format!("metadata.{key}");
        causes.push(Cause::invalid(&field, &map.to_string(), "must be a map of strings"));
    }
}

fn workload(new: &Value, causes: &mut Vec<Cause>) {
    let Some(selector) = new.pointer("/spec/selector") else {
        causes.push(Cause::required("spec.selector", "it tells which pods are meant"));
        return;
    };
    let labels = new.pointer("/spec/template/metadata/labels");
    let wanted = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let matches = wanted.into_iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v));
    if !matches {
        let field = "spec.template.metadata.labels";
        let value = labels.map(Value::to_string).unwrap_or_default();
        causes.push(Cause::invalid(field, &value, "`selector` does not match template `labels`"));
    }
    let containers = new.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        let field = "spec.template.spec.containers";
        causes.push(Cause::required(field, "a pod has at least one container"));
    }
}

fn definition(name: &str, new: &Value, causes: &mut Vec<Cause>) {
    let text = |pointer: &str| new.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    for (field, value) in [("spec.group", group), ("spec.names.plural", plural)] {
        if value.is_empty() {
            causes.push(Cause::required(field, "a definition names what it defines"));
        }
    }
    if text("/spec/names/kind").is_empty() {
        causes.push(Cause::required("spec.names.kind", "a definition names what it defines"));
    }
    if !["Namespaced", "Cluster"].contains(&text("/spec/scope")) {
        let message = "supported values: \"Cluster\", \"Namespaced\"";
        causes.push(Cause::invalid("spec.scope", text("/spec/scope"), message));
    }
    if name != format!("{plural}.{group}") {
        let message = format!("must be spec.names.plural+\".\"+spec.group: \"{plural}.{group}\"");
        causes.push(Cause::invalid("metadata.name", name, &message));
    }
    let versions = new.pointer("/spec/versions").and_then(Value::as_array);
    let stored = |v: &&Value| v.get("storage") == Some(&Value::Bool(true));
    let stored = versions.map_or(0, |versions| versions.iter().filter(stored).count());
    if stored != 1 {
        let message = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &stored.to_string(), message));
    }
}
