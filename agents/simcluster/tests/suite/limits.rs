//! What a cluster refuses for its size, how it fails on order, and what it costs.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use fleetlog_simcluster::{Fault, Options, Pool, Requests, SimCluster};

use super::{cluster, refusal, typed};

#[tokio::test(start_paused = true)]
async fn ordered_faults_come_once_each_and_end() {
    let cluster = cluster();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let map: ConfigMap = typed(json!({"metadata": {"name": "a"}}));
    cluster.faults().fail_next(Requests::Writes, 1, Fault::Internal);
    cluster.faults().fail_next_on("configmaps", Requests::Reads, 1, Fault::Forbidden);
    let broken = refusal(maps.create(&PostParams::default(), &map).await);
    assert_eq!((broken.reason.as_str(), broken.code), ("InternalError", 500));
    let denied = refusal(maps.list(&ListParams::default()).await);
    assert_eq!((denied.reason.as_str(), denied.code), ("Forbidden", 403));
    assert_eq!(cluster.faults().left(), 0);
    maps.create(&PostParams::default(), &map).await.expect("no fault is left");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_is_refused() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    let long = "x".repeat(4 * 1024 * 1024);
    let map: ConfigMap = typed(json!({"metadata": {"name": "a"}, "data": {"key": long}}));
    let refused = refusal(maps.create(&PostParams::default(), &map).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("RequestEntityTooLarge", 413));
}

/// Resident memory of this process in KiB, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_idle_clusters_fit_in_one_process() {
    let pool = Pool::new();
    let before = resident();
    let mut fleet = Vec::new();
    for seed in 0..1_000 {
        let options = Options { pool: pool.clone(), ..Options::new(format!("c{seed}"), seed) };
        let cluster = SimCluster::new(options);
        let client = cluster.client();
        client.apiserver_version().await.expect("it answers");
        fleet.push((cluster, client));
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = after.saturating_sub(before) / fleet.len();
        println!("{each} KiB for each idle cluster and its client");
        assert!(each < 300, "{each} KiB each");
    }
    assert_eq!(fleet.len(), 1_000);
}
