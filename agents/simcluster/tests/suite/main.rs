//! The simulated cluster as a `kube::Client` sees it, on tokio's paused clock. No test here looks
//! behind the API, except for what no API shows.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod apply;
mod boutique;
mod crud;
mod custom;
mod deletion;
mod discovery;
mod limits;
mod properties;
mod watching;
mod workloads;

use std::time::Duration;

use fleetlog_simcluster::{Options, SimCluster};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::core::Status;
use serde_json::Value;

/// A cluster with the defaults.
fn cluster() -> SimCluster {
    SimCluster::new(Options::new("east", 7))
}

/// How to reach objects of a kind without its type.
fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// Objects of a kind in the namespace `default`.
fn objects(
    cluster: &SimCluster,
    api_version: &str,
    kind: &str,
    plural: &str,
) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client(), "default", &resource(api_version, kind, plural))
}

/// Cluster-scoped objects of a kind, or those of all namespaces.
fn all(cluster: &SimCluster, api_version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    Api::all_with(cluster.client(), &resource(api_version, kind, plural))
}

/// A JSON literal as a typed or untyped object.
fn typed<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("the literal is an object of this type")
}

/// What the server refused a call with.
fn refusal<T: std::fmt::Debug>(outcome: Result<T, kube::Error>) -> Status {
    match outcome {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Lets simulated time pass, task by task, until `holds` or for at most a minute of it.
async fn until(cluster: &SimCluster, what: &str, holds: impl Fn(&SimCluster) -> bool) {
    for _ in 0..6_000 {
        if holds(cluster) {
            return;
        }
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
