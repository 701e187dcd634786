//! A published application of 35 objects applies, becomes ready, and applies again unchanged.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery;
use kube::{ResourceExt, api::GroupVersionKind};
use serde_json::Value;

use fleetlog_simcluster::SimCluster;

use super::{cluster, until};

const BOUTIQUE: &str = include_str!("../../../../ops/cli/demo/online-boutique.yaml");

fn manifests() -> Vec<Value> {
    serde_saphyr::from_multiple(BOUTIQUE).expect("the application is YAML")
}

async fn apply(cluster: &SimCluster, manifest: &Value) -> DynamicObject {
    let text = |pointer: &str| {
        manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let version = text("/apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let gvk = GroupVersionKind::gvk(group, version, &text("/kind"));
    let client = cluster.client();
    let (resource, _) = discovery::pinned_kind(&client, &gvk).await.expect("it is served");
    let api: Api<DynamicObject> = Api::namespaced_with(client, "default", &resource);
    let params = PatchParams::apply("agent");
    api.patch(&text("/metadata/name"), &params, &Patch::Apply(manifest)).await.expect("applied")
}

#[tokio::test(start_paused = true)]
async fn the_whole_application_applies_and_becomes_ready() {
    let (cluster, manifests) = (cluster(), manifests());
    assert_eq!(manifests.len(), 35);
    let mut made = Vec::new();
    for manifest in &manifests {
        made.push(apply(&cluster, manifest).await);
    }
    let ready = |cluster: &SimCluster| {
        let objects = cluster.objects();
        let sets = objects.iter().filter(|object| object["kind"] == "Deployment");
        sets.filter(|set| set.pointer("/status/availableReplicas").is_some()).count()
    };
    until(&cluster, "all 12 are available", |cluster| ready(cluster) == 12).await;
    let version = cluster.resource_version();
    for (manifest, made) in manifests.iter().zip(&made) {
        let again = apply(&cluster, manifest).await;
        assert_eq!(again.uid(), made.uid());
    }
    assert_eq!(cluster.resource_version(), version, "an apply that changes nothing writes nothing");
}
