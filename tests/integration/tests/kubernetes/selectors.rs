//! Selectors of labels and fields, generated: each means the same objects, or nothing that can be
//! read.

use crate::both::Both;
use crate::generated::{Dice, compared, make};
use serde_json::{Map, Value, json};

const SEED: u64 = 23;
const OBJECTS: usize = 12;
const SELECTORS: usize = 120;
const MAPS: &str = "/api/v1/namespaces/selectors/configmaps";
const LABELS: [&str; 4] = ["a", "b", "c", "x.example.com/d"];
const VALUES: [&str; 5] = ["", "1", "2", "10", "two"];

fn labels(dice: &Dice) -> Value {
    let of = |key: &str| (key.to_owned(), json!(dice.one(&VALUES)));
    let labels: Map<String, Value> = dice.some(&LABELS).into_iter().map(of).collect();
    Value::Object(labels)
}

fn requirement(dice: &Dice) -> String {
    let (key, value) = (dice.one(&LABELS), dice.one(&VALUES));
    let (pad, list) = (dice.one(&["", "", " "]), dice.some(&VALUES).join(","));
    match dice.below(12) {
        0 => key.to_owned(),
        1 => format!("!{pad}{key}"),
        2 => format!("{key}{pad}={pad}{value}"),
        3 => format!("{key}{pad}=={pad}{value}"),
        4 => format!("{key}{pad}!={pad}{value}"),
        5 => format!("{key} in {pad}({list})"),
        6 => format!("{key} notin ({pad}{list})"),
        7 => format!("{key}{pad}>{pad}{value}"),
        8 => format!("{key}{pad}<{pad}{value}"),
        9 => format!(
            "{key} {}",
            dice.one(&["in", "notin", "in ()", "in (", "exists", "= =", "=a b"])
        ),
        10 => dice.one(&["", "=", "!", "(a)", "a b", "-a", "a=-", "a,", ",a", "a=b=c"]).to_owned(),
        _ => format!("{key}={pad}{value}"),
    }
}

fn field(dice: &Dice) -> String {
    let name = format!("m{}", dice.below(OBJECTS));
    let space = dice.one(&["selectors", "other", ""]);
    match dice.below(8) {
        0 => format!("metadata.name={name}"),
        1 => format!("metadata.name!={name}"),
        2 => format!("metadata.name=={name}"),
        3 => format!("metadata.namespace={space}"),
        4 => format!("metadata.namespace!={space}"),
        5 => dice.one(&["metadata.name=", "metadata.name!=", "metadata.name", "a=b"]).to_owned(),
        6 => dice.one(&["metadata.name=m\\,1", "metadata.name=m\\=", "data=x", ","]).to_owned(),
        _ => format!("metadata.name={name},metadata.name!=m1"),
    }
}

/// As part of a query.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gw015_generated_selectors_mean_what_kubernetes_means_by_them() {
    let Some(both) = Both::start("selectors beside a real kube-apiserver").await else { return };
    let (dice, mut wrong) = (Dice::new(SEED), vec![]);
    make(&both, "/api/v1/namespaces", &json!({ "metadata": { "name": "selectors" } })).await;
    for number in 0..OBJECTS {
        let metadata = json!({ "name": format!("m{number}"), "labels": labels(&dice) });
        make(&both, MAPS, &json!({ "metadata": metadata })).await;
    }
    for number in 0..SELECTORS {
        let some = |one: fn(&Dice) -> String| {
            let all = (0..=dice.below(3)).map(|_| one(&dice));
            encoded(&all.collect::<Vec<_>>().join(","))
        };
        let query = match number % 3 {
            0 => format!("fieldSelector={}", some(field)),
            _ => format!("labelSelector={}", some(requirement)),
        };
        let path = format!("{MAPS}?{query}");
        wrong.extend(compared(&both, ("GET", &path), ("application/json", "")).await);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
