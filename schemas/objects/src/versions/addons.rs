//! The two versions of add-ons (spec/work-addon 2.2, 2.3), as Open Cluster Management has them.

use super::{annotate, each, put, rename, said, take, text_of, unannotate};
use fleetlog_kernel::dns_label;
use serde_json::{Map, Value, json};

/// What says in the newer version where an agent runs.
const INSTALL_NAMESPACE: &str = "addon.open-cluster-management.io/v1alpha1-install-namespace";
/// What says in the newer version how an add-on was configured before there were several ways.
const CONFIGURATION: &str = "addon.open-cluster-management.io/v1alpha1-addon-configuration";
/// The name of the default where there is none: no object has it.
const NO_DEFAULT: &str = "__reserved_no_default__";
/// Who signs for clients of the hub's API.
const KUBE_CLIENT: &str = "kubernetes.io/kube-apiserver-client";

pub(super) fn newer_definition(object: &mut Value) {
    if let Some(given) = take(object, "spec", "addOnConfiguration") {
        annotate(object, CONFIGURATION, &text_of(&given));
    }
    rename(object, "spec", ("supportedConfigs", "defaultConfigs"));
    each(object, "/spec/defaultConfigs", |config| match config.remove("defaultConfig") {
        Some(Value::Object(default)) => config.extend(default),
        _ => drop(config.insert("name".to_owned(), json!(NO_DEFAULT))),
    });
    rename(object, "status", ("defaultconfigReferences", "defaultConfigReferences"));
}

pub(super) fn older_definition(object: &mut Value) {
    let read = |text: &str| said(text, "fleetlog.addon.v1.ConfigCoordinates");
    if let Some(given) = unannotate(object, CONFIGURATION, read) {
        put(object, "spec", "addOnConfiguration", given);
    }
    rename(object, "spec", ("defaultConfigs", "supportedConfigs"));
    each(object, "/spec/supportedConfigs", |config| {
        let mut default = Map::new();
        for field in ["namespace", "name"] {
            default.extend(config.remove_entry(field));
        }
        if default.len() > 1 || default.get("name") != Some(&json!(NO_DEFAULT)) {
            config.insert("defaultConfig".to_owned(), Value::Object(default));
        }
    });
    rename(object, "status", ("defaultConfigReferences", "defaultconfigReferences"));
}

pub(super) fn newer_add_on(object: &mut Value) {
    if let Some(Value::String(namespace)) = take(object, "spec", "installNamespace") {
        annotate(object, INSTALL_NAMESPACE, &namespace);
    }
    let driver = take(object, "status", "kubeClientDriver");
    each(object, "/status/registrations", |registration| {
        let signer = registration.remove("signerName");
        let mut subject = registration.remove("subject");
        let (kind, field, mut config) = if signer == Some(json!(KUBE_CLIENT)) {
            // Of a client of the hub's API units are not asked.
            subject.as_mut().and_then(Value::as_object_mut).map(|s| s.remove("organizationUnit"));
            let driver = driver.clone().map(|driver| ("driver".to_owned(), driver));
            ("kubeClient", "kubeClient", driver.into_iter().collect::<Map<_, _>>())
        } else {
            rename_in(subject.as_mut(), ("organizationUnit", "organizationUnits"));
            let signer = signer.map(|signer| ("signerName".to_owned(), signer));
            ("customSigner", "customSigner", signer.into_iter().collect())
        };
        config.extend(subject.map(|subject| ("subject".to_owned(), subject)));
        registration.insert("type".to_owned(), json!(kind));
        if !config.is_empty() {
            registration.insert(field.to_owned(), Value::Object(config));
        }
    });
}

pub(super) fn older_add_on(object: &mut Value) {
    let read = |text: &str| dns_label(text).ok().map(|()| text.to_owned());
    if let Some(namespace) = unannotate(object, INSTALL_NAMESPACE, read) {
        put(object, "spec", "installNamespace", json!(namespace));
    }
    let is_client = |registration: &&Value| registration["type"] == "kubeClient";
    let driver = object.pointer("/status/registrations").and_then(Value::as_array);
    let driver = driver.and_then(|all| {
        all.iter().filter(is_client).find_map(|client| client.pointer("/kubeClient/driver"))
    });
    if let Some(driver) = driver.cloned() {
        put(object, "status", "kubeClientDriver", driver);
    }
    each(object, "/status/registrations", |registration| {
        let client = registration.remove("type") == Some(json!("kubeClient"));
        let (of_client, of_signer) =
            (registration.remove("kubeClient"), registration.remove("customSigner"));
        let mut config = if client { of_client } else { of_signer }.unwrap_or_default();
        let signer = if client { json!(KUBE_CLIENT) } else { config["signerName"].take() };
        registration.insert("signerName".to_owned(), signer);
        let mut subject = config["subject"].take();
        rename_in(Some(&mut subject), ("organizationUnits", "organizationUnit"));
        if !subject.is_null() {
            registration.insert("subject".to_owned(), subject);
        }
    });
}

fn rename_in(map: Option<&mut Value>, (from, to): (&str, &str)) {
    let Some(map) = map.and_then(Value::as_object_mut) else { return };
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}
