//! Somebody who plays the namespace controller of a Kubernetes API that has none: what a namespace
//! on its way out holds is deleted, and when nothing is left the namespace goes. Nothing else is
//! acted out here.

use crate::kube_member::client;
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use http::{Method, Request};
use kube::Client;
use kube::core::WatchEvent;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// When a namespace that holds something still is looked at again.
const AGAIN: Duration = Duration::from_millis(100);

/// Plays until the server is gone.
pub(crate) fn play(kubeconfig: PathBuf) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        // It ends with the server: then there is nothing to answer for.
        let _ = runtime.block_on(async { finish_namespaces(&client(&kubeconfig)?).await });
    });
}

async fn finish_namespaces(client: &Client) -> Result<()> {
    let mut leaving = BTreeSet::new();
    loop {
        let watch = "/api/v1/namespaces?watch=true&resourceVersion=0";
        let request = Request::get(watch).body(vec![])?;
        let mut events = client.request_events::<Value>(request).await?.boxed();
        loop {
            match tokio::time::timeout(AGAIN, events.next()).await {
                Ok(None) => break,
                Ok(Some(event)) => leaving.extend(event.ok().as_ref().and_then(on_its_way_out)),
                Err(_) => {}
            }
            let mut left = BTreeSet::new();
            for name in std::mem::take(&mut leaving) {
                if !finish(client, &name).await.unwrap_or(false) {
                    left.insert(name);
                }
            }
            leaving = left;
        }
    }
}

fn on_its_way_out(event: &WatchEvent<Value>) -> Option<String> {
    let (WatchEvent::Added(object) | WatchEvent::Modified(object)) = event else { return None };
    object.pointer("/metadata/deletionTimestamp")?;
    object.pointer("/metadata/name")?.as_str().map(str::to_owned)
}

/// Empties a namespace; once it is empty it is let go.
async fn finish(client: &Client, name: &str) -> Result<bool> {
    let path = format!("/api/v1/namespaces/{name}");
    let Ok(mut namespace) = send(client, Method::GET, &path, &Value::Null).await else {
        return Ok(true);
    };
    let mut held = vec![];
    for (root, plural) in resources(client).await? {
        let all = format!("{root}/namespaces/{name}/{plural}");
        // What cannot be deleted shows in what is left.
        let _ = send(client, Method::DELETE, &all, &Value::Null).await;
        let left = send(client, Method::GET, &all, &Value::Null).await.unwrap_or_default();
        let items = left["items"].as_array().into_iter().flatten();
        held.extend(items.flat_map(finalizers).map(|f| format!("{f} in 1 resource instances")));
    }
    if held.is_empty() {
        namespace["spec"]["finalizers"] = json!([]);
        send(client, Method::PUT, &format!("{path}/finalize"), &namespace).await?;
        return Ok(true);
    }
    let message =
        format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
    let condition = json!({
        "type": "NamespaceFinalizersRemaining", "status": "True",
        "reason": "SomeFinalizersRemain", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    namespace["status"]["conditions"] = json!([condition]);
    send(client, Method::PUT, &format!("{path}/status"), &namespace).await?;
    Ok(false)
}

fn finalizers(object: &Value) -> Vec<String> {
    let all = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|f| f.as_str().map(str::to_owned)).collect()
}

/// Everything in namespaces that can be deleted as a collection: root and plural name.
async fn resources(client: &Client) -> Result<Vec<(String, String)>> {
    let groups = send(client, Method::GET, "/apis", &Value::Null).await?;
    let groups = groups["groups"].as_array().cloned().unwrap_or_default();
    let version = |group: &Value| {
        let version = group.pointer("/preferredVersion/groupVersion")?.as_str()?;
        Some(format!("/apis/{version}"))
    };
    let mut all = vec![];
    for root in std::iter::once("/api/v1".to_owned()).chain(groups.iter().filter_map(version)) {
        // A group whose server is away has nothing of ours.
        let Ok(list) = send(client, Method::GET, &root, &Value::Null).await else { continue };
        for resource in list["resources"].as_array().into_iter().flatten() {
            let verbs = resource["verbs"].as_array();
            let deletes = verbs.is_some_and(|verbs| verbs.contains(&json!("deletecollection")));
            if let (true, true, Some(plural)) =
                (deletes, resource["namespaced"] == true, resource["name"].as_str())
            {
                all.push((root.clone(), plural.to_owned()));
            }
        }
    }
    Ok(all)
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Result<Value> {
    let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json").body(bytes)?;
    client.request::<Value>(request).await.context("ask the API")
}
