//! What the status of a workload says, phase by phase, in the words of Kubernetes' controllers.
//! Plain functions of the object; they store nothing and know no time but the one they are given.

use serde_json::{Map, Value, json};

use crate::random::scatter;

/// How far a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its controller has seen the generation.
    Seen,
    /// No pod can be made, and why.
    Held(String),
    /// Everything asked for runs, or has run.
    Done,
}

/// What a status depends on beside the object.
pub(super) struct Ground<'a> {
    pub(super) now: &'a str,
    pub(super) nodes: u64,
}

/// Whether objects of this resource have a controller here.
pub(super) fn has(resource: &str) -> bool {
    matches!(
        resource,
        "deployments.apps"
            | "statefulsets.apps"
            | "daemonsets.apps"
            | "replicasets.apps"
            | "replicationcontrollers"
            | "jobs.batch"
            | "pods"
            | "persistentvolumeclaims"
    )
}

/// The service account that the pods of a workload run under; `None` when it has no pods.
pub(super) fn account(resource: &str, object: &Value) -> Option<String> {
    let spec = match resource {
        "pods" => object.pointer("/spec"),
        "persistentvolumeclaims" => return None,
        _ => object.pointer("/spec/template/spec"),
    };
    let named = |key: &str| spec.and_then(|s| s.get(key)).and_then(Value::as_str);
    let name = named("serviceAccountName").or_else(|| named("serviceAccount"));
    Some(name.filter(|name| !name.is_empty()).unwrap_or("default").to_owned())
}

/// The status of `object` in `phase`; `None` when it stays as it is.
pub(super) fn of(
    resource: &str,
    object: &Value,
    phase: &Phase,
    ground: &Ground<'_>,
) -> Option<Value> {
    match resource {
        "deployments.apps" => Some(deployment(object, phase, ground.now)),
        "statefulsets.apps" => Some(stateful_set(object, phase)),
        "daemonsets.apps" => Some(daemon_set(object, phase, ground.nodes)),
        "replicasets.apps" | "replicationcontrollers" => Some(replica_set(object, phase)),
        "jobs.batch" => job(object, phase, ground.now),
        "pods" => pod(object, phase, ground.now),
        "persistentvolumeclaims" => Some(claim(object, phase)),
        _ => None,
    }
}

fn number(object: &Value, pointer: &str, absent: u64) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(absent)
}

/// Members with a number, leaving out zeros as Go's `omitempty` does.
fn counts<'a>(members: impl IntoIterator<Item = (&'a str, u64)>) -> Map<String, Value> {
    let filled = members.into_iter().filter(|(_, count)| *count > 0);
    filled.map(|(key, count)| (key.to_owned(), count.into())).collect()
}

fn observed(object: &Value) -> (&'static str, u64) {
    ("observedGeneration", number(object, "/metadata/generation", 0))
}

/// How many pods run: all when done, none when held, as many as before else.
fn running(object: &Value, phase: &Phase, wanted: u64, before: &str) -> u64 {
    match phase {
        Phase::Done => wanted,
        Phase::Seen | Phase::Held(_) => number(object, before, 0).min(wanted),
    }
}

/// A condition; times are filled in by `conditions`.
fn condition(kind: &str, holds: bool, reason: &str, message: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

/// Conditions with their times: `transition` moves with the status, `update` with any change.
fn conditions(object: &Value, wanted: Vec<Value>, update: &str, now: &str) -> Value {
    let old = object.pointer("/status/conditions").and_then(Value::as_array);
    let before = |kind: Option<&Value>| old.into_iter().flatten().find(|c| c.get("type") == kind);
    let timed = |mut new: Value| {
        let old = before(new.get("type"));
        let same = |keys: &[&str]| old.is_some_and(|o| keys.iter().all(|k| o.get(k) == new.get(k)));
        let time = |kept: bool, key: &str| {
            old.filter(|_| kept).and_then(|o| o.get(key)).cloned().unwrap_or_else(|| now.into())
        };
        let moved = time(same(&["status"]), "lastTransitionTime");
        let updated = time(same(&["status", "reason", "message"]), update);
        new["lastTransitionTime"] = moved;
        new[update] = updated;
        new
    };
    wanted.into_iter().map(timed).collect()
}

/// The ten letters that tell the pods of one template from those of another.
fn template_hash(object: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdf2456789vwxz";
    let template = object.pointer("/spec/template").map(Value::to_string).unwrap_or_default();
    let mut number = scatter(0, &[&template], 0);
    let mut letter = || {
        let at = usize::try_from(number % ALPHABET.len() as u64).unwrap_or(0);
        number /= ALPHABET.len() as u64;
        char::from(ALPHABET[at])
    };
    (0..10).map(|_| letter()).collect()
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn deployment(object: &Value, phase: &Phase, now: &str) -> Value {
    let wanted = number(object, "/spec/replicas", 1);
    let ready = running(object, phase, wanted, "/status/readyReplicas");
    let set = format!("{}-{}", name(object), template_hash(object));
    let (exist, updated) = match phase {
        Phase::Done => (wanted, wanted),
        Phase::Seen => (wanted, wanted - ready),
        Phase::Held(_) => (ready, 0),
    };
    let mut status = counts([
        observed(object),
        ("replicas", exist),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", wanted - ready),
    ]);
    let available = ready >= wanted - wanted / 4;
    let mut list = vec![if available {
        let message = "Deployment has minimum availability.";
        condition("Available", true, "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.";
        condition("Available", false, "MinimumReplicasUnavailable", message)
    }];
    list.push(match phase {
        Phase::Done => {
            let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
            condition("Progressing", true, "NewReplicaSetAvailable", &message)
        }
        Phase::Seen => {
            let message = format!("ReplicaSet \"{set}\" is progressing.");
            condition("Progressing", true, "ReplicaSetUpdated", &message)
        }
        Phase::Held(_) => {
            let message = format!("Created new replica set \"{set}\"");
            condition("Progressing", true, "NewReplicaSetCreated", &message)
        }
    });
    if let Phase::Held(why) = phase {
        let message = format!("pods \"{set}-\" is forbidden: {why}");
        list.push(condition("ReplicaFailure", true, "FailedCreate", &message));
    }
    status.insert("conditions".into(), conditions(object, list, "lastUpdateTime", now));
    Value::Object(status)
}

fn stateful_set(object: &Value, phase: &Phase) -> Value {
    let wanted = number(object, "/spec/replicas", 1);
    let ready = running(object, phase, wanted, "/status/readyReplicas");
    let revision = format!("{}-{}", name(object), template_hash(object));
    let before = object.pointer("/status/currentRevision").and_then(Value::as_str);
    let current = match phase {
        Phase::Done => revision.clone(),
        _ => before.unwrap_or(&revision).to_owned(),
    };
    let made = if matches!(phase, Phase::Held(_)) { ready } else { wanted };
    let mut status = counts([
        observed(object),
        ("readyReplicas", ready),
        ("currentReplicas", ready),
        ("updatedReplicas", if current == revision { made } else { 0 }),
    ]);
    status.insert("replicas".into(), made.into());
    status.insert("availableReplicas".into(), ready.into());
    status.insert("currentRevision".into(), current.into());
    status.insert("updateRevision".into(), revision.into());
    status.insert("collisionCount".into(), 0.into());
    Value::Object(status)
}

fn daemon_set(object: &Value, phase: &Phase, nodes: u64) -> Value {
    let ready = running(object, phase, nodes, "/status/numberReady");
    let made = if matches!(phase, Phase::Held(_)) { ready } else { nodes };
    let mut status = counts([
        observed(object),
        ("updatedNumberScheduled", made),
        ("numberAvailable", ready),
        ("numberUnavailable", nodes - ready),
    ]);
    status.insert("currentNumberScheduled".into(), made.into());
    status.insert("desiredNumberScheduled".into(), nodes.into());
    status.insert("numberMisscheduled".into(), 0.into());
    status.insert("numberReady".into(), ready.into());
    Value::Object(status)
}

fn replica_set(object: &Value, phase: &Phase) -> Value {
    let wanted = number(object, "/spec/replicas", 1);
    let ready = running(object, phase, wanted, "/status/readyReplicas");
    let made = if matches!(phase, Phase::Held(_)) { ready } else { wanted };
    let mut status = counts([
        observed(object),
        ("fullyLabeledReplicas", made),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
    ]);
    status.insert("replicas".into(), made.into());
    Value::Object(status)
}

/// A job completes once and stays complete; a suspended one waits.
fn job(object: &Value, phase: &Phase, now: &str) -> Option<Value> {
    let suspended = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
    if object.pointer("/status/completionTime").is_some() || suspended {
        return None;
    }
    let parallelism = number(object, "/spec/parallelism", 1);
    let completions = number(object, "/spec/completions", parallelism);
    let started = object.pointer("/status/startTime").cloned().unwrap_or_else(|| now.into());
    let mut status = json!({"startTime": started, "uncountedTerminatedPods": {}});
    match phase {
        Phase::Seen => {
            status["active"] = parallelism.min(completions).into();
            status["ready"] = 0.into();
            status["terminating"] = 0.into();
        }
        Phase::Held(_) => {}
        Phase::Done => {
            let message = "Reached expected number of succeeded pods";
            let done = |kind| condition(kind, true, "CompletionsReached", message);
            let list = vec![done("SuccessCriteriaMet"), done("Complete")];
            status["conditions"] = conditions(object, list, "lastProbeTime", now);
            status["succeeded"] = completions.into();
            status["ready"] = 0.into();
            status["terminating"] = 0.into();
            status["completionTime"] = now.into();
        }
    }
    Some(status)
}

fn pod(object: &Value, phase: &Phase, now: &str) -> Option<Value> {
    if *phase != Phase::Done {
        return Some(json!({"phase": "Pending", "qosClass": "BestEffort"}));
    }
    if object.pointer("/status/phase").is_some_and(|phase| phase == "Running") {
        return None;
    }
    let containers = object.pointer("/spec/containers").and_then(Value::as_array);
    let states: Vec<Value> = containers
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": container.get("name"), "image": container.get("image"), "imageID": "",
                "ready": true, "started": true, "restartCount": 0, "lastState": {},
                "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    let met = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let list = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];
    Some(json!({
        "phase": "Running", "qosClass": "BestEffort", "startTime": now,
        "conditions": list.map(met).into_iter().chain([met("PodScheduled")]).collect::<Vec<_>>(),
        "containerStatuses": states,
    }))
}

fn claim(object: &Value, phase: &Phase) -> Value {
    if *phase != Phase::Done {
        return json!({"phase": "Pending"});
    }
    let modes = object.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!([]));
    let size = object.pointer("/spec/resources/requests/storage").cloned();
    json!({"phase": "Bound", "accessModes": modes, "capacity": {"storage": size}})
}
