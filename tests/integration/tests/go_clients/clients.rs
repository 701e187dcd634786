//! Requests of one client: typed, dynamic, and of what there is to be asked for.

use crate::hub::seen;
use crate::program::Streams;
use serde_json::{Value, json};

const BINARY: &str = "application/vnd.kubernetes.protobuf";

/// Takes fields out of what was seen.
fn fields(seen: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), seen[*name].clone())).collect()
}

/// All bodies were sent in Kubernetes' binary form, which is what typed clients choose.
fn all_binary(seen: &Value) {
    let bodies = seen["bodies"].as_object().unwrap();
    assert_eq!(bodies.keys().collect::<Vec<_>>(), [BINARY]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw064_typed_clients_write_the_kinds_of_kubernetes() {
    let Some(seen) = seen("typed", Streams::Begun).await else { return };
    let kinds = json!([
        "Secret",
        "ConfigMap",
        "ServiceAccount",
        "Namespace",
        "CertificateSigningRequest",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Lease",
        "Event of core",
        "Event",
        "CustomResourceDefinition"
    ]);
    assert_eq!(seen["kinds"], kinds);
    all_binary(&seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw065_reviews_of_typed_clients_are_answered() {
    let Some(seen) = seen("reviews", Streams::Begun).await else { return };
    all_binary(&seen);
    let bot = "system:serviceaccount:reviews:bot";
    let asked = ["user", "self", "authenticated", "expires", "tooShort"];
    let wanted = json!({
        "user": bot, "self": bot, "authenticated": [true, false], "expires": true,
        "tooShort": true,
    });
    assert_eq!(fields(&seen, &asked), wanted);
    let asked =
        ["allowedBefore", "allowedAfter", "selfAllowed", "ruleListed", "lists", "forbidden"];
    let wanted = json!({
        "allowedBefore": false, "allowedAfter": true, "selfAllowed": true, "ruleListed": true,
        "lists": true, "forbidden": true,
    });
    assert_eq!(fields(&seen, &asked), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw066_options_of_deletions_of_typed_clients_are_honoured() {
    let Some(seen) = seen("deletions", Streams::Begun).await else { return };
    all_binary(&seen);
    for held in ["otherUid", "otherVersion", "trial", "spared", "right", "gone"] {
        assert_eq!(seen[held], true, "{held}: {seen}");
    }
    // Of three, the two that a selector meant are gone.
    assert_eq!(seen["left"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw055_recorders_tell_a_series_as_one_event() {
    let Some(seen) = seen("events", Streams::Begun).await else { return };
    // Told twice each, by the recorder of today and by the one before; found by what it is about.
    assert_eq!(fields(&seen, &["Tried", "Failed"]), json!({"Tried": 2, "Failed": 2}));
    assert!(seen["strategic"].as_u64().unwrap() >= 2, "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw045_clients_take_refusals_for_what_they_are() {
    let Some(seen) = seen("errors", Streams::Begun).await else { return };
    for refusal in [
        "exists",
        "conflict",
        "notFound",
        "deleteAbsent",
        "noNamespace",
        "invalid",
        "versionless",
        "forbidden",
        "unauthorized",
        "badSelector",
        "terminating",
    ] {
        assert_eq!(seen[refusal], true, "{refusal}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw045_who_tries_again_after_a_conflict_loses_nothing() {
    let Some(seen) = seen("retries", Streams::Begun).await else { return };
    assert_eq!(fields(&seen, &["wanted", "counted"]), json!({"wanted": "40", "counted": "40"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw001_clients_discover_the_same_in_both_forms_and_read_every_schema() {
    let Some(seen) = seen("discovery", Streams::Begun).await else { return };
    // Aggregated, all of it comes with two requests.
    assert_eq!(fields(&seen, &["requests", "differ"]), json!({"requests": 2, "differ": []}));
    let kinds = json!({
        "mcl": "ManagedCluster", "managedclusters": "ManagedCluster", "placement": "Placement",
        "mwrs": "ManifestWorkReplicaSet", "cm": "ConfigMap", "sa": "ServiceAccount",
        "csr": "CertificateSigningRequest",
    });
    assert_eq!(seen["kinds"], kinds);
    let asked = ["placement", "namespaced", "unknown", "version", "unjudged"];
    let wanted = json!({
        "placement": "placements", "namespaced": true, "unknown": true, "version": "1.36",
        "unjudged": null,
    });
    assert_eq!(fields(&seen, &asked), wanted);
    for some in ["resources", "documents", "schemas", "patches"] {
        assert!(seen[some].as_u64().unwrap() > 10, "{some}: {seen}");
    }
}
