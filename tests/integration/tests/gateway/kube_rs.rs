//! kube-rs as a client: typed and dynamic, watching, with a reflector and the finalizer helper.

use crate::socket::Socket;
use crate::stage::CLUSTERS;
use fleetlog_chassis::Clock;
use fleetlog_gateway::kubeconfig;
use fleetlog_test_support::eventually;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, ObjectMeta, Patch,
    PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::reflector::store;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use std::sync::Arc;

/// A client of an administrator.
async fn client(socket: &Socket) -> Client {
    let url = format!("https://localhost:{}", socket.address.port());
    let admin = ("root", ["system:masters"].as_slice());
    let text = kubeconfig(&socket.own, &url, admin, Clock::System.now()).unwrap();
    let config = Kubeconfig::from_yaml(&text).unwrap();
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

fn clusters(client: &Client) -> (Api<DynamicObject>, ApiResource) {
    let kind = GroupVersionKind::gvk("cluster.open-cluster-management.io", "v1", "ManagedCluster");
    let resource = ApiResource::from_gvk(&kind);
    (Api::all_with(client.clone(), &resource), resource)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw026_a_list_and_a_watch_after_it_miss_nothing_under_writes() {
    let socket = Socket::open().await;
    let (api, resource) = clusters(&client(&socket).await);
    let (reader, writer) = {
        let writer = store::Writer::new(resource);
        (writer.as_reader(), writer)
    };
    let config = watcher::Config::default().page_size(7);
    let watching = reflector(writer, watcher(api, config)).default_backoff().touched_objects();
    let mut seen = Box::pin(watching);
    let writes = async {
        for round in 0..3 {
            let all = (0..40).map(|number| {
                let (stage, name) = (&socket.stage, format!("c{number}"));
                async move {
                    let made = json!({"metadata": {"name": name}});
                    match round {
                        0 => drop(stage.post(CLUSTERS, made).await.ok()),
                        _ => {
                            let labels =
                                json!({"metadata": {"labels": {"round": format!("r{round}")}}});
                            stage.patch(&format!("{CLUSTERS}/{name}"), labels).await.ok();
                        }
                    }
                }
            });
            join_all(all).await;
        }
        socket.stage.delete(&format!("{CLUSTERS}/c0"), Value::Null).await.ok();
    };
    let whole = async || {
        let all = reader.state();
        let last = all.iter().filter(|c| c.labels().get("round").is_some_and(|r| r == "r2"));
        (all.len() == 39 && last.count() == 39).then_some(())
    };
    let follow = async { while seen.try_next().await.unwrap().is_some() {} };
    tokio::select! {
        () = follow => panic!("the watch ended"),
        () = async {
            writes.await;
            eventually("the reflector holds what there is", whole).await.unwrap();
        } => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_objects_are_made_changed_and_removed() {
    let socket = Socket::open().await;
    let client = client(&socket).await;
    let metadata = |name: &str| ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    let (post, patch) = (PostParams::default(), PatchParams::default());
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space = Namespace { metadata: metadata("team"), ..Namespace::default() };
    spaces.create(&post, &space).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "team");
    let map = ConfigMap { metadata: metadata("m"), ..ConfigMap::default() };
    let made = maps.create(&post, &map).await.unwrap();
    let twice = maps.create(&post, &map).await.unwrap_err();
    assert!(matches!(twice, kube::Error::Api(status) if status.reason == "AlreadyExists"));
    let change = Patch::Merge(json!({"data": {"a": "1"}}));
    maps.patch("m", &patch, &change).await.unwrap();
    let stale = maps.replace("m", &post, &made).await.unwrap_err();
    assert!(matches!(stale, kube::Error::Api(status) if status.reason == "Conflict"));
    let change = Patch::Strategic(json!({"data": {"b": "2"}}));
    let both = maps.patch("m", &patch, &change).await.unwrap();
    assert_eq!(both.data.unwrap().len(), 2);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "team");
    let string_data = Some([("a".to_owned(), "b".to_owned())].into());
    let secret = Secret { metadata: metadata("s"), string_data, ..Secret::default() };
    let secret = secrets.create(&post, &secret).await.unwrap();
    assert_eq!(secret.data.unwrap()["a"].0, b"b");
    let roles: Api<Role> = Api::namespaced(client.clone(), "team");
    roles.create(&post, &Role { metadata: metadata("r"), ..Role::default() }).await.unwrap();
    assert_eq!(roles.list(&ListParams::default()).await.unwrap().items.len(), 1);
    spaces.delete("team", &DeleteParams::default()).await.unwrap();
    let gone = async || maps.get_opt("m").await.unwrap().is_none().then_some(());
    eventually("the namespace takes its objects along", gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_finalizer_helper_applies_and_cleans_up() {
    let socket = Socket::open().await;
    let client = client(&socket).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "t");
    let metadata = ObjectMeta { name: Some("m".into()), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    let step = async || -> Option<&'static str> {
        let map = Arc::new(maps.get_opt("m").await.unwrap()?);
        let done = std::sync::Mutex::new("");
        let act = |event| {
            *done.lock().unwrap() = match event {
                Event::Apply(_) => "apply",
                Event::Cleanup(_) => "cleanup",
            };
            async {
                Ok::<_, std::convert::Infallible>(kube::runtime::controller::Action::await_change())
            }
        };
        finalizer(&maps, "example.com/clean", map, act).await.unwrap();
        Some(done.into_inner().unwrap())
    };
    // The first step adds the finalizer, and waits to see it.
    assert_eq!(step().await, Some(""));
    assert_eq!(step().await, Some("apply"));
    maps.delete("m", &DeleteParams::default()).await.unwrap();
    assert_eq!(step().await, Some("cleanup"));
    assert_eq!(step().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_list_is_marked_at_its_end() {
    let socket = Socket::open().await;
    let (api, _) = clusters(&client(&socket).await);
    socket.stage.cluster("c1").await;
    let mut events = Box::pin(watcher(api, watcher::Config::default().streaming_lists()));
    let mut told = vec![];
    while told.last() != Some(&"done") {
        told.push(match events.next().await.unwrap().unwrap() {
            watcher::Event::Init => "init",
            watcher::Event::InitApply(_) => "there",
            watcher::Event::InitDone => "done",
            watcher::Event::Apply(_) | watcher::Event::Delete(_) => "change",
        });
    }
    assert_eq!(told, ["init", "there", "done"]);
}
