//! The clusters that are written: as large as those of real fleets, accepted or not.

use serde_json::{Value, json};

/// Their group.
pub const GROUP: &str = "cluster.open-cluster-management.io";
/// Their name in paths.
pub const PLURAL: &str = "managedclusters";
/// Where they are.
pub const PATH: &str = "/apis/cluster.open-cluster-management.io/v1/managedclusters";
/// How many bytes the authority of each has.
const AUTHORITY: usize = 1_200;

/// The name of the cluster of this number.
#[must_use]
pub fn name(number: usize) -> String {
    format!("cluster{number}")
}

/// Where the cluster of this number is.
#[must_use]
pub fn path(number: usize) -> String {
    format!("{PATH}/{}", name(number))
}

/// A new one.
#[must_use]
pub fn object(number: usize, accepted: bool) -> Value {
    let name = name(number);
    let environment = if number.is_multiple_of(2) { "dev" } else { "prod" };
    let labels = json!({
        "cloud": "Amazon", "vendor": "OpenShift", "name": name,
        "clusterID": format!("{number:032}"),
        "region": format!("region-{}", number % 20), "environment": environment,
        "openshiftVersion": "4.18.9",
    });
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ManagedCluster",
        "metadata": {
            "name": name, "labels": labels,
            "annotations": {
                "agent.open-cluster-management.io/klusterlet-config": "default",
                "open-cluster-management/created-via": "other",
            },
        },
        "spec": {
            "hubAcceptsClient": accepted, "leaseDurationSeconds": 3_600,
            "managedClusterClientConfigs": [{
                "url": format!("https://api.{name}.example.com:6443"),
                "caBundle": "QUJD".repeat(AUTHORITY / 4),
            }],
        },
    })
}

/// What a hub answered, as it may be made elsewhere.
#[must_use]
pub fn remade(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| ["name", "labels", "annotations"].contains(&field.as_str()));
    }
    object
}

/// Whether a condition of it is true.
#[must_use]
pub fn is(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter().any(|one| one["type"] == condition && one["status"] == "True")
    })
}
