//! What holds for any text and for any object that the published schemas allow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fleetlog_messages::placement::{AddOnPlacementScore, Placement, PlacementDecision};
use fleetlog_messages::registration::{
    ManagedCluster, ManagedClusterSet, ManagedClusterSetBinding,
};
use fleetlog_messages::work::{AppliedManifestWork, ManifestWork, ManifestWorkReplicaSet};
use fleetlog_messages::{ApiObject, KINDS, SCHEMA};
use fleetlog_objects::{Schemas, admit, documents, json, read, to_yaml, write, yaml};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap());

/// Texts that readers of YAML and JSON stumble over.
const NASTY: [&str; 16] = [
    "",
    " ",
    "null",
    "yes",
    "0644",
    "1e3",
    "~",
    "- a",
    "a: b",
    "#",
    "\"",
    "\u{e9}\u{1f680}",
    "line\nbreak",
    "*x",
    "2026-01-01",
    "{a}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![select(NASTY.to_vec()).prop_map(str::to_owned), "[a-z]{1,8}", any::<String>()]
}

fn raw() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0e9..1.0e9_f64).prop_map(|number| Value::from(number + 0.5e-3)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn time() -> impl Strategy<Value = Value> {
    let moments = [
        "2026-03-01T09:00:00Z",
        "2026-03-01T09:00:00.25Z",
        "2024-02-29T10:00:00+02:00",
        "1969-12-31T23:59:59Z",
    ];
    select(moments.to_vec()).prop_map(Value::from)
}

/// Any value that the structs can hold at this place of the schema.
fn value(schema: &Value, depth: u32) -> BoxedStrategy<Value> {
    let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
    if let Some(name) = reference.and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap();
        return value(&DOCUMENT["definitions"][name], depth);
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        let number = any::<i32>().prop_map(|n| Value::from(i64::from(n)));
        return prop_oneof![number, text().prop_map(Value::from)].boxed();
    }
    let of = |name: &str| schema.get(name).and_then(Value::as_str);
    match (of("type"), of("format")) {
        (None, _) => raw().boxed(),
        (Some("object"), _) => object(schema, depth),
        (Some("array"), _) => {
            let most = if depth > 3 { 1 } else { 3 };
            vec(value(&schema["items"], depth + 1), 0..=most).prop_map(Value::from).boxed()
        }
        (Some("string"), Some("date-time")) => time().boxed(),
        (Some("string"), Some("byte")) => {
            select(vec!["", "AA==", "aGVsbG8="]).prop_map(Value::from).boxed()
        }
        (Some("string"), _) => text().prop_map(Value::from).boxed(),
        (Some("integer"), Some("int32")) => {
            any::<i32>().prop_map(|n| Value::from(i64::from(n))).boxed()
        }
        (Some("integer"), _) => any::<i64>().prop_map(Value::from).boxed(),
        (Some("boolean"), _) => any::<bool>().prop_map(Value::from).boxed(),
        (Some(other), _) => panic!("no values of type \"{other}\" are made here"),
    }
}

fn object(schema: &Value, depth: u32) -> BoxedStrategy<Value> {
    if let Some(entry) = schema.get("additionalProperties") {
        let entries = btree_map(text(), value(entry, depth + 1), 0..3);
        return entries.prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())).boxed();
    }
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut fields = Just(Map::new()).boxed();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if depth == 0 && (name == "apiVersion" || name == "kind") {
            continue;
        }
        let must = required.contains(&name.as_str());
        let chance = if must { 1.0 } else { 0.6 / f64::from(depth + 1).sqrt() };
        let field = option::weighted(chance.min(0.999_999), value(schema, depth + 1));
        let name = name.clone();
        fields = (fields, field)
            .prop_map(move |(mut fields, value)| {
                // Null counts as absent.
                if let Some(value) = value.filter(|value| !value.is_null()) {
                    fields.insert(name.clone(), value);
                }
                fields
            })
            .boxed();
    }
    fields.prop_map(Value::Object).boxed()
}

/// An object of the kind, as a user might write it.
fn of_kind<T: ApiObject>() -> BoxedStrategy<Value> {
    let object = value(&DOCUMENT["definitions"][T::INFO.message], 0);
    object
        .prop_map(|mut object| {
            object["apiVersion"] = T::INFO.api_version().into();
            object["kind"] = T::INFO.kind.into();
            object
        })
        .boxed()
}

/// JSON -> struct -> protobuf -> struct -> JSON is what it was, but for required lists put back.
fn round_trips<T: ApiObject + std::fmt::Debug>(given: &Value) -> Result<(), TestCaseError> {
    let (object, losses) = read::<T>(given.clone()).unwrap();
    prop_assert_eq!(losses, []);
    let bytes = prost::Message::encode_to_vec(&object);
    let again = T::decode(bytes.as_slice()).unwrap();
    prop_assert_eq!(&again, &object);
    let written = write(&again);
    let (twice, losses) = read::<T>(written.clone()).unwrap();
    prop_assert_eq!(losses, []);
    prop_assert_eq!(write(&twice), written.clone());
    prop_assert_eq!(without_empty_lists(written), without_empty_lists(given.clone()));
    Ok(())
}

fn without_empty_lists(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
            fields.values_mut().for_each(|value| *value = without_empty_lists(value.take()));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|value| *value = without_empty_lists(value.take()));
        }
        _ => {}
    }
    value
}

macro_rules! round_trip {
    ($($test:ident: $kind:ty,)*) => {
        proptest! {
            #![proptest_config(ProptestConfig {
                failure_persistence: None,
                ..ProptestConfig::with_cases(64)
            })]
            $(
                #[test]
                fn $test(object in of_kind::<$kind>()) {
                    round_trips::<$kind>(&object)?;
                    let yaml_text = to_yaml(&object);
                    let from_yaml = yaml(&yaml_text);
                    prop_assert_eq!(from_yaml, Ok(vec![object.clone()]), "{}", yaml_text);
                    let _ = admit(object);
                }
            )*
        }
    };
}

round_trip! {
    any_managed_cluster_round_trips: ManagedCluster,
    any_set_round_trips: ManagedClusterSet,
    any_binding_round_trips: ManagedClusterSetBinding,
    any_placement_round_trips: Placement,
    any_decision_round_trips: PlacementDecision,
    any_score_round_trips: AddOnPlacementScore,
    any_work_round_trips: ManifestWork,
    any_replica_set_round_trips: ManifestWorkReplicaSet,
    any_record_round_trips: AppliedManifestWork,
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,200}|([-a-z: \n\\[\\]{},&*#\"'|>0-9.]{0,80})") {
        let _ = json(&text);
        let _ = yaml(&text);
        let _ = documents(&text);
    }

    #[test]
    fn no_value_makes_the_door_panic(mut object in raw(), kind in select(KINDS.to_vec())) {
        let _ = admit(object.clone());
        let mut fields = Map::new();
        fields.insert("spec".into(), object.take());
        fields.insert("apiVersion".into(), kind.api_version().into());
        fields.insert("kind".into(), kind.kind.into());
        let _ = admit(Value::Object(fields));
    }

    #[test]
    fn filling_defaults_twice_is_filling_them_once(object in of_kind::<Placement>()) {
        let schema = Schemas::built_in().get(Placement::INFO.message).unwrap();
        let mut once = object;
        let unknown = schema.prune(&mut once);
        prop_assert_eq!(unknown, []);
        schema.fill(&mut once);
        let mut twice = once.clone();
        schema.fill(&mut twice);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn json_text_comes_back_as_the_value_it_was_written_from(value in raw()) {
        prop_assert_eq!(json(&value.to_string()), Ok((value, vec![])));
    }
}
