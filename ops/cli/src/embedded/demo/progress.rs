//! How far the demo's application is, read from the works as the hub serves them: applied,
//! available, and replicas by status feedback.

use crate::print::table::Rows;
use serde_json::Value;

/// One work, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The cluster it runs on.
    pub cluster: String,
    /// Objects the agent applied.
    pub applied: usize,
    /// Objects there are.
    pub objects: usize,
    /// The condition Available.
    pub available: bool,
    /// Deployments whose replicas are all ready, by feedback.
    pub ready: usize,
    /// Ready replicas, summed over Deployments.
    pub ready_replicas: i64,
    /// Deployments that feed back.
    pub deployments: usize,
}

impl Progress {
    /// Reads one work.
    #[must_use]
    pub fn of(work: &Value) -> Self {
        let text = |pointer: &str| work.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let manifests = list(work, "/status/resourceStatus/manifests");
        let deployments: Vec<&Value> = manifests
            .iter()
            .filter(|m| m.pointer("/resourceMeta/resource").is_some_and(|r| r == "deployments"))
            .collect();
        Self {
            cluster: text("/metadata/namespace").to_owned(),
            applied: manifests.iter().filter(|m| is_true(m, "/conditions", "Applied")).count(),
            objects: manifests.len(),
            available: is_true(work, "/status/conditions", "Available"),
            ready: deployments.iter().filter(|d| is_ready(d)).count(),
            ready_replicas: deployments.iter().filter_map(|d| feedback(d, "ReadyReplicas")).sum(),
            deployments: deployments.len(),
        }
    }

    /// Whether everything is applied, available and ready.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.available
            && self.objects > 0
            && self.applied == self.objects
            && self.deployments > 0
            && self.ready == self.deployments
    }
}

/// The table of all works.
#[must_use]
pub fn table(works: &[Progress]) -> String {
    let mut rows =
        Rows::new(["CLUSTER", "APPLIED", "AVAILABLE", "DEPLOYMENTS READY", "READY REPLICAS"]);
    for work in works {
        rows.push(vec![
            work.cluster.clone(),
            format!("{}/{}", work.applied, work.objects),
            if work.available { "True" } else { "-" }.to_owned(),
            format!("{}/{}", work.ready, work.deployments),
            work.ready_replicas.to_string(),
        ]);
    }
    rows.render()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_true(object: &Value, pointer: &str, condition: &str) -> bool {
    list(object, pointer).iter().any(|c| c["type"] == condition && c["status"] == "True")
}

fn feedback(manifest: &Value, name: &str) -> Option<i64> {
    let values = list(manifest, "/statusFeedback/values");
    let value = values.iter().find(|value| value["name"] == name)?;
    value.pointer("/fieldValue/integer")?.as_i64()
}

fn is_ready(deployment: &Value) -> bool {
    let ready = feedback(deployment, "ReadyReplicas");
    ready.is_some_and(|ready| ready > 0) && ready == feedback(deployment, "Replicas")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn work(ready: i64) -> Value {
        let integer = |n: i64| json!({"type": "Integer", "integer": n});
        let value = |name: &str, n: i64| json!({"name": name, "fieldValue": integer(n)});
        let values = [value("ReadyReplicas", ready), value("Replicas", 2)];
        let applied = json!([{"type": "Applied", "status": "True"}]);
        json!({
            "metadata": {"namespace": "c1"},
            "status": {
                "conditions": [{"type": "Available", "status": "True"}],
                "resourceStatus": {"manifests": [
                    {"resourceMeta": {"resource": "services"}, "conditions": applied},
                    {"resourceMeta": {"resource": "deployments"}, "conditions": applied,
                     "statusFeedback": {"values": values}},
                ]},
            },
        })
    }

    #[test]
    fn a_work_is_complete_only_when_its_deployments_are_ready_by_feedback() {
        assert!(!Progress::of(&work(1)).complete());
        let progress = Progress::of(&work(2));
        assert!(progress.complete());
        assert_eq!((progress.applied, progress.ready, progress.ready_replicas), (2, 1, 2));
        assert!(!Progress::of(&json!({})).complete());
    }
}
