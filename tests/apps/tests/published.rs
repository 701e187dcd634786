//! Each application as its project publishes it: applied, changed, pruned, deleted, orphaned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use fleetlog_apps_tests::{Stage, ingress_nginx, kube_prometheus, online_boutique};
use fleetlog_test_support::KubeMember;
use serde_json::{Value, json};

async fn stage(test: &str) -> Option<Stage> {
    let member = KubeMember::shared(&format!("{test} on a real kube-apiserver"))?;
    Some(Stage::start(&member).await.unwrap())
}

fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["kind"] == kind && object["metadata"]["name"] == name
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boutique_is_there_by_plain_reads_and_stays_when_it_is_orphaned() {
    let Some(stage) = stage("the boutique").await else { return };
    let objects = online_boutique().unwrap();
    stage.apply("boutique", &objects, &json!({})).await.unwrap();
    stage.applied("boutique").await.unwrap();
    assert_eq!((objects.len(), stage.there(&objects).await.unwrap()), (35, 35));
    let orphan = json!({ "deleteOption": { "propagationPolicy": "Orphan" } });
    stage.apply("boutique", &objects, &orphan).await.unwrap();
    stage.applied("boutique").await.unwrap();
    stage.delete("boutique").await.unwrap();
    stage.gone("boutique").await.unwrap();
    assert_eq!(stage.there(&objects).await.unwrap(), 35);
    let path = "/apis/apps/v1/namespaces/default/deployments/frontend";
    let left = stage.read(path).await.unwrap();
    assert_eq!(left["metadata"].get("ownerReferences"), None, "nobody owns it any more");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingress_nginx_comes_in_order_with_its_jobs_and_its_webhook_and_goes_without_a_trace() {
    let Some(stage) = stage("ingress-nginx").await else { return };
    let objects = ingress_nginx().unwrap();
    // In the worst order there is: the server has the last word on what must be there before.
    let backwards: Vec<Value> = objects.iter().rev().cloned().collect();
    stage.apply("ingress", &backwards, &json!({})).await.unwrap();
    stage.applied("ingress").await.unwrap();
    assert_eq!(stage.there(&objects).await.unwrap(), objects.len());
    let jobs = stage.read("/apis/batch/v1/namespaces/ingress-nginx/jobs").await.unwrap();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    // Somebody puts its own certificate into the webhook, as the job would.
    let hook = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/\
                ingress-nginx-admission";
    assert!(stage.read(hook).await.is_some());
    stage.delete("ingress").await.unwrap();
    stage.gone("ingress").await.unwrap();
    assert_eq!(stage.there(&objects).await.unwrap(), 0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_stuck_says_at_the_hub_what_it_waits_for() {
    let Some(stage) = stage("a stuck deletion").await else { return };
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "stuck", "namespace": "default",
            "finalizers": ["example.com/hold"] },
    });
    stage.apply("stuck", &[object], &json!({})).await.unwrap();
    stage.applied("stuck").await.unwrap();
    stage.delete("stuck").await.unwrap();
    let says_it = |work: Option<&Value>| {
        let conditions = work.and_then(|work| work.pointer("/status/conditions")?.as_array());
        conditions.into_iter().flatten().any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Deleting"
                && message.contains("\"configmaps default/stuck\" waits for its finalizers")
        })
    };
    stage.until("stuck", says_it).await.unwrap();
    let path = "/api/v1/namespaces/default/configmaps/stuck";
    let free = json!({ "metadata": { "finalizers": null } });
    stage.send(http::Method::PATCH, path, &free).await.unwrap();
    stage.gone("stuck").await.unwrap();
    assert!(stage.read(path).await.is_none());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kube_prometheus_is_one_work_that_is_applied_changed_pruned_and_deleted() {
    let Some(stage) = stage("kube-prometheus").await else { return };
    let mut objects = kube_prometheus().unwrap();
    let size = serde_json::to_vec(&objects).unwrap().len();
    assert!(objects.len() > 95 && size > 2_000_000, "{} objects, {size} bytes", objects.len());
    stage.apply("prometheus", &objects, &json!({})).await.unwrap();
    stage.applied("prometheus").await.unwrap();
    assert_eq!(stage.there(&objects).await.unwrap(), objects.len());

    // Changed and pruned at once.
    let is_exporter = |object: &Value| {
        object["metadata"]["name"].as_str().is_some_and(|name| name.contains("blackbox"))
    };
    let dropped: Vec<Value> = objects.iter().filter(|o| is_exporter(o)).cloned().collect();
    assert!(dropped.len() > 5);
    objects.retain(|object| !is_exporter(object));
    let grafana = objects.iter_mut().find(|object| is(object, "Deployment", "grafana")).unwrap();
    grafana["spec"]["replicas"] = json!(3);
    let role = json!({ "group": "rbac.authorization.k8s.io", "resource": "clusterroles",
        "name": "prometheus-operator" });
    let option = json!({ "deleteOption": { "propagationPolicy": "SelectivelyOrphan",
        "selectivelyOrphans": { "orphaningRules": [role] } } });
    stage.apply("prometheus", &objects, &option).await.unwrap();
    stage.applied("prometheus").await.unwrap();
    assert_eq!(stage.there(&objects).await.unwrap(), objects.len());
    assert_eq!(stage.there(&dropped).await.unwrap(), 0, "what was dropped is gone");
    let path = "/apis/apps/v1/namespaces/monitoring/deployments/grafana";
    assert_eq!(stage.read(path).await.unwrap()["spec"]["replicas"], 3);

    // Deleted, but for what stays.
    stage.delete("prometheus").await.unwrap();
    stage.gone("prometheus").await.unwrap();
    let left: Vec<Value> =
        objects.iter().filter(|o| is(o, "ClusterRole", "prometheus-operator")).cloned().collect();
    assert_eq!((stage.there(&left).await.unwrap(), stage.there(&objects).await.unwrap()), (1, 1));
    stage.stop().await;
}
