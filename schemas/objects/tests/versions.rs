//! The versions of add-ons: what each says in the other's words, and that nothing is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use fleetlog_messages::{KindInfo, OTHER_VERSIONS};
use fleetlog_objects::{Schemas, admit, in_version, kind_of};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const GROUP: &str = "addon.open-cluster-management.io";

fn newer(kind: &str) -> &'static KindInfo {
    OTHER_VERSIONS.iter().find(|info| info.kind == kind).unwrap()
}

/// An object of one version with its defaults, which must be valid.
fn valid(info: &KindInfo, mut object: Value) -> Value {
    object["apiVersion"] = json!(info.api_version());
    object["kind"] = json!(info.kind);
    let schema = Schemas::built_in().get(info.message).unwrap();
    assert_eq!(schema.prune(&mut object), [], "{object}");
    schema.fill(&mut object);
    assert_eq!(schema.check(&object), [], "{object}");
    object
}

/// There and back, valid on the way too.
fn round(kind: &str, from_newer: bool, object: Value) -> Result<(), TestCaseError> {
    let (newer, older) = (newer(kind), newer(kind).kept());
    let (own, other) = if from_newer { (newer, older) } else { (older, newer) };
    let object = valid(own, object);
    let there = in_version(other, &object).into_owned();
    prop_assert_eq!(&there["apiVersion"], &json!(other.api_version()));
    let schema = Schemas::built_in().get(other.message).unwrap();
    prop_assert_eq!(schema.prune(&mut there.clone()), vec![], "{}", there);
    prop_assert_eq!(schema.check(&there), vec![], "{}", there);
    prop_assert_eq!(in_version(own, &there).into_owned(), object, "{}", there);
    Ok(())
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

/// An object of the fields that are there.
fn some(fields: Vec<(&str, Option<Value>)>) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn texts() -> impl Strategy<Value = Option<Value>> {
    option::of(vec(name(), 1..3).prop_map(Value::from))
}

fn texted() -> impl Strategy<Value = Option<Value>> {
    option::of(name().prop_map(Value::from))
}

/// One of each kind of configuration, by `group` and `resource`.
fn configs(
    each: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Option<Value>> {
    let all = btree_map((name(), name()), each, 0..4).prop_map(|all| {
        let item = |((group, resource), mut item): ((String, String), Value)| {
            (item["group"], item["resource"]) = (json!(group), json!(resource));
            item
        };
        all.into_iter().map(item).collect::<Value>()
    });
    option::of(all)
}

fn referent() -> impl Strategy<Value = Value> + Clone {
    (option::of("[a-z]{1,4}"), "[a-z_]{1,5}").prop_map(|(namespace, name)| {
        some(vec![("namespace", namespace.map(Value::from)), ("name", Some(json!(name)))])
    })
}

fn metadata(key: &'static str, text: BoxedStrategy<Option<String>>) -> BoxedStrategy<Value> {
    (name(), text, texted())
        .prop_map(move |(name, text, other)| {
            let text = text.map(Value::from);
            let annotations = some(vec![(key, text), ("other", other)]);
            let annotations = Some(annotations).filter(|a| a != &json!({}));
            some(vec![("name", Some(json!(name))), ("annotations", annotations)])
        })
        .boxed()
}

fn strategy() -> impl Strategy<Value = Option<Value>> {
    let placement = (name(), name(), configs(referent())).prop_map(|(namespace, name, configs)| {
        let (namespace, name) = (Some(json!(namespace)), Some(json!(name)));
        let all = some(vec![("namespace", namespace), ("name", name), ("configs", configs)]);
        json!({"type": "Placements", "placements": [all]})
    });
    option::of(placement)
}

fn references() -> impl Strategy<Value = Option<Value>> {
    configs(referent().prop_map(|mut referent| {
        referent["specHash"] = json!("hash");
        json!({ "desiredConfig": referent })
    }))
}

fn older_definition() -> impl Strategy<Value = Value> {
    let config = option::of(referent()).prop_map(|default| some(vec![("defaultConfig", default)]));
    let coordinates = (texted(), texted(), option::of(any::<i64>())).prop_map(|(crd, cr, at)| {
        let at = at.map(Value::from);
        some(vec![("crdName", crd), ("crName", cr), ("lastObservedGeneration", at)])
    });
    let meta = metadata("a", Just(None).boxed());
    (meta, option::of(coordinates), configs(config), strategy(), references()).prop_map(
        |(metadata, coordinates, configs, strategy, references)| {
            let spec = some(vec![
                ("addOnConfiguration", coordinates),
                ("supportedConfigs", configs),
                ("installStrategy", strategy),
            ]);
            let status = some(vec![("defaultconfigReferences", references)]);
            json!({ "metadata": metadata, "spec": spec, "status": status })
        },
    )
}

fn newer_definition() -> impl Strategy<Value = Value> {
    let reserved = json!({"name": "__reserved_no_default__"});
    let nearly = json!({"name": "__reserved_no_default__", "namespace": "n"});
    let config = prop_oneof![referent(), Just(reserved), Just(nearly)];
    let said = select(vec!["{}", r#"{"crName":"a"}"#, r#"{ "crName":"a"}"#, r#"{"b":1}"#, "[", ""]);
    let key = "addon.open-cluster-management.io/v1alpha1-addon-configuration";
    let meta = metadata(key, option::of(said.prop_map(str::to_owned)).boxed());
    (meta, configs(config), strategy(), references()).prop_map(
        |(metadata, configs, strategy, references)| {
            let spec = some(vec![("defaultConfigs", configs), ("installStrategy", strategy)]);
            let status = some(vec![("defaultConfigReferences", references)]);
            json!({ "metadata": metadata, "spec": spec, "status": status })
        },
    )
}

fn subject(units: &'static str) -> impl Strategy<Value = Option<Value>> {
    let all = (texted(), texts(), texts()).prop_map(move |(user, groups, more)| {
        let more = more.filter(|_| !units.is_empty());
        some(vec![("user", user), ("groups", groups), (units, more)])
    });
    option::of(all)
}

fn older_add_on() -> impl Strategy<Value = Value> {
    let client = subject("").prop_map(|subject| {
        let signer = Some(json!("kubernetes.io/kube-apiserver-client"));
        some(vec![("signerName", signer), ("subject", subject)])
    });
    let custom = subject("organizationUnit").prop_map(|subject| {
        some(vec![("signerName", Some(json!("example.com/signer"))), ("subject", subject)])
    });
    let driver = option::of(select(vec!["csr", "token"]));
    (metadata("a", Just(None).boxed()), texted(), configs(referent()), client, custom, driver)
        .prop_map(|(metadata, namespace, configs, client, custom, driver)| {
            let status = some(vec![
                ("registrations", Some(json!([client, custom]))),
                ("kubeClientDriver", driver.map(Value::from)),
            ]);
            let spec = some(vec![("installNamespace", namespace), ("configs", configs)]);
            json!({ "metadata": metadata, "spec": spec, "status": status })
        })
}

fn newer_add_on() -> impl Strategy<Value = Value> {
    let driver = option::of(select(vec!["csr", "token"])).prop_map(|d| d.map(Value::from));
    let client = (subject(""), driver).prop_map(|(subject, driver)| {
        let client = some(vec![("subject", subject), ("driver", driver)]);
        let client = Some(client).filter(|client| client != &json!({}));
        some(vec![("type", Some(json!("kubeClient"))), ("kubeClient", client)])
    });
    let custom = subject("organizationUnits").prop_map(|subject| {
        let signer = Some(json!("example.com/signer"));
        let custom = some(vec![("signerName", signer), ("subject", subject)]);
        json!({ "type": "customSigner", "customSigner": custom })
    });
    let said = select(vec!["tools", "a-b", "NO", "", "-", "a.b"]).prop_map(str::to_owned);
    let key = "addon.open-cluster-management.io/v1alpha1-install-namespace";
    let meta = metadata(key, option::of(said).boxed());
    (meta, configs(referent()), client, custom).prop_map(|(metadata, configs, client, custom)| {
        let spec = Some(some(vec![("configs", configs)])).filter(|spec| spec != &json!({}));
        let status = Some(json!({ "registrations": [client, custom] }));
        some(vec![("metadata", Some(metadata)), ("spec", spec), ("status", status)])
    })
}

proptest! {
    #[test]
    fn gw063_a_definition_survives_the_way_there_and_back(
        older in older_definition(), newer in newer_definition(),
    ) {
        round("ClusterManagementAddOn", false, older)?;
        round("ClusterManagementAddOn", true, newer)?;
    }

    #[test]
    fn gw063_an_add_on_survives_the_way_there_and_back(
        older in older_add_on(), newer in newer_add_on(),
    ) {
        round("ManagedClusterAddOn", false, older)?;
        round("ManagedClusterAddOn", true, newer)?;
    }
}

#[test]
fn gw063_versions_without_a_difference_say_the_same() {
    let config = json!({"metadata": {"name": "c"}, "spec": {"proxyConfig": {"a": [1]}}});
    let work = json!({"workload": {"manifests": []}});
    let template =
        json!({"metadata": {"name": "t"}, "spec": {"addonName": "a", "agentSpec": work}});
    for from_newer in [true, false] {
        round("AddOnDeploymentConfig", from_newer, config.clone()).unwrap();
        round("AddOnTemplate", from_newer, template.clone()).unwrap();
    }
}

#[test]
fn what_is_of_another_kind_or_version_stays_as_it_is() {
    let info = newer("ManagedClusterAddOn");
    for version in ["v1", "addon.open-cluster-management.io/v1", ""] {
        let object = json!({"apiVersion": version, "spec": {"installNamespace": "a"}});
        assert_eq!(*in_version(info, &object), object);
        assert_eq!(*in_version(info.kept(), &object), object);
    }
}

#[test]
fn the_door_takes_each_version_and_hands_on_the_one_that_is_kept() {
    let given = json!({
        "apiVersion": format!("{GROUP}/v1beta1"), "kind": "ClusterManagementAddOn",
        "metadata": {"name": "a"},
        "spec": {"defaultConfigs": [
            {"group": "g", "resource": "r", "name": "__reserved_no_default__"},
            {"resource": "s", "namespace": "n", "name": "d"},
        ]},
    });
    assert_eq!(kind_of(&given).unwrap().version, "v1alpha1");
    let admitted = admit(given.clone()).unwrap();
    assert_eq!(admitted.info.version, "v1alpha1");
    assert_eq!(admitted.object["apiVersion"], format!("{GROUP}/v1alpha1"));
    let wanted = json!([
        {"group": "g", "resource": "r"},
        {"group": "", "resource": "s", "defaultConfig": {"namespace": "n", "name": "d"}},
    ]);
    assert_eq!(admitted.object["spec"]["supportedConfigs"], wanted);
    let mut mixed = given;
    mixed["spec"]["supportedConfigs"] = json!([]);
    assert!(admit(mixed).unwrap_err()[0].to_string().contains("spec.supportedConfigs"));
}
