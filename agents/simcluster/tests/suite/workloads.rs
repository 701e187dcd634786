//! Workloads become ready by a seeded plan, and only with their service account.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};
use tokio::time::Instant;

use fleetlog_simcluster::{Options, SimCluster};

use super::{cluster, objects, refusal, typed, until};

fn template(account: Option<&str>) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "i:1"}]});
    if let Some(account) = account {
        spec["serviceAccountName"] = account.into();
    }
    json!({"metadata": {"labels": {"a": "b"}}, "spec": spec})
}

fn workload(name: &str, more: Value) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template(None)});
    let members = more.as_object().cloned().unwrap_or_default();
    spec.as_object_mut().expect("it is an object").extend(members);
    json!({"metadata": {"name": name}, "spec": spec})
}

fn condition(object: &Value, kind: &str) -> Option<(String, String)> {
    let list = object.pointer("/status/conditions")?.as_array()?;
    let found = list.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason")))
}

async fn create(api: &Api<DynamicObject>, object: Value) {
    api.create(&PostParams::default(), &typed(object)).await.expect("made");
}

/// How long, in simulated time, until a new Deployment is ready.
async fn readiness(cluster: &SimCluster, name: &str) -> Duration {
    let api: Api<Deployment> = Api::default_namespaced(cluster.client());
    let start = Instant::now();
    let object = typed(workload(name, json!({"replicas": 3})));
    api.create(&PostParams::default(), &object).await.expect("made");
    let ready = conditions::is_deployment_completed();
    await_condition(api, name, ready).await.expect("it is watched");
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_ready_after_a_while_that_the_seed_fixes() {
    let mut taken = Vec::new();
    for seed in [1, 1, 2] {
        let cluster = SimCluster::new(Options::new("east", seed));
        let time = readiness(&cluster, "web").await;
        assert!((200..=802).contains(&time.as_millis()), "{time:?}");
        taken.push(time);
        let object = cluster.object("deployments.apps", "default", "web").expect("it is there");
        let status = &object["status"];
        for count in ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"] {
            assert_eq!(status[count], 3, "{status}");
        }
        assert_eq!(status.get("unavailableReplicas"), None);
        assert_eq!(status["observedGeneration"], 1);
        let available = condition(&object, "Available");
        assert_eq!(available, Some(("True".into(), "MinimumReplicasAvailable".into())));
        let progressing = condition(&object, "Progressing");
        assert_eq!(progressing, Some(("True".into(), "NewReplicaSetAvailable".into())));
    }
    assert_eq!(taken[0], taken[1]);
    assert_ne!(taken[0], taken[2]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_seen_before_it_is_ready_and_again_after_a_change() {
    let cluster = cluster();
    let api = objects(&cluster, "apps/v1", "Deployment", "deployments");
    create(&api, workload("web", json!({}))).await;
    let get = |cluster: &SimCluster| {
        cluster.object("deployments.apps", "default", "web").unwrap_or_default()
    };
    until(&cluster, "it is seen", |c| get(c)["status"]["observedGeneration"] == 1).await;
    assert_eq!(get(&cluster)["status"].get("readyReplicas"), None);
    let available = condition(&get(&cluster), "Available");
    assert_eq!(available, Some(("False".into(), "MinimumReplicasUnavailable".into())));
    until(&cluster, "it is ready", |c| get(c)["status"]["readyReplicas"] == 1).await;
    let wider = Patch::Merge(json!({"spec": {"replicas": 2}}));
    api.patch("web", &PatchParams::default(), &wider).await.expect("patched");
    until(&cluster, "the change is seen", |c| get(c)["status"]["observedGeneration"] == 2).await;
    assert_eq!(get(&cluster)["status"]["readyReplicas"], 1);
    until(&cluster, "it is wider", |c| get(c)["status"]["readyReplicas"] == 2).await;
    let version = cluster.resource_version();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(cluster.resource_version(), version, "a settled cluster writes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_waits_for_its_service_account() {
    let cluster = cluster();
    let api = objects(&cluster, "apps/v1", "Deployment", "deployments");
    create(&api, workload("web", json!({"template": template(Some("shop"))}))).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let held = cluster.object("deployments.apps", "default", "web").expect("it is there");
    assert_eq!(held["status"].get("readyReplicas"), None);
    let failure = condition(&held, "ReplicaFailure");
    assert_eq!(failure, Some(("True".into(), "FailedCreate".into())));
    let accounts: Api<ServiceAccount> = Api::default_namespaced(cluster.client());
    let account = typed(json!({"metadata": {"name": "shop"}}));
    accounts.create(&PostParams::default(), &account).await.expect("made");
    until(&cluster, "it is ready", |cluster| {
        let object = cluster.object("deployments.apps", "default", "web").unwrap_or_default();
        object["status"]["readyReplicas"] == 1 && condition(&object, "ReplicaFailure").is_none()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_completes_and_stays() {
    let cluster = cluster();
    let jobs = objects(&cluster, "batch/v1", "Job", "jobs");
    let job =
        json!({"metadata": {"name": "j"}, "spec": {"completions": 2, "template": template(None)}});
    create(&jobs, job).await;
    let get =
        |cluster: &SimCluster| cluster.object("jobs.batch", "default", "j").unwrap_or_default();
    until(&cluster, "it runs", |c| get(c)["status"]["active"] == 1).await;
    until(&cluster, "it is complete", |c| get(c)["status"]["succeeded"] == 2).await;
    let complete = condition(&get(&cluster), "Complete");
    assert_eq!(complete, Some(("True".into(), "CompletionsReached".into())));
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert_eq!(get(&cluster)["status"]["succeeded"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_other_workloads_become_ready_too() {
    let cluster = SimCluster::new(Options { nodes: 3, ..Options::default() });
    create(
        &objects(&cluster, "apps/v1", "StatefulSet", "statefulsets"),
        workload("s", json!({"replicas": 2, "serviceName": "s"})),
    )
    .await;
    create(&objects(&cluster, "apps/v1", "DaemonSet", "daemonsets"), workload("d", json!({})))
        .await;
    create(&objects(&cluster, "apps/v1", "ReplicaSet", "replicasets"), workload("r", json!({})))
        .await;
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    create(&objects(&cluster, "v1", "Pod", "pods"), pod).await;
    for (resource, name, pointer, expected) in [
        ("statefulsets.apps", "s", "/status/readyReplicas", json!(2)),
        ("daemonsets.apps", "d", "/status/numberReady", json!(3)),
        ("replicasets.apps", "r", "/status/readyReplicas", json!(1)),
        ("pods", "p", "/status/phase", json!("Running")),
    ] {
        until(&cluster, resource, |cluster| {
            let object = cluster.object(resource, "default", name).unwrap_or_default();
            object.pointer(pointer) == Some(&expected)
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_its_account_and_a_workload_without_sense_are_refused() {
    let cluster = cluster();
    let pods = objects(&cluster, "v1", "Pod", "pods");
    let pod = json!({"metadata": {"name": "p"}, "spec": template(Some("none"))["spec"]});
    let refused = refusal(pods.create(&PostParams::default(), &typed(pod)).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Forbidden", 403));
    let sets = objects(&cluster, "apps/v1", "Deployment", "deployments");
    let other = workload("d", json!({"selector": {"matchLabels": {"a": "c"}}}));
    let refused = refusal(sets.create(&PostParams::default(), &typed(other)).await);
    assert!(refused.message.contains("`selector` does not match template `labels`"));
    create(&sets, workload("d", json!({}))).await;
    let moved = Patch::Merge(json!({"spec": {"selector": {"matchLabels": {"a": "c"}}}}));
    let outcome = sets.patch("d", &PatchParams::default(), &moved).await;
    assert!(refusal(outcome).message.contains("field is immutable"));
}
