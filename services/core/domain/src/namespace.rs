//! The life of a namespace: what is born with it, and what its status says while it goes
//! (spec/gateway 5.7).

use crate::command::Left;
use crate::object::check_finalizer;
use crate::refusal::Refusal;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::KindInfo;
use serde_json::{Value, json};

/// What keeps a namespace until it is empty.
pub(crate) const FINALIZER: &str = "kubernetes";
/// The label by which selectors find a namespace of a name.
const LABEL: &str = "kubernetes.io/metadata.name";
/// Namespaces that may not be deleted.
pub(crate) const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

fn is_namespace(info: &KindInfo) -> bool {
    info.kind == "Namespace"
}

/// What the hub says of every namespace, whatever its author does.
pub(crate) fn settle(info: &KindInfo, object: &mut Value, name: &str, current: Option<&Value>) {
    if !is_namespace(info) {
        return;
    }
    object["metadata"]["labels"][LABEL] = json!(name);
    let current = current.cloned().unwrap_or_default();
    match current.get("spec") {
        Some(spec) => object["spec"] = spec.clone(),
        None => object["spec"] = json!({ "finalizers": [FINALIZER] }),
    }
    if current.get("status").is_none() {
        object["status"] = json!({ "phase": "Active" });
    }
}

/// What a namespace waits for where its author wants this: it is `held` by the hub too while
/// something may lie in it.
pub(crate) fn finalizers(wanted: &[String], held: bool) -> Result<Value, Refusal> {
    let others = wanted.iter().filter(|finalizer| *finalizer != FINALIZER);
    let mut all: Vec<&str> = vec![];
    for finalizer in others {
        check_finalizer(finalizer)?;
        if !all.contains(&finalizer.as_str()) {
            all.push(finalizer);
        }
    }
    let own = held || wanted.iter().any(|finalizer| finalizer == FINALIZER);
    Ok(own.then_some(FINALIZER).into_iter().chain(all).collect())
}

/// The hub holds it no more.
pub(crate) fn let_go(object: &mut Value) {
    let all = object.pointer_mut("/spec/finalizers").and_then(Value::as_array_mut);
    if let Some(all) = all {
        all.retain(|finalizer| finalizer != FINALIZER);
    }
}

/// It takes nothing new from now on.
pub(crate) fn terminate(info: &KindInfo, object: &mut Value) {
    if is_namespace(info) {
        object["status"]["phase"] = json!("Terminating");
    }
}

/// The conditions of a namespace in which so much is left.
pub(crate) fn conditions(object: &Value, left: &Left, at: Timestamp) -> Value {
    let told = |all: &std::collections::BTreeMap<String, usize>, unit: &str| {
        let each =
            all.iter().map(|(what, count)| format!("{what} {unit} {count} resource instances"));
        each.collect::<Vec<_>>().join(", ")
    };
    let remaining = told(&left.objects, "has");
    let waiting = told(&left.finalizers, "in");
    let all = [
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        (
            "NamespaceContentRemaining",
            !left.objects.is_empty(),
            if left.objects.is_empty() { "ContentRemoved" } else { "SomeResourcesRemain" },
            if left.objects.is_empty() {
                "All content successfully removed".to_owned()
            } else {
                format!("Some resources are remaining: {remaining}")
            },
        ),
        (
            "NamespaceFinalizersRemaining",
            !left.finalizers.is_empty(),
            if left.finalizers.is_empty() {
                "ContentHasNoFinalizers"
            } else {
                "SomeFinalizersRemain"
            },
            if left.finalizers.is_empty() {
                "All content-preserving finalizers finished".to_owned()
            } else {
                format!("Some content in the namespace has finalizers remaining: {waiting}")
            },
        ),
    ];
    let now = json!(fleetlog_rules::time(at));
    let condition = |(kind, is, reason, message): (&str, bool, &str, String)| {
        let status = if is { "True" } else { "False" };
        let before = object.pointer("/status/conditions").and_then(Value::as_array);
        let before =
            before.into_iter().flatten().find(|c| c["type"] == kind && c["status"] == status);
        let since = before.map_or_else(|| now.clone(), |c| c["lastTransitionTime"].clone());
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since,
        })
    };
    all.into_iter().map(condition).collect()
}
