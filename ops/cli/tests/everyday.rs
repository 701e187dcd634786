//! The command as people use it every day, against a development hub.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use fleetlog_kernel::Service;
use fleetlog_test_support::TestCluster;
use fleetlog_topology::apply::connect;
use fleetlog_topology::{Profile, audit};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::{Dev, fleetlog, fleetlog_in, hello, until};

const PLACEMENT: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: team}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: everywhere, namespace: team}
spec: {}
";

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[test]
fn dev_clusters_are_joined_accepted_labelled_and_in_the_default_set() {
    let dev = Dev::start(2);
    dev.clusters_available();
    let list = dev.run(&["get", "mcl", "-o", "json"]).json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("List"), &json!("v1")));
    assert_eq!(names(&list), ["cluster1", "cluster2"]);
    for (index, region) in [(0, "east"), (1, "west")] {
        let cluster = &list["items"][index];
        assert_eq!(cluster["spec"]["hubAcceptsClient"], json!(true));
        let labels = &cluster["metadata"]["labels"];
        assert_eq!(labels["name"], cluster["metadata"]["name"]);
        assert_eq!(labels["region"], json!(region));
        assert_eq!(labels["cluster.open-cluster-management.io/clusterset"], json!("default"));
    }
    let east = dev.run(&["get", "ManagedClusters", "-l", "region=east", "-o", "name"]).ok();
    assert_eq!(east.trim(), "managedcluster.cluster.open-cluster-management.io/cluster1");
    let one = dev.run(&["get", "mcl/cluster1", "-o", "json"]).json();
    assert_eq!(one["kind"], json!("ManagedCluster"));
    let none = dev.run(&["get", "placements", "-n", "team", "-o", "json"]).json();
    assert_eq!(none["items"], json!([]));
}

#[test]
fn apply_says_created_configured_or_unchanged_and_takes_back_what_get_printed() {
    let dev = Dev::start(1);
    let first = dev.feed(&["apply", "-f", "-"], PLACEMENT).ok();
    assert_eq!(first.matches(" created").count(), 2, "{first}");
    let again = dev.feed(&["apply", "-f", "-"], PLACEMENT).ok();
    assert_eq!(again.matches(" unchanged").count(), 2, "{again}");
    let changed = PLACEMENT.replace("spec: {}", "spec: {numberOfClusters: 1}");
    let changed = dev.feed(&["apply", "-f", "-"], &changed).ok();
    assert!(changed.contains("everywhere configured"), "{changed}");
    for output in ["json", "yaml"] {
        let printed = dev.run(&["get", "placement", "-A", "-o", output]).ok();
        let back = dev.feed(&["apply", "-f", "-"], &printed).ok();
        assert!(back.contains("everywhere unchanged"), "{back}");
    }
}

#[test]
fn a_work_is_applied_reported_explained_and_removed() {
    let dev = Dev::start(1);
    dev.clusters_available();
    dev.feed(&["apply", "-f", "-"], &hello("cluster1")).ok();
    dev.run(&["wait", "manifestwork/hello", "-n", "cluster1", "--for=condition=Available"]).ok();
    let work = dev.run(&["get", "manifestwork", "hello", "-n", "cluster1", "-o", "json"]).json();
    let manifest = &work["spec"]["workload"]["manifests"][0];
    assert_eq!(manifest["data"]["greeting"], json!("hello"));
    let table = dev.run(&["get", "manifestworks", "-A"]).ok();
    assert!(table.starts_with("NAMESPACE"), "{table}");

    let log = dev.run(&["log", "manifestwork/cluster1/hello", "-o", "json"]).ok();
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        for name in
            ["position", "time", "actor", "service", "object", "type", "says", "cause", "command"]
        {
            assert!(line.get(name).is_some(), "{name} is missing in {line}");
        }
        assert_eq!(line["object"], json!("ManifestWork/cluster1/hello"));
    }
    let chain = dev.run(&["explain", "manifestwork/cluster1/hello"]).ok();
    assert!(chain.contains("admin"), "{chain}");
    looked_back(&dev, lines[0]["position"].as_u64().unwrap());

    let deleted = dev.run(&["delete", "manifestwork", "hello", "-n", "cluster1"]).ok();
    assert!(deleted.contains("deleted"), "{deleted}");
    let gone = dev.run(&["get", "manifestwork", "hello", "-n", "cluster1"]);
    assert!(gone.refused().contains("hello"));
}

/// The work was created at position `made`.
fn looked_back(dev: &Dev, made: u64) {
    let (before, made) = ((made - 1).to_string(), made.to_string());
    let then = dev.run(&["log", "--as-of", &made, "-o", "json"]).ok();
    let last: Value = serde_json::from_str(then.lines().last().unwrap()).unwrap();
    assert_eq!(last["position"].to_string(), made);
    let since = ["diff", "manifestwork/cluster1/hello", "--from"];
    let diff = |rest: &[&str]| dev.run(&[&since, rest].concat());
    let told = diff(&[&made, "-o", "json"]);
    assert_eq!((told.code, told.err.as_str()), (1, ""), "it was applied since");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert!(told["patch"].as_array().unwrap().iter().all(|step| step["op"] != "remove"), "{told}");
    assert!(!told["events"].as_array().unwrap().is_empty(), "{told}");
    let made_then = diff(&[&before, "--to", &made]);
    assert_eq!(made_then.code, 1);
    assert!(made_then.out.contains("is not there at position"), "{}", made_then.out);
    assert!(made_then.out.contains("\n+++ ManifestWork/cluster1/hello\t"), "{}", made_then.out);
    assert!(!made_then.out.contains('\u{1b}'), "no colours where nobody looks");
    let same = diff(&[&made, "--to", &made]).ok();
    assert!(same.contains("is the same"), "{same}");
    let late = diff(&["99999999"]);
    assert_eq!(late.code, 2);
    assert!(late.refused().contains("99999999"));
}

#[test]
fn the_live_state_is_what_the_log_says_also_after_the_process_was_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut dev = Dev::start_in(temporary.path(), 1);
    dev.clusters_available();
    dev.feed(&["apply", "-f", "-"], &hello("cluster1")).ok();
    let equal = dev.run(&["replay", "--verify"]).ok();
    assert_eq!(equal.matches(" equal ").count(), 6, "{equal}");
    let before = dev.run(&["get", "mcl", "cluster1", "-o", "json"]).json();
    dev.kill();
    let dev = Dev::start_in(temporary.path(), 1);
    dev.clusters_available();
    let after = dev.run(&["get", "mcl", "cluster1", "-o", "json"]).json();
    assert_eq!(before, after, "a hub that was down moves nothing");
    dev.run(&["wait", "manifestwork/hello", "-n", "cluster1", "--for=condition=Available"]).ok();
    dev.run(&["replay", "--verify"]).ok();
}

#[test]
fn a_silenced_cluster_becomes_unknown_and_returns() {
    let dev = Dev::start(1);
    dev.clusters_available();
    dev.run(&["sim", "silence", "cluster1"]).ok();
    let unknown = "--for=condition=ManagedClusterConditionAvailable=Unknown";
    dev.run(&["wait", "mcl/cluster1", unknown, "--timeout", "60s"]).ok();
    let cluster = dev.run(&["get", "mcl/cluster1", "-o", "json"]).json();
    let taints = cluster["spec"]["taints"].to_string();
    assert!(taints.contains("cluster.open-cluster-management.io/unreachable"), "{taints}");
    dev.run(&["sim", "resume", "cluster1"]).ok();
    dev.clusters_available();
}

#[test]
fn a_changed_lease_counts_from_the_change_for_who_is_silent_and_who_beats() {
    let dev = Dev::start(2);
    dev.clusters_available();
    let lease = |cluster: &str, seconds: u32| {
        let mut object = dev.run(&["get", "mcl", cluster, "-o", "json"]).json();
        object["spec"]["leaseDurationSeconds"] = json!(seconds);
        dev.feed(&["apply", "-f", "-"], &object.to_string()).ok();
    };
    for cluster in ["cluster1", "cluster2"] {
        lease(cluster, 3_600);
    }
    dev.run(&["sim", "silence", "cluster1"]).ok();
    for cluster in ["cluster1", "cluster2"] {
        lease(cluster, 1);
    }
    let unknown = "--for=condition=ManagedClusterConditionAvailable=Unknown";
    dev.run(&["wait", "mcl/cluster1", unknown, "--timeout", "60s"]).ok();
    let other = dev.run(&["log", "managedcluster/cluster2"]).ok();
    assert!(!other.contains("silent"), "it learned at once that it should beat: {other}");
}

#[test]
fn labels_are_set_and_taken_away_and_acceptance_is_a_person_s() {
    let dev = Dev::start(1);
    dev.run(&["label", "mcl", "cluster1", "tier=gold"]).ok();
    let gold = dev.run(&["get", "mcl", "-l", "tier=gold", "-o", "json"]).json();
    assert_eq!(names(&gold), ["cluster1"]);
    let other = dev.run(&["label", "mcl", "cluster1", "tier=lead"]);
    assert!(other.refused().contains("--overwrite"));
    dev.run(&["label", "mcl", "cluster1", "tier-"]).ok();
    let none = dev.run(&["get", "mcl", "-l", "tier", "-o", "json"]).json();
    assert_eq!(none["items"], json!([]));
    dev.run(&["deny", "cluster1"]).ok();
    let denied = dev.run(&["get", "mcl/cluster1", "-o", "json"]).json();
    assert_ne!(denied["spec"]["hubAcceptsClient"], json!(true));
    dev.run(&["accept", "cluster1"]).ok();
}

/// Changes a setting of a stream behind the hub's back, as its operator could.
fn altered(dev: &Dev, stream: &str, setting: &str, value: Value) {
    let url = fleetlog_topology::folder::find(dev.dir()).unwrap().nats_url.unwrap();
    let creds = dev.dir().join("creds/operator.creds");
    let creds = fleetlog_topology::folder::read_credentials(&creds).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = fleetlog_topology::apply::connect(&url, &creds).await.unwrap();
        let ask = async |verb: &str, body: String| {
            let subject = format!("$JS.API.STREAM.{verb}.{stream}");
            let answer = client.request(subject, body.into()).await.unwrap();
            serde_json::from_slice::<Value>(&answer.payload).unwrap()
        };
        let mut config = ask("INFO", String::new()).await["config"].take();
        config[setting] = value;
        let updated = ask("UPDATE", config.to_string()).await;
        assert_eq!(updated.get("error"), None, "{updated}");
    });
}

#[test]
fn a_topology_is_planned_applied_and_verified_and_no_data_is_lost_unasked() {
    let dev = Dev::start(1);
    let topology = |words: &[&str]| dev.run(&[&["topology"], words].concat());
    assert_eq!(topology(&["plan"]).ok(), "no changes\n");
    assert_eq!(topology(&["apply"]).ok(), "no changes\n");
    topology(&["verify"]).ok();

    altered(&dev, "CMD", "max_age", json!(900 * 86_400_000_000_000_u64));
    let plan = topology(&["plan"]).ok();
    assert!(plan.contains("change   stream/CMD   max_age   900d   30d"), "{plan}");
    let plan = topology(&["plan", "-o", "json"]).json();
    assert_eq!(
        (&plan["profile"], &plan["changes"][0]["name"]),
        (&json!("dev"), &json!("stream/CMD"))
    );
    let drift = topology(&["verify"]);
    assert_eq!(drift.code, 1);
    assert!(drift.refused().contains("stream \"CMD\" is not as it should be"));
    let refused = topology(&["apply"]).refused();
    assert!(refused.contains("HUB0013") && refused.contains("--yes-lose-data CMD"), "{refused}");
    let done = topology(&["apply", "--yes-lose-data", "CMD"]).ok();
    assert_eq!(done, "stream/CMD changed\n");
    topology(&["verify"]).ok();

    let url = fleetlog_topology::folder::find(dev.dir()).unwrap().nats_url.unwrap();
    let creds = dev.dir().join("creds/operator.creds");
    let elsewhere = ["topology", "plan", "--url", &url, "--creds", creds.to_str().unwrap()];
    assert_eq!(fleetlog(&elsewhere).code, 2, "the profile is not known there");
    let plan = fleetlog(&[&elsewhere[..], &["--profile", "dev"]].concat()).ok();
    assert_eq!(plan, "no changes\n");
}

/// Where the mirror of followers stands.
async fn mirrored(three: &TestCluster) -> Option<u64> {
    let auditor = connect(three.url(), &three.identity().auditor().unwrap()).await.ok()?;
    Some(audit::look(&auditor).await.ok()??.position)
}

/// Appends to the log as a service; answers the position.
async fn appended(three: &TestCluster) -> Option<u64> {
    let work = three.identity().service(Service::Work).unwrap();
    let work = connect(three.url(), &work).await.ok()?;
    let answer = work.request("fl.ev.work.x.y", "".into()).await.ok()?;
    serde_json::from_slice::<Value>(&answer.payload).ok()?["seq"].as_u64()
}

/// On how many servers each stream of HUB lies and is complete, besides its leader's.
async fn replicas(three: &TestCluster) -> BTreeMap<String, usize> {
    let operator = connect(three.url(), &three.identity().operator().unwrap()).await.unwrap();
    let answer = operator.request("$JS.API.STREAM.LIST", "".into()).await.unwrap();
    let list: Value = serde_json::from_slice(&answer.payload).unwrap();
    let current = |stream: &Value| {
        let replicas = stream["cluster"]["replicas"].as_array().cloned().unwrap_or_default();
        replicas.iter().filter(|replica| replica["current"] == json!(true)).count()
    };
    let streams = list["streams"].as_array().unwrap().iter();
    let name = |stream: &Value| stream["config"]["name"].as_str().unwrap().to_owned();
    streams.map(|stream| (name(stream), current(stream))).collect()
}

#[test]
fn three_servers_become_highly_available_and_the_loss_of_one_is_survived() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut three = runtime.block_on(TestCluster::bare(Profile::Ha)).unwrap();
    let dir = three.dir().to_owned();
    let topology = |words: &[&str]| fleetlog_in(&dir, &[&["topology"], words].concat(), "");
    let made = topology(&["apply", "--profile", "dev"]).ok();
    assert!(made.contains("stream/EVENTS made"), "{made}");
    assert!(made.contains("server changes when the hub starts again"), "dev syncs late: {made}");
    fleetlog_in(&dir, &["hub", "follower", "create", "audit"], "").ok();
    assert_eq!(runtime.block_on(appended(&three)), Some(1));

    let plan = topology(&["plan", "--profile", "ha"]).ok();
    for stream in ["EVENTS", "AUDIT", "LEASE", "OBJ_SNAP"] {
        let row = plan.lines().find(|line| line.contains(&format!("stream/{stream} "))).unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words[2..], ["num_replicas", "1", "3"], "{plan}");
    }
    topology(&["apply", "--profile", "ha"]).ok();
    assert_eq!(topology(&["plan"]).ok(), "no changes\n");
    assert_eq!(topology(&["apply"]).ok(), "no changes\n");
    let verified = topology(&["verify"]).ok();
    assert_eq!(verified, "everything is as profile ha has it\n");
    let copies = runtime.block_on(replicas(&three));
    assert_eq!(copies.len(), 13);
    assert!(copies.values().all(|others| *others == 2), "it was done when it said so: {copies:?}");
    for said in three.said().unwrap() {
        assert_eq!(said["config"]["sync_always"], json!(true), "{said}");
    }

    three.lose_one();
    until("a topology without one", || (topology(&["verify"]).code == 0).then_some(()));
    let last = until("an append", || runtime.block_on(appended(&three)));
    assert!(last >= 2, "nothing was lost: {last}");
    until("followers", || (runtime.block_on(mirrored(&three))? == last).then_some(()));
    assert_eq!(topology(&["apply"]).ok(), "no changes\n");
}
