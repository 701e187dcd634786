//! Argo CD's generator of applications from decisions: it reads a ConfigMap that tells where
//! decisions are, lists them by name or by label in its own namespace, and makes one element of
//! each cluster that they name.

use crate::socket::Socket;
use crate::stage::CLUSTERS;
use crate::wire::Wire;
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const OCM: &str = "/apis/cluster.open-cluster-management.io";
const SPACE: &str = "argocd";
const LABEL: &str = "cluster.open-cluster-management.io%2Fplacement%3Dguestbook";

/// What the generator makes of a list: the cluster of every decision.
fn elements(list: &Value, key: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    let all = items.iter().flat_map(|item| item["status"]["decisions"].as_array().unwrap());
    all.map(|decision| decision[key].as_str().unwrap().to_owned()).collect()
}

/// A hub with three clusters, a set and a placement in Argo CD's namespace, and what it may read.
async fn hub() -> Socket {
    let socket = Socket::open().await;
    let stage = &socket.stage;
    let named = |name: &str| json!({"metadata": {"name": name}});
    stage.post("/api/v1/namespaces", named(SPACE)).await.ok();
    for name in ["c1", "c2", "c3"] {
        stage.cluster(name).await;
    }
    stage.get(CLUSTERS).await.ok();
    let space = format!("{OCM}/v1beta2/namespaces/{SPACE}/managedclustersetbindings");
    let binding = json!({"metadata": {"name": "default"}, "spec": {"clusterSet": "default"}});
    stage.post(&space, binding).await.ok();
    let placement = json!({"metadata": {"name": "guestbook"},
        "spec": {"numberOfClusters": 2, "tolerations": [{"operator": "Exists"}]}});
    stage.post(&format!("{OCM}/v1beta1/namespaces/{SPACE}/placements"), placement).await.ok();
    let account = "applicationset-controller";
    let core = format!("/api/v1/namespaces/{SPACE}");
    stage.post(&format!("{core}/serviceaccounts"), named(account)).await.ok();
    let told = json!({"metadata": {"name": "ocm-placement"}, "data": {
        "apiVersion": "cluster.open-cluster-management.io/v1beta1",
        "kind": "placementdecisions", "statusListKey": "decisions", "matchKey": "clusterName",
    }});
    stage.post(&format!("{core}/configmaps"), told).await.ok();
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}");
    let role = json!({"metadata": {"name": "reads"}, "rules": [
        {"verbs": ["list", "get"], "apiGroups": ["cluster.open-cluster-management.io"],
            "resources": ["placementdecisions"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]},
    ]});
    stage.post(&format!("{rbac}/roles"), role).await.ok();
    let binding = json!({"metadata": {"name": "reads"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": SPACE}]});
    stage.post(&format!("{rbac}/rolebindings"), binding).await.ok();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw103_argo_makes_an_element_of_each_decision_by_label_and_by_name() {
    let socket = hub().await;
    let path =
        format!("/api/v1/namespaces/{SPACE}/serviceaccounts/applicationset-controller/token");
    let token = socket.stage.post(&path, json!({"spec": {"expirationSeconds": 3600}})).await.ok();
    let argo = Wire::with(&socket, token["status"]["token"].as_str().unwrap()).await;
    let core = format!("/api/v1/namespaces/{SPACE}/configmaps/ocm-placement");
    let told = argo.get(&core).await.ok()["data"].clone();
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    let (version, plural) = (text("apiVersion"), text("kind"));
    let base = format!("/apis/{version}/namespaces/{SPACE}/{plural}");
    let by_label = format!("{base}?labelSelector={LABEL}");
    let both = async || {
        let list = argo.get(&by_label).await.ok();
        let found = elements(&list, &text("matchKey"));
        (found.len() == 2).then_some((list, found))
    };
    let (list, found) = eventually("two clusters are decided on", both).await.unwrap();
    assert!(found.iter().all(|name| ["c1", "c2", "c3"].contains(&name.as_str())), "{found:?}");
    assert_eq!(list["kind"], "PlacementDecisionList");
    let name = list["items"][0]["metadata"]["name"].as_str().unwrap();
    let by_name = argo.get(&format!("{base}?fieldSelector=metadata.name%3D{name}")).await.ok();
    assert_eq!(elements(&by_name, "clusterName"), found);
    let none = argo.get(&format!("{base}?labelSelector=app%3Dnone")).await.ok();
    assert_eq!(none["items"], json!([]));
    // It sees its own namespace and no other.
    let all = argo.get(&format!("{OCM}/v1beta1/placementdecisions")).await;
    assert_eq!(all.refused(), (403, "Forbidden"));
}
