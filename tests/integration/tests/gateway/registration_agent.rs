//! What OCM's registration agent asks of its hub (spec/gateway 8.1, 8.2), with a certificate of the
//! agent's identity: while it is accepted, when it is denied, and over a restart of the gateway.

use crate::socket::Socket;
use crate::stage::{CLUSTERS, version};
use crate::wire::{Told, Wire};
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const STREAMING: &str = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
    &allowWatchBookmarks=true&timeoutSeconds=500";
const OWN: &str = "fieldSelector=metadata.name%3Dc1";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const LABEL: &str = "labelSelector=open-cluster-management.io%2Fcluster-name%3Dc1";
const ADDONS: &str =
    "/apis/addon.open-cluster-management.io/v1beta1/namespaces/c1/managedclusteraddons";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/c1/leases/managed-cluster-lease";
const MARK: &str = "k8s.io/initial-events-end";

/// The agent's client, once it has its certificate.
async fn agent(socket: &Socket) -> Wire {
    let groups =
        ["system:open-cluster-management:c1", "system:open-cluster-management:managed-clusters"];
    Wire::of(socket, "system:open-cluster-management:c1:agent", &groups).await
}

/// A hub on which the agent has made its cluster, as one that boots.
async fn hub() -> (Socket, Wire) {
    let socket = Socket::open().await;
    let boots = Wire::of(&socket, "boot", &["system:bootstrappers:managedcluster"]).await;
    let path = format!("{CLUSTERS}/c1");
    assert_eq!(boots.get(&path).await.refused(), (404, "NotFound"));
    let cluster = json!({"metadata": {"name": "c1"}, "spec": {
        "managedClusterClientConfigs": [{"url": "https://c1.example:6443"}]}});
    assert_eq!(boots.ask("POST", CLUSTERS, cluster.clone()).await.code, 201);
    assert_eq!(boots.ask("POST", CLUSTERS, cluster).await.refused(), (409, "AlreadyExists"));
    let mut own = boots.watch(&format!("{CLUSTERS}?{OWN}&{STREAMING}")).await;
    own.until("ADDED", |cluster| cluster["metadata"]["name"] == "c1").await;
    own.until("BOOKMARK", |mark| mark["metadata"]["annotations"][MARK] == "true").await;
    let mut requests = boots.watch(&format!("{REQUESTS}?{LABEL}&{STREAMING}")).await;
    requests.until("BOOKMARK", |mark| mark["metadata"]["annotations"][MARK] == "true").await;
    (socket, boots)
}

async fn accept(socket: &Socket, accepts: bool) {
    let patch = json!({"spec": {"hubAcceptsClient": accepts}});
    socket.stage.patch(&format!("{CLUSTERS}/c1"), patch).await.ok();
}

/// Waits until the agent may, or may not, do something.
async fn comes_to(wire: &Wire, path: &str, code: u16) {
    let so = async || (wire.get(path).await.code == code).then_some(());
    eventually(&format!("\"{path}\" is {code}"), so).await.unwrap();
}

/// The watch of its own cluster, past what there is.
async fn own(agent: &Wire) -> (Told, Value) {
    let mut told = agent.watch(&format!("{CLUSTERS}?{OWN}&{STREAMING}")).await;
    let cluster = told.until("ADDED", |cluster| cluster["metadata"]["name"] == "c1").await;
    told.until("BOOKMARK", |mark| mark["metadata"]["annotations"][MARK] == "true").await;
    (told, cluster)
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Told", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

/// The agent's patch of its status, as it was read: conditions are a whole list.
fn joined(cluster: &Value) -> Value {
    let mut conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let of_agent = ["ManagedClusterJoined", "ManagedClusterConditionAvailable"];
    conditions.retain(|condition| of_agent.iter().all(|kind| condition["type"] != **kind));
    conditions.extend(of_agent.map(|kind| condition(kind, "True")));
    json!({
        "metadata": {
            "uid": cluster["metadata"]["uid"],
            "resourceVersion": cluster["metadata"]["resourceVersion"],
        },
        "status": {
            "conditions": conditions,
            "version": {"kubernetes": "v1.36.3"},
            "capacity": {"cpu": "4", "memory": "8Gi"}, "allocatable": {"cpu": "4"},
            "clusterClaims": [{"name": "id.k8s.io", "value": "c1"}],
        },
    })
}

/// Patches its status from what it reads, as often as that has moved meanwhile.
async fn reports(agent: &Wire) -> Value {
    let path = format!("{CLUSTERS}/c1");
    let patched = async || {
        let cluster = agent.get(&path).await.ok();
        let answered = agent.ask("PATCH", &format!("{path}/status"), joined(&cluster)).await;
        if answered.code == 409 {
            assert_eq!(answered.refused(), (409, "Conflict"));
            return None;
        }
        Some(answered.ok())
    };
    eventually("the status is patched", patched).await.unwrap()
}

fn has(cluster: &Value, kind: &str, status: &str) -> bool {
    let conditions = cluster["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw098_an_accepted_agent_follows_its_own_and_nothing_else() {
    let (socket, _) = hub().await;
    let agent = agent(&socket).await;
    // Before it has its role it is told so, and comes again.
    let path = format!("{CLUSTERS}?{OWN}");
    assert_eq!(agent.get(&path).await.refused(), (403, "Forbidden"));
    accept(&socket, true).await;
    comes_to(&agent, &path, 200).await;
    comes_to(&agent, ADDONS, 200).await;
    let (mut told, cluster) = own(&agent).await;
    assert_eq!(cluster["spec"]["hubAcceptsClient"], true);
    let mut addons = agent.watch(&format!("{ADDONS}?{STREAMING}")).await;
    addons.until("BOOKMARK", |mark| mark["metadata"]["annotations"][MARK] == "true").await;
    let mut requests = agent.watch(&format!("{REQUESTS}?{LABEL}&{STREAMING}")).await;
    requests.until("BOOKMARK", |mark| mark["metadata"]["annotations"][MARK] == "true").await;
    // Only its own: neither all clusters, nor another.
    assert_eq!(agent.get(CLUSTERS).await.refused(), (403, "Forbidden"));
    let other = format!("{CLUSTERS}?fieldSelector=metadata.name%3Dc2");
    assert_eq!(agent.get(&other).await.refused(), (403, "Forbidden"));
    let accepts = json!({"spec": {"hubAcceptsClient": true}});
    let refused = agent.ask("PATCH", &format!("{CLUSTERS}/c1"), accepts).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    // What is done to it is told.
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    socket.stage.patch(&format!("{CLUSTERS}/c1"), label).await.ok();
    told.until("MODIFIED", |cluster| cluster["metadata"]["labels"]["a"] == "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw051_the_agent_of_a_cluster_patches_its_status_by_what_it_read() {
    let (socket, _) = hub().await;
    let agent = agent(&socket).await;
    accept(&socket, true).await;
    comes_to(&agent, ADDONS, 200).await;
    let (mut told, cluster) = own(&agent).await;
    let patched = reports(&agent).await;
    assert!(has(&patched, "ManagedClusterJoined", "True"), "{patched}");
    assert_eq!(patched["status"]["capacity"]["cpu"], "4");
    told.until("MODIFIED", |cluster| has(cluster, "ManagedClusterConditionAvailable", "True"))
        .await;
    // A status of a state that is gone is a conflict, of another incarnation too.
    let mut stale = joined(&cluster);
    let status = format!("{CLUSTERS}/c1/status");
    assert_eq!(agent.ask("PATCH", &status, stale.clone()).await.refused(), (409, "Conflict"));
    stale["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    assert_eq!(agent.ask("PATCH", &status, stale).await.refused(), (409, "Conflict"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw098_the_lease_of_an_accepted_cluster_moves_with_its_agent() {
    let (socket, _) = hub().await;
    let agent = agent(&socket).await;
    accept(&socket, true).await;
    comes_to(&agent, LEASE, 200).await;
    let mut beats = vec![];
    for second in ["01", "02", "03"] {
        let mut lease = agent.get(LEASE).await.ok();
        lease["spec"]["renewTime"] = json!(format!("2026-11-28T00:00:{second}.000000Z"));
        let put = agent.ask("PUT", LEASE, lease).await.ok();
        assert_eq!(put["spec"]["renewTime"], format!("2026-11-28T00:00:{second}.000000Z"));
        beats.push(version(&put).to_owned());
    }
    beats.dedup();
    assert_eq!(beats.len(), 3);
    // A beat by what was read before another is lost, and does no harm.
    let mut late = agent.get(LEASE).await.ok();
    late["metadata"]["resourceVersion"] = json!(beats[0]);
    assert_eq!(agent.ask("PUT", LEASE, late).await.refused(), (409, "Conflict"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw099_a_denied_agent_follows_its_own_cluster_and_may_no_more() {
    let (socket, _) = hub().await;
    let agent = agent(&socket).await;
    accept(&socket, true).await;
    comes_to(&agent, ADDONS, 200).await;
    let (mut told, cluster) = own(&agent).await;
    accept(&socket, false).await;
    told.until("MODIFIED", |cluster| cluster["spec"]["hubAcceptsClient"] == false).await;
    comes_to(&agent, ADDONS, 403).await;
    comes_to(&agent, REQUESTS, 403).await;
    assert_eq!(agent.get(&format!("{CLUSTERS}/c1")).await.code, 200);
    assert_eq!(agent.get(LEASE).await.refused(), (403, "Forbidden"));
    let status = format!("{CLUSTERS}/c1/status");
    let refused = agent.ask("PATCH", &status, joined(&cluster)).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    let request = json!({"metadata": {"generateName": "c1-"}, "spec": {
        "request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"]}});
    assert_eq!(agent.ask("POST", REQUESTS, request).await.refused(), (403, "Forbidden"));
    // The watch that it has goes on, and tells when it is accepted again.
    accept(&socket, true).await;
    told.until("MODIFIED", |cluster| cluster["spec"]["hubAcceptsClient"] == true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw101_an_agent_goes_on_over_a_restart_of_the_gateway() {
    let (mut socket, _) = hub().await;
    let agent = agent(&socket).await;
    accept(&socket, true).await;
    comes_to(&agent, ADDONS, 200).await;
    let (mut told, _) = own(&agent).await;
    let label = |value: &str| json!({"metadata": {"labels": {"restart": value}}});
    let path = format!("{CLUSTERS}/c1");
    socket.stage.patch(&path, label("before")).await.ok();
    told.until("MODIFIED", |cluster| cluster["metadata"]["labels"]["restart"] == "before").await;
    let seen = reports(&agent).await;
    socket.restart().await;
    // What it has ends; the same certificate and the same watch go on: no list, nothing twice.
    while told.event().await.is_some() {}
    let from = format!("watch=true&allowWatchBookmarks=true&resourceVersion={}", version(&seen));
    let mut told = agent.watch(&format!("{CLUSTERS}?{OWN}&{from}")).await;
    socket.stage.patch(&path, label("after")).await.ok();
    let mut last: u64 = version(&seen).parse().unwrap();
    loop {
        let (what, cluster) = told.event().await.unwrap();
        let now = version(&cluster).parse().unwrap();
        assert!(what == "MODIFIED" && now > last, "{what} {cluster}");
        last = now;
        if cluster["metadata"]["labels"]["restart"] == "after" {
            break;
        }
    }
    let kept = agent.get(&path).await.ok();
    assert_eq!(kept["metadata"]["uid"], seen["metadata"]["uid"]);
    for field in ["capacity", "allocatable", "version", "clusterClaims"] {
        assert_eq!(kept["status"][field], seen["status"][field]);
    }
    assert!(has(&kept, "ManagedClusterJoined", "True"), "{kept}");
    reports(&agent).await;
    comes_to(&agent, ADDONS, 200).await;
}
