//! Leases and events, which are kept beside the log.

use crate::stage::{CLUSTERS, Stage, Watching, read, request, version};
use fleetlog_bus::Publish;
use fleetlog_gateway::Caller;
use fleetlog_messages::subject;
use fleetlog_test_support::eventually;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/t/leases";
const EVENTS: &str = "/api/v1/namespaces/t/events";
const REGARDING: &str = "/apis/events.k8s.io/v1/namespaces/t/events";
/// How many changes a view holds, and some.
const MANY: usize = 8_192 + 10;

fn event(name: &str, about: &str) -> Value {
    let about = json!({"kind": "Placement", "namespace": "t", "name": about, "uid": "u"});
    json!({
        "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tests", "reportingInstance": "i", "action": "Choose",
        "reason": "Chosen", "note": "n", "type": "Normal", "regarding": about,
    })
}

#[tokio::test]
async fn gw017_events_are_selected_by_what_they_are_about_in_either_groups_words() {
    let stage = Stage::new().await;
    stage.post(REGARDING, event("e1", "p")).await.ok();
    stage.post(REGARDING, event("e2", "q")).await.ok();
    let names = async |path: &str| {
        let list = stage.get(path).await.ok();
        let names = list["items"].as_array().unwrap().iter();
        names.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let about = "involvedObject.name=p,involvedObject.namespace=t,involvedObject.uid=u";
    assert_eq!(names(&format!("{EVENTS}?fieldSelector={about}")).await, ["e1"]);
    assert_eq!(names(&format!("{REGARDING}?fieldSelector=regarding.name%3Dq")).await, ["e2"]);
    let without = "/api/v1/events?fieldSelector=involvedObject.namespace%3D";
    assert!(names(without).await.is_empty());
    let old = stage.get(&format!("{EVENTS}/e1")).await.ok();
    assert_eq!((&old["message"], &old["apiVersion"]), (&json!("n"), &json!("v1")));
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let table = stage.get_as(&format!("{EVENTS}/e1"), table).await.ok();
    let cells = &table["rows"][0]["cells"];
    assert_eq!((&cells[1], &cells[3]), (&json!("Normal"), &json!("placement/p")));
    assert_eq!(cells[9], "e1", "the name comes last, for wide tables");
    assert_eq!(stage.count("EVENTS").await, {
        stage.post(REGARDING, event("e3", "p")).await.ok();
        stage.count("EVENTS").await
    });
}

#[tokio::test]
async fn gw055_the_series_of_an_event_is_patched() {
    let stage = Stage::new().await;
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:06:00.000000Z"}});
    let path = format!("{REGARDING}/e");
    let gone = read(stage.send("PATCH", &path, &strategic, series.clone()).await).await;
    assert_eq!(gone.refused(), (404, "NotFound"), "the recorder makes it anew");
    stage.post(REGARDING, event("e", "p")).await.ok();
    let patched = read(stage.send("PATCH", &path, &strategic, series.clone()).await).await.ok();
    assert_eq!(patched["series"], series["series"]);
    assert_eq!(patched["note"], "n");
    assert_eq!(stage.get(&format!("{EVENTS}/e")).await.ok()["series"]["count"], 2);
}

#[tokio::test]
async fn an_event_lies_where_its_object_does_and_unset_times_are_nothing() {
    let stage = Stage::new().await;
    let elsewhere = stage.post("/api/v1/namespaces/kube-system/events", {
        json!({"metadata": {"name": "e"}, "involvedObject": {"namespace": "t", "name": "p"}})
    });
    assert_eq!(elsewhere.await.refused(), (422, "Invalid"));
    let given = json!({
        "metadata": {"name": "e", "creationTimestamp": null}, "source": {"component": "c"},
        "involvedObject": {"namespace": "t", "name": "p"}, "eventTime": null,
        "firstTimestamp": "2026-01-01T00:00:00Z", "reportingComponent": "",
    });
    let path = format!("{EVENTS}?fieldValidation=Strict");
    let told = stage.post(&path, given).await.ok();
    assert_eq!(told["source"]["component"], "c");
}

#[tokio::test]
async fn a_lease_is_taken_by_one_and_renewed_at_its_version() {
    let stage = Stage::new().await;
    let holder = |who: &str| json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": who}});
    let path = format!("{LEASES}/l");
    let made = stage.put(&path, holder("a")).await;
    assert_eq!(made.code, 201, "an absent one is made");
    let made = made.ok();
    assert_eq!(stage.post(LEASES, holder("b")).await.refused(), (409, "AlreadyExists"));
    assert_eq!(stage.put(&path, holder("b")).await.refused(), (422, "Invalid"), "no version");
    let mut renewed = made.clone();
    renewed["spec"]["renewTime"] = json!("2026-01-01T00:00:00.000001Z");
    let renewed = stage.put(&path, renewed).await.ok();
    assert!(version(&renewed).parse::<u64>().unwrap() > version(&made).parse::<u64>().unwrap());
    assert_eq!(stage.put(&path, made).await.refused(), (409, "Conflict"), "who came too late");
    let same = stage.put(&path, renewed.clone()).await.ok();
    assert_eq!(same, renewed, "what changes nothing is not written");
    stage.delete(&path, Value::Null).await.ok();
    assert_eq!(stage.get(&path).await.refused(), (404, "NotFound"));
    let again = stage.post(LEASES, holder("c")).await.ok();
    assert_ne!(again["metadata"]["uid"], renewed["metadata"]["uid"]);
}

#[tokio::test]
async fn one_of_many_that_take_a_lease_at_once_has_it() {
    let stage = Stage::new().await;
    let other = stage.another().await;
    let takes = (0..20).map(|number| {
        let lease =
            json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": format!("{number}")}});
        let gateway = if number % 2 == 0 { &stage.gateway } else { &other };
        async move {
            let asked = request("POST", LEASES, &[("content-type", "application/json")], lease);
            read(gateway.answer(&Caller::known("a", &["system:masters"]), &asked).await).await.code
        }
    });
    let mut codes: Vec<u16> = stream::iter(takes).buffer_unordered(20).collect().await;
    codes.sort_unstable();
    assert_eq!(codes[0], 201);
    assert!(codes[1..].iter().all(|code| *code == 409), "{codes:?}");
}

#[tokio::test]
async fn leases_are_watched_and_go_with_their_namespace() {
    let stage = Stage::new().await;
    let other = stage.another().await;
    let who = Caller::known("a", &["system:masters"]);
    let watch = request("GET", &format!("{LEASES}?watch=1&resourceVersion=0"), &[], Value::Null);
    let mut watching = Watching::of(other.answer(&who, &watch).await);
    stage.post(LEASES, json!({"metadata": {"name": "l"}})).await.ok();
    let (what, name, _) = watching.event().await;
    assert_eq!((what.as_str(), name.as_str()), ("ADDED", "l"));
    stage.delete("/api/v1/namespaces/t", Value::Null).await.ok();
    let (what, name, _) = watching.event().await;
    assert_eq!((what.as_str(), name.as_str()), ("DELETED", "l"));
    assert_eq!(stage.post(LEASES, json!({"metadata": {"name": "l"}})).await.code, 404);
}

#[tokio::test]
async fn the_lease_of_an_accepted_cluster_is_there_and_renewing_it_is_a_beat() {
    let stage = Stage::new().await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/c1/leases/managed-cluster-lease";
    stage.post(CLUSTERS, json!({"metadata": {"name": "c1"}})).await.ok();
    assert_eq!(stage.get(path).await.code, 404, "it is not accepted");
    let accept = json!({"spec": {"hubAcceptsClient": true}});
    stage.patch(&format!("{CLUSTERS}/c1"), accept).await.ok();
    let mut lease = stage.get(path).await.ok();
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 60);
    lease["spec"]["renewTime"] = json!("2026-01-01T00:00:00.000000Z");
    stage.put(path, lease).await.ok();
    let available = || async {
        let cluster = stage.get(&format!("{CLUSTERS}/c1")).await.ok();
        let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is =
            |c: &Value| c["type"] == "ManagedClusterConditionAvailable" && c["status"] == "True";
        conditions.iter().any(is).then_some(())
    };
    eventually("the cluster is available", available).await.unwrap();
}

/// More leases than changes are held, by whoever may write there.
async fn many_leases(stage: &Stage) {
    let writes = (0..MANY).map(|number| {
        let name = format!("m{number}");
        let lease = json!({"metadata": {"name": name, "namespace": "t"}});
        let subject = subject::kubernetes_lease("t", &name).as_str().to_owned();
        let payload = lease.to_string().into();
        stage.broker.publish(Publish { subject, payload, ..Publish::default() })
    });
    let stored: Vec<_> = stream::iter(writes).buffer_unordered(64).collect().await;
    assert!(stored.iter().all(Result::is_ok));
}

#[tokio::test]
async fn gw010_a_page_of_a_moment_that_is_gone_tells_where_to_go_on() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.post(LEASES, json!({"metadata": {"name": name}})).await.ok();
    }
    let page = stage.get(&format!("{LEASES}?limit=1")).await.ok();
    let token = |body: &Value| body["metadata"]["continue"].as_str().unwrap().to_owned();
    many_leases(&stage).await;
    stage.get(&format!("{LEASES}/a")).await.ok();
    let expired = stage.get(&format!("{LEASES}?limit=1&continue={}", token(&page))).await;
    assert_eq!(expired.refused(), (410, "Expired"));
    let rest = format!("{LEASES}?continue={}", token(&expired.body));
    let rest = stage.get(&rest).await.ok();
    assert_eq!(rest["items"][0]["metadata"]["name"], "b");
}

#[tokio::test]
async fn gw028_a_watch_from_before_what_is_held_is_told_that_it_expired() {
    let stage = Stage::new().await;
    let list = stage.get(LEASES).await.ok();
    many_leases(&stage).await;
    stage.get(LEASES).await.ok();
    let path = format!("{LEASES}?watch=1&resourceVersion={}", version(&list));
    let mut watching = Watching::of(stage.send("GET", &path, &[], Value::Null).await);
    let told = watching.next().await.unwrap();
    assert_eq!((&told["type"], &told["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(told["object"]["reason"], "Expired");
    assert!(watching.next().await.is_none());
}
