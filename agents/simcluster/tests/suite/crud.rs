//! Creating, reading, replacing, patching, listing; refusals by reason and code.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::{all, cluster, objects, refusal, typed};

fn settings(name: &str, value: &str) -> ConfigMap {
    typed(json!({"metadata": {"name": name, "labels": {"app": value}}, "data": {"key": value}}))
}

#[tokio::test(start_paused = true)]
async fn an_object_is_made_read_replaced_and_deleted() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    let made = maps.create(&PostParams::default(), &settings("a", "1")).await.expect("made");
    assert_eq!(made.namespace().as_deref(), Some("default"));
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());
    let stale = made.clone();
    let mut next = made.clone();
    next.data.get_or_insert_default().insert("key".into(), "2".into());
    let replaced = maps.replace("a", &PostParams::default(), &next).await.expect("replaced");
    assert_eq!(replaced.uid(), made.uid());
    assert_ne!(replaced.resource_version(), made.resource_version());
    let refused = refusal(maps.replace("a", &PostParams::default(), &stale).await);
    assert!(refused.is_conflict(), "{refused:?}");
    maps.delete("a", &Default::default()).await.expect("deleted");
    assert!(maps.get_opt("a").await.expect("asked").is_none());
}

#[tokio::test(start_paused = true)]
async fn refusals_carry_reason_and_code() {
    let cluster = cluster();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let missing = refusal(maps.get("none").await);
    assert_eq!((missing.reason.as_str(), missing.code), ("NotFound", 404));
    assert_eq!(missing.message, "configmaps \"none\" not found");
    maps.create(&PostParams::default(), &settings("a", "1")).await.expect("made");
    let twice = refusal(maps.create(&PostParams::default(), &settings("a", "1")).await);
    assert_eq!((twice.reason.as_str(), twice.code), ("AlreadyExists", 409));
    let named = refusal(maps.create(&PostParams::default(), &settings("Not_A_Name", "1")).await);
    assert_eq!((named.reason.as_str(), named.code), ("Invalid", 422));
    assert!(named.message.contains("metadata.name"), "{}", named.message);
    let elsewhere: Api<ConfigMap> = Api::namespaced(cluster.client(), "nowhere");
    let lost = refusal(elsewhere.create(&PostParams::default(), &settings("a", "1")).await);
    assert_eq!((lost.reason.as_str(), lost.code), ("NotFound", 404));
    assert_eq!(lost.message, "namespaces \"nowhere\" not found");
    let unknown = refusal(objects(&cluster, "no.group/v1", "Thing", "things").get("x").await);
    assert_eq!((unknown.reason.as_str(), unknown.code), ("NotFound", 404));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_is_no_change() {
    let cluster = cluster();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let made = maps.create(&PostParams::default(), &settings("a", "1")).await.expect("made");
    let before = cluster.resource_version();
    let again = maps.replace("a", &PostParams::default(), &made).await.expect("replaced");
    assert_eq!(again.resource_version(), made.resource_version());
    assert_eq!(cluster.resource_version(), before);
}

#[tokio::test(start_paused = true)]
async fn the_three_plain_patches_patch() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    maps.create(&PostParams::default(), &settings("a", "1")).await.expect("made");
    let params = PatchParams::default();
    let merge = json!({"data": {"key": null, "more": "2"}});
    let merged = maps.patch("a", &params, &Patch::Merge(merge)).await.expect("merged");
    assert_eq!(merged.data, Some([("more".to_owned(), "2".to_owned())].into()));
    let operations: json_patch::Patch =
        typed(json!([{"op": "replace", "path": "/data/more", "value": "3"}]));
    let patched = maps.patch("a", &params, &Patch::<()>::Json(operations)).await.expect("patched");
    assert_eq!(patched.data, Some([("more".to_owned(), "3".to_owned())].into()));
    let strategic = json!({"metadata": {"labels": {"tier": "web"}}});
    let last = maps.patch("a", &params, &Patch::Strategic(strategic)).await.expect("patched");
    assert_eq!(last.labels().len(), 2);
    let wrong: json_patch::Patch =
        typed(json!([{"op": "test", "path": "/data/more", "value": "9"}]));
    let refused = refusal(maps.patch("a", &params, &Patch::<()>::Json(wrong)).await);
    assert_eq!((refused.reason.as_str(), refused.code), ("Invalid", 422));
}

#[tokio::test(start_paused = true)]
async fn selectors_choose_and_pages_continue() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    for name in ["a", "b", "c", "d", "e"] {
        let label = if name < "d" { "web" } else { "db" };
        maps.create(&PostParams::default(), &settings(name, label)).await.expect("made");
    }
    let names = |list: kube::core::ObjectList<ConfigMap>| -> Vec<String> {
        list.items.iter().map(|map| map.name_any()).collect()
    };
    let web = maps.list(&ListParams::default().labels("app in (web),app!=db")).await;
    assert_eq!(names(web.expect("listed")), ["a", "b", "c"]);
    let one = maps.list(&ListParams::default().fields("metadata.name=d")).await;
    assert_eq!(names(one.expect("listed")), ["d"]);
    let mut params = ListParams::default().limit(2);
    let mut seen = Vec::new();
    loop {
        let page = maps.list(&params).await.expect("listed");
        let token = page.metadata.continue_.clone();
        seen.push(names(page));
        match token.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let refused = refusal(maps.list(&ListParams::default().fields("data.key=web")).await);
    assert_eq!(refused.reason, "BadRequest");
}

#[tokio::test(start_paused = true)]
async fn a_status_is_written_by_its_own_door_only() {
    let cluster = cluster();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let pod = json!({
        "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Failed"},
    });
    let made = pods.create(&PostParams::default(), &typed(pod)).await.expect("made");
    assert_eq!(made.status.and_then(|status| status.phase), None);
    let patch = json!({"status": {"phase": "Succeeded"}, "spec": {"nodeName": "ignored"}});
    let params = PatchParams::default();
    let patched = pods.patch_status("p", &params, &Patch::Merge(&patch)).await.expect("patched");
    assert_eq!(patched.status.and_then(|status| status.phase).as_deref(), Some("Succeeded"));
    assert_eq!(patched.spec.and_then(|spec| spec.node_name), None);
    let plain = pods.patch("p", &params, &Patch::Merge(json!({"status": {"phase": "X"}}))).await;
    let phase = plain.expect("patched").status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn generation_moves_with_the_specification_only() {
    let cluster = cluster();
    let budgets = objects(&cluster, "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1}});
    let made = budgets.create(&PostParams::default(), &typed(budget)).await.expect("made");
    assert_eq!(made.meta().generation, Some(1));
    let params = PatchParams::default();
    let label = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    assert_eq!(budgets.patch("b", &params, &label).await.expect("ok").meta().generation, Some(1));
    let status = Patch::Merge(json!({"status": {"currentHealthy": 1}}));
    let kept = budgets.patch_status("b", &params, &status).await.expect("ok");
    assert_eq!(kept.meta().generation, Some(1));
    let spec = Patch::Merge(json!({"spec": {"minAvailable": 2}}));
    assert_eq!(budgets.patch("b", &params, &spec).await.expect("ok").meta().generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_has_its_namespaces_accounts_and_nodes() {
    let cluster = cluster();
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let found = namespaces.list(&ListParams::default()).await.expect("listed");
    let names: Vec<String> = found.items.iter().map(|ns| ns.name_any()).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let accounts: Api<ServiceAccount> = Api::all(cluster.client());
    assert_eq!(accounts.list(&ListParams::default()).await.expect("listed").items.len(), 4);
    let nodes = all(&cluster, "v1", "Node", "nodes").list(&ListParams::default()).await;
    let nodes = nodes.expect("listed");
    let allocatable = nodes.items[0].data.pointer("/status/allocatable/cpu");
    assert_eq!((nodes.items.len(), allocatable), (1, Some(&json!("4"))));
}

#[tokio::test(start_paused = true)]
async fn a_typed_object_has_what_the_server_fills_in() {
    let cluster = cluster();
    let secrets: Api<Secret> = Api::default_namespaced(cluster.client());
    let secret = typed(json!({"metadata": {"name": "s", "labels": {}, "annotations": null}}));
    let made = secrets.create(&PostParams::default(), &secret).await.expect("made");
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
    assert_eq!(made.metadata.labels, None);
    let services = objects(&cluster, "v1", "Service", "services");
    let service = json!({"metadata": {"name": "w"}, "spec": {"ports": [{"port": 80}]}});
    let made = services.create(&PostParams::default(), &typed(service)).await.expect("made");
    let at = |pointer: &str| made.data.pointer(pointer).cloned().unwrap_or_default();
    assert!(at("/spec/clusterIP").as_str().is_some_and(|ip| ip.starts_with("10.96.")));
    assert_eq!(at("/spec/ports/0"), json!({"port": 80, "targetPort": 80, "protocol": "TCP"}));
    let moved = json!({"spec": {"clusterIP": "10.96.0.1"}});
    let outcome = services.patch("w", &PatchParams::default(), &Patch::Merge(moved)).await;
    assert_eq!(refusal(outcome).reason, "Invalid");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_checks_and_stores_nothing() {
    let cluster = cluster();
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(refusal(maps.create(&dry, &settings("Bad_Name", "1")).await).is_invalid());
    let made = maps.create(&dry, &settings("a", "1")).await.expect("it would be made");
    assert!(made.uid().is_some());
    assert!(cluster.object("configmaps", "default", "a").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_name_is_generated_from_its_beginning() {
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster().client());
    let map: ConfigMap = typed(json!({"metadata": {"generateName": "run-"}}));
    let one = maps.create(&PostParams::default(), &map).await.expect("made").name_any();
    let two = maps.create(&PostParams::default(), &map).await.expect("made").name_any();
    assert!(one.starts_with("run-") && one.len() == 9 && one != two, "{one} {two}");
}
