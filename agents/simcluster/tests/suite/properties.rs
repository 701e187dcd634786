//! Whatever is sent, the cluster answers: no path, body, selector or header makes it panic.

use http::{Method, Request};
use kube::client::Body;
use proptest::prelude::*;
use serde_json::{Value, json};

use fleetlog_simcluster::SimCluster;

use super::cluster;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(json!("a")),
        Just(json!("v1")),
    ];
    let key = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "name",
        "namespace",
        "labels",
        "ownerReferences",
        "uid",
        "finalizers",
        "template",
        "selector",
        "containers",
        "versions",
        "names",
        "kind",
        "apiVersion",
        "ports",
        "replicas",
        "resourceVersion",
        "managedFields",
        "conditions",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6).prop_map(|map| {
                map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

/// A body that is nearly an object of its kind, so that it gets past the first checks.
fn any_object() -> impl Strategy<Value = Value> {
    (any_json(), any_json(), any_json(), any_json()).prop_map(|(meta, spec, status, rest)| {
        let mut object = json!({"spec": spec, "status": status, "data": rest});
        let mut meta = if meta.is_object() { meta } else { json!({}) };
        meta["name"] = json!("a");
        meta["labels"] = if meta["labels"].is_object() { json!({"a": "b"}) } else { Value::Null };
        object["metadata"] = meta;
        object
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/api/v1/namespaces/default/configmaps",
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces/default/pods/a/status",
        "/api/v1/namespaces/default/services",
        "/api/v1/namespaces/default/services/a",
        "/api/v1/namespaces",
        "/api/v1/namespaces/a",
        "/api/v1/namespaces/a/finalize",
        "/apis/apps/v1/namespaces/default/deployments",
        "/apis/apps/v1/namespaces/default/deployments/a",
        "/apis/apps/v1/namespaces/default/deployments/a/status",
        "/apis/apps/v1/namespaces/default/daemonsets",
        "/apis/batch/v1/namespaces/default/jobs",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/a",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "(/[a-z0-9%.]{0,6}){0,7}"]
}

fn any_query() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("fieldManager=m".to_owned()),
        Just("force=true".to_owned()),
        Just("watch=1&timeoutSeconds=0".to_owned()),
        Just("dryRun=All".to_owned()),
        "(labelSelector|fieldSelector|continue|limit|resourceVersion)=[a-z0-9!=(),%]{0,10}",
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.join("&"))
}

const CONTENT: [&str; 5] = [
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

async fn send(cluster: &SimCluster, method: &str, uri: &str, content: &str, body: Vec<u8>) -> u16 {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("it is a method"))
        .uri(uri)
        .header("content-type", content)
        .body(Body::from(body));
    let Ok(request) = request else { return 400 };
    cluster.client().send(request).await.expect("there is always an answer").status().as_u16()
}

type Step = (&'static str, String, String, &'static str, Value);

fn any_step() -> impl Strategy<Value = Step> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
    let content = prop::sample::select(CONTENT.to_vec());
    let body = prop_oneof![3 => any_object(), 1 => any_json()];
    (method, any_path(), any_query(), content, body)
}

fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_history_of_requests_is_answered(steps in prop::collection::vec(any_step(), 1..25)) {
        in_paused_time(async {
            let cluster = cluster();
            for (method, path, query, content, mut body) in steps {
                if let (Some(map), true) = (body.as_object_mut(), content.contains("apply")) {
                    map.insert("apiVersion".into(), "apps/v1".into());
                    map.insert("kind".into(), "Deployment".into());
                }
                let uri = format!("http://localhost{path}?{query}");
                let body = body.to_string().into_bytes();
                let code = send(&cluster, method, &uri, content, body).await;
                assert!((200..500).contains(&code), "{method} {uri}: {code}");
                tokio::time::advance(std::time::Duration::from_millis(300)).await;
            }
            let version = cluster.objects().len();
            assert!(version >= 4, "the namespaces of a cluster cannot be deleted away");
        });
    }

    #[test]
    fn any_bytes_as_a_body_are_answered(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        content in prop::sample::select(CONTENT.to_vec()),
    ) {
        in_paused_time(async {
            let cluster = cluster();
            for (method, path) in [("POST", ""), ("PATCH", "/a"), ("PUT", "/a"), ("DELETE", "/a")] {
                let uri = format!(
                    "http://localhost/api/v1/namespaces/default/configmaps{path}?fieldManager=m"
                );
                let code = send(&cluster, method, &uri, content, bytes.clone()).await;
                assert!((200..500).contains(&code), "{method}: {code}");
            }
        });
    }
}
