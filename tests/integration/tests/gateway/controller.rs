//! A controller on kube-rs, as people write them: it reconciles objects of the hub, holds them by
//! a finalizer, and writes their status.

use crate::socket::Socket;
use crate::wire::Wire;
use fleetlog_test_support::eventually;
use futures::StreamExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{
    Api, ApiResource, DeleteParams, GroupVersionKind, ListParams, Object, Patch, PatchParams,
    PostParams,
};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOLDS: &str = "example.com/inventory";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    hub_accepts_client: bool,
    lease_duration_seconds: Option<i32>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

type Cluster = Object<Spec, Status>;

fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("cluster.open-cluster-management.io", "v1", "ManagedCluster");
    ApiResource::from_gvk(&kind)
}

fn clusters(client: &Client) -> Api<Cluster> {
    Api::all_with(client.clone(), &resource())
}

fn cluster(name: &str) -> Cluster {
    Object::new(name, &resource(), Spec::default())
}

/// What the controller has done.
#[derive(Default)]
struct Inventory {
    seen: Mutex<BTreeSet<String>>,
    cleaned: Mutex<BTreeSet<String>>,
}

/// Anything of the hub that has conditions.
type Thing = Object<Value, Status>;

struct Context {
    api: Api<Thing>,
    inventory: Arc<Inventory>,
}

async fn reconcile(
    thing: Arc<Thing>,
    context: Arc<Context>,
) -> Result<Action, kube::runtime::finalizer::Error<kube::Error>> {
    let Context { api, inventory } = &*context;
    finalizer(api, HOLDS, thing, async |event| match event {
        Event::Apply(thing) => {
            tell(api, &thing).await?;
            inventory.seen.lock().unwrap().insert(thing.name_any());
            Ok(Action::await_change())
        }
        Event::Cleanup(thing) => {
            inventory.cleaned.lock().unwrap().insert(thing.name_any());
            Ok(Action::await_change())
        }
    })
    .await
}

/// Writes a condition of its own beside those of others.
async fn tell(api: &Api<Thing>, thing: &Thing) -> Result<(), kube::Error> {
    let mut conditions = thing.status.clone().unwrap_or_default().conditions;
    if conditions.iter().any(|condition| condition.type_ == "Counted") {
        return Ok(());
    }
    let counted = json!({
        "type": "Counted", "status": "True", "reason": "Seen", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    conditions.push(serde_json::from_value(counted).unwrap());
    let patch = json!({
        "metadata": { "resourceVersion": thing.resource_version() },
        "status": { "conditions": conditions },
    });
    let params = PatchParams::default();
    api.patch_status(&thing.name_any(), &params, &Patch::Merge(patch)).await.map(drop)
}

/// Runs the controller over three objects of a kind, of which one is deleted.
async fn held_counted_and_cleaned_up(api: Api<Thing>, resource: ApiResource, spec: Value) {
    let inventory = Arc::new(Inventory::default());
    let context = Arc::new(Context { api: api.clone(), inventory: inventory.clone() });
    let config = watcher::Config::default().streaming_lists();
    let controller = Controller::new_with(api.clone(), config, resource.clone());
    let again = |_, _: &_, _: Arc<Context>| Action::requeue(Duration::from_millis(50));
    let running = controller.run(reconcile, again, context).for_each(|_| async {});
    let story = async {
        for name in ["c1", "c2", "c3"] {
            let thing = Object::new(name, &resource, spec.clone());
            api.create(&PostParams::default(), &thing).await.unwrap();
        }
        let counted = async || {
            let all = api.list(&ListParams::default()).await.unwrap().items;
            let is = |thing: &&Thing| {
                let conditions = thing.status.clone().unwrap_or_default().conditions;
                conditions.iter().any(|condition| condition.type_ == "Counted")
                    && thing.finalizers().contains(&HOLDS.to_owned())
            };
            (all.iter().filter(is).count() == 3).then_some(())
        };
        eventually("each is held and counted", counted).await.unwrap();
        api.delete("c2", &DeleteParams::default()).await.unwrap();
        let gone = async || api.get_opt("c2").await.unwrap().is_none().then_some(());
        eventually("it is cleaned up and gone", gone).await.unwrap();
    };
    tokio::select! {
        () = running => panic!("the controller ended"),
        () = story => {}
    }
    let names = |all: &Mutex<BTreeSet<String>>| all.lock().unwrap().clone();
    assert_eq!(names(&inventory.seen).len(), 3);
    assert_eq!(names(&inventory.cleaned), BTreeSet::from(["c2".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw106_a_controller_holds_addons_writes_their_status_and_cleans_up() {
    let socket = Socket::open().await;
    socket.stage.cluster("c1").await;
    for name in ["c1", "c2", "c3"] {
        let addons = "/apis/addon.open-cluster-management.io/v1alpha1/clustermanagementaddons";
        socket.stage.post(addons, json!({"metadata": {"name": name}, "spec": {}})).await.ok();
    }
    let client = Wire::admin(&socket).await.client;
    let kind = GroupVersionKind::gvk(
        "addon.open-cluster-management.io",
        "v1alpha1",
        "ManagedClusterAddOn",
    );
    let resource = ApiResource::from_gvk(&kind);
    let api = Api::namespaced_with(client, "c1", &resource);
    held_counted_and_cleaned_up(api, resource, json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw106_a_controller_holds_clusters_writes_their_status_and_cleans_up() {
    let socket = Socket::open().await;
    let client = Wire::admin(&socket).await.client;
    let (api, accepted) = (Api::all_with(client, &resource()), json!({"hubAcceptsClient": true}));
    held_counted_and_cleaned_up(api, resource(), accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw106_clusters_are_typed_objects() {
    let socket = Socket::open().await;
    let api = clusters(&Wire::admin(&socket).await.client);
    let (post, patch) = (PostParams::default(), PatchParams::default());
    let made = api.create(&post, &cluster("c1")).await.unwrap();
    assert_eq!(made.spec.lease_duration_seconds, Some(60));
    let twice = api.create(&post, &cluster("c1")).await.unwrap_err();
    assert!(matches!(twice, kube::Error::Api(status) if status.reason == "AlreadyExists"));
    let accept = Patch::Merge(json!({"spec": {"hubAcceptsClient": true}}));
    assert!(api.patch("c1", &patch, &accept).await.unwrap().spec.hub_accepts_client);
    let stale = api.replace("c1", &post, &made).await.unwrap_err();
    assert!(matches!(stale, kube::Error::Api(status) if status.reason == "Conflict"));
    let mut newest = api.get("c1").await.unwrap();
    newest.labels_mut().insert("a".into(), "b".into());
    let replaced = api.replace("c1", &post, &newest).await.unwrap();
    assert_eq!(replaced.labels()["a"], "b");
    let found = api.list(&ListParams::default().labels("a=b")).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let metadata = api.get_metadata("c1").await.unwrap();
    assert_eq!(metadata.uid(), made.uid());
    let strategic = Patch::Strategic(json!({"metadata": {"labels": {"a": "c"}}}));
    let refused = api.patch("c1", &patch, &strategic).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 415));
}
