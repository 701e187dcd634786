//! What clusteradm asks of a hub, command by command, in its order (spec/gateway 9.2): each answer
//! has what the command goes on with. The approval of requests for certificates is not among them.

use crate::socket::Socket;
use crate::stage::{Answered, version};
use crate::wire::Wire;
use data_encoding::BASE64;
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const CLUSTER: &str = "/apis/cluster.open-cluster-management.io";
const ADDON: &str = "/apis/addon.open-cluster-management.io/v1alpha1";
const WORK: &str = "/apis/work.open-cluster-management.io";
const CLUSTERS: &str = "/apis/cluster.open-cluster-management.io/v1/managedclusters";
const SETS: &str = "/apis/cluster.open-cluster-management.io/v1beta2/managedclustersets";
const BINDINGS: &str =
    "/apis/cluster.open-cluster-management.io/v1beta2/namespaces/t/managedclustersetbindings";
const WORKS: &str = "/apis/work.open-cluster-management.io/v1/namespaces/c1/manifestworks";
const SET: &str = "cluster.open-cluster-management.io/clusterset";

/// Before every command: is this a hub?
async fn is_hub(wire: &Wire) {
    let found = wire.get(&format!("{CLUSTER}/v1")).await.ok();
    let all = found["resources"].as_array().unwrap();
    assert!(all.iter().any(|resource| resource["name"] == "managedclusters"), "{found}");
}

fn items(list: Value) -> Vec<Value> {
    list["items"].as_array().unwrap().clone()
}

/// Creates an object, or updates the one that is there, as the commands do.
async fn put(wire: &Wire, collection: &str, object: &Value) -> Answered {
    let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
    let written = async || {
        let found = wire.get(&path).await;
        if found.code == 404 {
            assert_eq!(found.refused(), (404, "NotFound"));
            return Some(wire.ask("POST", collection, object.clone()).await);
        }
        let mut found = found.ok();
        found["spec"] = object["spec"].clone();
        let put = wire.ask("PUT", &path, found).await;
        // A service may have said something of it between the two.
        (put.code != 409).then_some(put)
    };
    eventually(&format!("\"{path}\" is written"), written).await.unwrap()
}

/// A hub with a cluster that is accepted, and somebody who may do anything.
async fn hub() -> (Socket, Wire) {
    let socket = Socket::open().await;
    socket.stage.cluster("c1").await;
    let wire = Wire::admin(&socket).await;
    is_hub(&wire).await;
    (socket, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw102_a_token_is_got_and_with_it_a_cluster_joins_and_is_accepted() {
    let socket = Socket::open().await;
    let admin = Wire::admin(&socket).await;
    // get token
    is_hub(&admin).await;
    let account = "/api/v1/namespaces/open-cluster-management/serviceaccounts";
    let path = format!("{account}/agent-registration-bootstrap/token");
    let made = admin.ask("POST", &path, json!({"spec": {"expirationSeconds": 3600}})).await;
    assert_eq!(made.code, 201);
    let token = made.body["status"]["token"].as_str().unwrap().to_owned();
    // join: what the hub is called and known by, then whether it is one.
    let joins = Wire::with(&socket, &token).await;
    let info = joins.get("/api/v1/namespaces/kube-public/configmaps/cluster-info").await.ok();
    let config = fleetlog_objects::yaml(info["data"]["kubeconfig"].as_str().unwrap()).unwrap();
    let clusters = config[0]["clusters"].as_array().unwrap();
    assert_eq!((clusters.len(), &clusters[0]["name"]), (1, &json!("")));
    let authority = clusters[0]["cluster"]["certificate-authority-data"].as_str().unwrap();
    assert!(BASE64.decode(authority.as_bytes()).unwrap().starts_with(b"-----BEGIN CERT"));
    assert_eq!(joins.get("/version").await.ok()["major"], "1");
    is_hub(&joins).await;
    // join --wait: until the agent has made its cluster.
    let query = "watch=true&fieldSelector=metadata.name%3Dc1&timeoutSeconds=60";
    let mut waits = joins.watch(&format!("{CLUSTERS}?{query}")).await;
    let cluster = json!({"metadata": {"name": "c1"}, "spec": {"hubAcceptsClient": false}});
    assert_eq!(joins.ask("POST", CLUSTERS, cluster).await.code, 201);
    waits.until("ADDED", |cluster| cluster["metadata"]["name"] == "c1").await;
    // accept
    is_hub(&admin).await;
    let path = format!("{CLUSTERS}/c1");
    assert_eq!(admin.get(&path).await.ok()["spec"]["hubAcceptsClient"], false);
    let label = "open-cluster-management.io%2Fcluster-name%20%3D%20c1";
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let requests = admin.get(&format!("{requests}?labelSelector={label}")).await.ok();
    assert_eq!(items(requests), Vec::<Value>::new());
    let accept = json!({"spec": {"hubAcceptsClient": true}});
    let accepted = admin.ask("PATCH", &path, accept).await.ok();
    assert_eq!(accepted["spec"]["hubAcceptsClient"], true);
    let told = async || {
        let cluster = admin.get(&path).await.ok();
        let all = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let accepted =
            |c: &Value| c["type"] == "HubAcceptedManagedCluster" && c["status"] == "True";
        all.iter().any(accepted).then_some(())
    };
    eventually("the cluster says that it is accepted", told).await.unwrap();
    // Who may join may not accept.
    let own = joins.ask("PATCH", &path, json!({"spec": {"hubAcceptsClient": true}})).await;
    assert_eq!(own.refused(), (403, "Forbidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw102_a_set_is_made_joined_bound_unbound_and_deleted() {
    let (_socket, wire) = hub().await;
    // clusterset create
    let set = json!({
        "metadata": {"name": "retail", "creationTimestamp": null}, "status": {"conditions": null},
        "spec": {"clusterSelector": {"selectorType": "ExclusiveClusterSetLabel"}},
    });
    assert_eq!(put(&wire, SETS, &set).await.code, 201);
    // clusterset set
    assert_eq!(wire.get(&format!("{SETS}/retail")).await.code, 200);
    let path = format!("{CLUSTERS}/c1");
    let mut cluster = wire.get(&path).await.ok();
    cluster["metadata"]["labels"][SET] = json!("retail");
    assert_eq!(wire.ask("PUT", &path, cluster).await.code, 200);
    // get clustersets
    let all = items(wire.get(SETS).await.ok());
    let names: Vec<&Value> = all.iter().map(|set| &set["metadata"]["name"]).collect();
    assert_eq!(names, ["default", "global", "retail"]);
    assert_eq!(all[2]["spec"]["clusterSelector"]["selectorType"], "ExclusiveClusterSetLabel");
    let bindings = format!("{CLUSTER}/v1beta2/managedclustersetbindings");
    assert_eq!(items(wire.get(&bindings).await.ok()), Vec::<Value>::new());
    let label = SET.replace('/', "%2F");
    let of_set = wire.get(&format!("{CLUSTERS}?labelSelector={label}%20%3D%20retail")).await.ok();
    assert_eq!(items(of_set)[0]["metadata"]["name"], "c1");
    // clusterset bind, and unbind
    assert_eq!(wire.get(&format!("{SETS}/retail")).await.code, 200);
    let binding = json!({"metadata": {"name": "retail"}, "spec": {"clusterSet": "retail"}});
    assert_eq!(wire.ask("POST", BINDINGS, binding.clone()).await.code, 201);
    assert_eq!(wire.ask("POST", BINDINGS, binding).await.refused(), (409, "AlreadyExists"));
    let named = format!("{bindings}?fieldSelector=metadata.name%3Dretail");
    assert_eq!(items(wire.get(&named).await.ok()).len(), 1);
    assert_eq!(wire.ask("DELETE", &format!("{BINDINGS}/retail"), Value::Null).await.code, 200);
    // clusterset delete
    assert_eq!(items(wire.get(&named).await.ok()).len(), 0);
    let query = "watch=true&fieldSelector=metadata.name%3Dretail&timeoutSeconds=60";
    let mut waits = wire.watch(&format!("{SETS}?{query}")).await;
    assert_eq!(wire.ask("DELETE", &format!("{SETS}/retail"), Value::Null).await.code, 200);
    waits.until("DELETED", |set| set["metadata"]["name"] == "retail").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw102_a_placement_is_made_and_works_by_it() {
    let (_socket, wire) = hub().await;
    let binding = json!({"metadata": {"name": "default"}, "spec": {"clusterSet": "default"}});
    wire.ask("POST", BINDINGS, binding).await.ok();
    // create placement, and once more to overwrite it
    let placements = format!("{CLUSTER}/v1beta1/namespaces/t/placements");
    let mut placement = json!({"metadata": {"name": "p"}, "spec": {
        "clusterSets": ["default"], "tolerations": [{"operator": "Exists"}]}});
    assert_eq!(wire.get(&format!("{BINDINGS}/default")).await.code, 200);
    assert_eq!(put(&wire, &placements, &placement).await.code, 201);
    placement["spec"]["numberOfClusters"] = json!(1);
    let overwritten = put(&wire, &placements, &placement).await.ok();
    assert_eq!(overwritten["spec"]["numberOfClusters"], 1);
    // create work by that placement
    assert_eq!(items(wire.get(&format!("{WORK}/v1/manifestworks")).await.ok()).len(), 0);
    assert_eq!(wire.get(&format!("{placements}/p")).await.code, 200);
    let label = "cluster.open-cluster-management.io%2Fplacement%20%3D%20p";
    let decisions = format!("{CLUSTER}/v1beta1/namespaces/t/placementdecisions");
    let decided = async || {
        let list = wire.get(&format!("{decisions}?labelSelector={label}")).await.ok();
        let first = items(list).first()?["status"]["decisions"][0]["clusterName"].clone();
        (first == "c1").then_some(())
    };
    eventually("the cluster is decided on", decided).await.unwrap();
    let manifest = |value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "m", "namespace": "default"}, "data": {"k": value}})
    };
    let work = |value: &str| {
        let workload = json!({"manifests": [manifest(value)]});
        json!({"metadata": {"name": "w"}, "spec": {"workload": workload}})
    };
    assert_eq!(put(&wire, WORKS, &work("1")).await.code, 201);
    let updated = put(&wire, WORKS, &work("2")).await.ok();
    assert_eq!(updated["spec"]["workload"]["manifests"][0], manifest("2"));
    // create work --replicaset
    let sets = format!("{WORK}/v1alpha1/namespaces/t/manifestworkreplicasets");
    let set = json!({"metadata": {"name": "w"}, "spec": {
        "placementRefs": [{"name": "p"}],
        "manifestWorkTemplate": {"workload": {"manifests": [manifest("1")]}}}});
    assert_eq!(put(&wire, &sets, &set).await.code, 201);
    // get placements, get works
    assert_eq!(items(wire.get(&placements).await.ok()).len(), 1);
    assert_eq!(wire.get(&format!("{CLUSTERS}/c1")).await.code, 200);
    let named = wire.get(&format!("{WORKS}?fieldSelector=metadata.name%3Dw")).await.ok();
    assert_eq!(items(named)[0]["metadata"]["name"], "w");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw102_a_work_is_deleted_by_force_from_a_cluster_that_does_not_answer() {
    let (_socket, wire) = hub().await;
    let path = format!("{WORKS}/w");
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "default"}});
    let work = json!({
        "metadata": {
            "name": "w", "finalizers": ["cluster.open-cluster-management.io/manifest-work-cleanup"],
        },
        "spec": {"workload": {"manifests": [manifest]}},
    });
    wire.ask("POST", WORKS, work).await.ok();
    assert_eq!(wire.get(&path).await.code, 200);
    let mut waits = wire.watch(&format!("{WORKS}?watch=true&timeoutSeconds=60")).await;
    assert_eq!(wire.ask("DELETE", &path, Value::Null).await.code, 200);
    waits.until("MODIFIED", |work| work["metadata"]["deletionTimestamp"].is_string()).await;
    // --force
    let mut stuck = wire.get(&path).await.ok();
    stuck["metadata"]["finalizers"] = json!([]);
    assert_eq!(wire.ask("PUT", &path, stuck).await.code, 200);
    waits.until("DELETED", |work| work["metadata"]["name"] == "w").await;
    assert_eq!(wire.get(&path).await.code, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw102_an_addon_is_made_enabled_and_disabled() {
    let (_socket, wire) = hub().await;
    // addon create
    let addons = format!("{ADDON}/clustermanagementaddons");
    let templates = format!("{ADDON}/addontemplates");
    let addon = json!({"metadata": {"name": "a"}, "spec": {
        "installStrategy": {"type": "Manual"},
        "supportedConfigs": [{"group": "addon.open-cluster-management.io",
            "resource": "addontemplates", "defaultConfig": {"name": "a-1"}}]}});
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "default"}});
    let template = json!({"metadata": {"name": "a-1"}, "spec": {
        "addonName": "a", "agentSpec": {"workload": {"manifests": [manifest]}},
        "registration": []}});
    for (collection, object) in [(&addons, &addon), (&templates, &template)] {
        for code in [201, 200] {
            let answered = put(&wire, collection, object).await;
            assert_eq!(answered.code, code, "{answered:?}");
        }
    }
    // addon enable, and once more
    assert_eq!(wire.get(&format!("{CLUSTERS}/c1")).await.code, 200);
    assert_eq!(wire.get(&format!("{addons}/a")).await.code, 200);
    let installed = format!("{ADDON}/namespaces/c1/managedclusteraddons");
    let enabled = json!({"metadata": {"name": "a", "namespace": "c1"},
        "spec": {"installNamespace": "open-cluster-management-agent-addon"}});
    assert_eq!(put(&wire, &installed, &enabled).await.code, 201);
    assert_eq!(put(&wire, &installed, &enabled).await.code, 200);
    // get addon
    assert_eq!(items(wire.get(CLUSTERS).await.ok()).len(), 1);
    assert_eq!(items(wire.get(&addons).await.ok()).len(), 1);
    let all = items(wire.get(&format!("{ADDON}/managedclusteraddons")).await.ok());
    assert_eq!(all[0]["metadata"]["namespace"], "c1");
    let label = "open-cluster-management.io%2Faddon-name";
    let works = wire.get(&format!("{WORK}/v1/manifestworks?labelSelector={label}")).await;
    assert_eq!(works.code, 200);
    // addon disable
    let found = wire.get(&format!("{installed}/a")).await.ok();
    assert!(!version(&found).is_empty());
    assert_eq!(wire.ask("DELETE", &format!("{installed}/a"), Value::Null).await.code, 200);
    // It goes once its cluster has cleaned up, which nobody does here.
    let left = wire.get(&format!("{installed}/a")).await;
    assert!(left.code == 404 || left.ok()["metadata"]["deletionTimestamp"].is_string());
}
