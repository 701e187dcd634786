//! Merge patches and strategic merge patches, generated: the object after each is the same.

use crate::both::Both;
use crate::generated::{Dice, compared, make};
use serde_json::{Map, Value, json};

const SEED: u64 = 11;
/// How many patches each object gets of each kind.
const EACH: usize = 30;
const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const HOLDS: [&str; 4] = ["example.com/a", "example.com/b", "example.com/c", "example.com/d"];
const MAPS: &str = "/api/v1/namespaces/patches/configmaps";
const ACCOUNTS: &str = "/api/v1/namespaces/patches/serviceaccounts";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/patches/roles";
const CONFIGS: &str =
    "/apis/addon.open-cluster-management.io/v1alpha1/namespaces/patches/addondeploymentconfigs";

/// A map of texts; a null takes one out.
fn texts(dice: &Dice, directs: bool) -> Value {
    // With what replaces the whole, a null has no meaning, and nothing can be retained.
    let whole = directs && dice.chance(15);
    let mut map = Map::new();
    for key in dice.some(&KEYS) {
        let null = !whole && dice.chance(30);
        let value = if null { Value::Null } else { json!(dice.one(&["1", "2", ""])) };
        map.insert(key.to_owned(), value);
    }
    if whole {
        map.insert("$patch".to_owned(), json!(dice.one(&["replace", "delete"])));
    } else if directs && dice.chance(15) {
        let kept: Vec<&String> = map.keys().filter(|key| !key.starts_with('$')).collect();
        let kept = json!(kept);
        map.insert("$retainKeys".to_owned(), kept);
    }
    Value::Object(map)
}

fn metadata(dice: &Dice, directs: bool) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| drop(map.insert(name.to_owned(), value));
    if dice.chance(50) {
        put("labels", if dice.chance(10) { Value::Null } else { texts(dice, directs) });
    }
    if dice.chance(30) {
        put("annotations", texts(dice, directs));
    }
    // Both at once come to one thing or another there, as chance will have it.
    if directs && dice.chance(20) {
        put("$deleteFromPrimitiveList/finalizers", json!(dice.some(&HOLDS)));
    } else if dice.chance(50) {
        put("finalizers", json!(dice.some(&HOLDS)));
    }
    if dice.chance(20) {
        put("ownerReferences", owners(dice, directs));
    }
    Value::Object(map)
}

fn owners(dice: &Dice, directs: bool) -> Value {
    let of = |uid: &str| {
        let mut owner = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": dice.one(&KEYS), "uid": uid,
        });
        if directs && dice.chance(25) {
            owner["$patch"] = json!("delete");
        }
        owner
    };
    dice.some(&["u1", "u2", "u3"]).into_iter().map(of).collect()
}

/// References by name.
fn named(dice: &Dice, directs: bool) -> Value {
    let of = |name: &str| {
        let mut item = json!({ "name": name });
        if directs && dice.chance(25) {
            item["$patch"] = json!("delete");
        } else if dice.chance(40) {
            item["namespace"] = json!(dice.one(&["x", "y"]));
        }
        item
    };
    let mut items: Vec<Value> = dice.some(&KEYS).into_iter().map(of).collect();
    if directs && dice.chance(10) {
        items.push(json!({ "$patch": "replace" }));
    }
    Value::Array(items)
}

fn rule(dice: &Dice) -> Value {
    json!({ "verbs": ["get"], "apiGroups": [""], "resources": [dice.one(&["pods", "nodes"])] })
}

fn patch(dice: &Dice, path: &str, directs: bool) -> Value {
    let mut map = Map::new();
    if dice.chance(60) {
        map.insert("metadata".to_owned(), metadata(dice, directs));
    }
    let mut put = |name: &str, value: Value| drop(map.insert(name.to_owned(), value));
    match path {
        MAPS => put("data", texts(dice, directs)),
        ACCOUNTS => put("secrets", named(dice, directs)),
        // No rules at all are written as none or as an empty list, both are right.
        ROLES if dice.chance(50) => put("rules", json!([rule(dice), rule(dice)])),
        ROLES => put("rules", json!([rule(dice)])),
        _ => {
            let variables = dice.some(&KEYS).into_iter();
            let variables = variables.map(|name| json!({ "name": name, "value": "1" }));
            let mirror = json!({ "source": "s", "mirror": dice.one(&["m", "n"]) });
            put(
                "spec",
                json!({
                    "customizedVariables": variables.collect::<Vec<_>>(),
                    "agentInstallNamespace": if dice.chance(30) { Value::Null } else { json!("n") },
                    "registries": if dice.chance(30) { Value::Null } else { json!([mirror]) },
                }),
            );
        }
    }
    Value::Object(map)
}

fn base(path: &str) -> Value {
    let mut object = json!({ "metadata": {
        "name": "base", "labels": { "a": "0", "b": "0" }, "annotations": { "c": "0" },
        "finalizers": &HOLDS[..2],
        "ownerReferences": [
            { "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u1" },
            { "apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": "u2" },
        ],
    } });
    match path {
        MAPS => object["data"] = json!({ "a": "0", "b": "0", "c": "0" }),
        ACCOUNTS => object["secrets"] = json!([{ "name": "a" }, { "name": "b" }]),
        ROLES => object["rules"] = json!([rule(&Dice::new(1))]),
        _ => {
            object["apiVersion"] = json!("addon.open-cluster-management.io/v1alpha1");
            object["kind"] = json!("AddOnDeploymentConfig");
            object["spec"] = json!({ "agentInstallNamespace": "here" });
        }
    }
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_patches_come_to_what_kubernetes_makes_of_them() {
    let Some(both) = Both::start("patches beside a real kube-apiserver").await else { return };
    let (dice, mut wrong) = (Dice::new(SEED), vec![]);
    make(&both, "/api/v1/namespaces", &json!({ "metadata": { "name": "patches" } })).await;
    for path in [MAPS, ACCOUNTS, ROLES, CONFIGS] {
        make(&both, path, &base(path)).await;
        let strategic = path != CONFIGS;
        for number in 0..EACH * (1 + usize::from(strategic)) {
            let directs = number >= EACH;
            let kind = match directs {
                true => "application/strategic-merge-patch+json",
                false => "application/merge-patch+json",
            };
            let body = patch(&dice, path, directs).to_string();
            let path = format!("{path}/base?dryRun=All");
            wrong.extend(compared(&both, ("PATCH", &path), (kind, &body)).await);
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
