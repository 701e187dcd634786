//! Kinds in several versions: an object of one as the same object of another. It is kept in one of
//! them (`KindInfo::kept`), so services and the log know no other. What a version has no field for
//! it says in annotations, so that nothing is lost on the way there and back.

mod addons;

use crate::schema::Schemas;
use fleetlog_messages::wire::canonical;
use fleetlog_messages::{KindInfo, OTHER_VERSIONS};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// An object of any version of a kind as this version says it. One that is of this version already,
/// or of no version of the kind, stays as it is.
#[must_use]
pub fn in_version<'a>(info: &'static KindInfo, object: &'a Value) -> Cow<'a, Value> {
    let kept = info.kept();
    let mut others = OTHER_VERSIONS.iter().copied().filter(|other| is_of(other, kept)).peekable();
    // Most kinds have one version.
    if others.peek().is_none() {
        return Cow::Borrowed(object);
    }
    let given = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let known = |version: &KindInfo| version.api_version() == given;
    let is_older = known(kept);
    if known(info) || !(is_older || others.any(known)) {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    match (kept.kind, is_older) {
        ("ClusterManagementAddOn", true) => addons::newer_definition(&mut object),
        ("ClusterManagementAddOn", false) => addons::older_definition(&mut object),
        ("ManagedClusterAddOn", true) => addons::newer_add_on(&mut object),
        ("ManagedClusterAddOn", false) => addons::older_add_on(&mut object),
        // The versions of the others differ in nothing else.
        _ => {}
    }
    object["apiVersion"] = json!(info.api_version());
    Cow::Owned(object)
}

fn is_of(other: &KindInfo, kept: &KindInfo) -> bool {
    other.version_of.is_some_and(|of| of.message == kept.message)
}

/// Takes a field out of a map that may not be there.
fn take(object: &mut Value, parent: &str, field: &str) -> Option<Value> {
    object.get_mut(parent)?.as_object_mut()?.remove(field)
}

/// Puts a field into a map, which is made if there is none.
fn put(object: &mut Value, parent: &str, field: &str, value: Value) {
    object[parent][field] = value;
}

/// Gives a field another name.
fn rename(object: &mut Value, parent: &str, (from, to): (&str, &str)) {
    if let Some(value) = take(object, parent, from) {
        put(object, parent, to, value);
    }
}

/// Says something in an annotation.
fn annotate(object: &mut Value, key: &str, text: &str) {
    object["metadata"]["annotations"][key] = json!(text);
}

/// Takes an annotation that says something out of the others.
fn unannotate<T>(object: &mut Value, key: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let said = read(annotations.get(key)?.as_str()?)?;
    annotations.remove(key);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    Some(said)
}

/// A value that a text says exactly, if it is one of this message.
fn said(text: &str, message: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    let schema = Schemas::built_in().get(message)?;
    let mut known = value.clone();
    let is_one = schema.prune(&mut known).is_empty() && schema.check(&known).is_empty();
    (is_one && known == value && text_of(&value) == text).then_some(value)
}

fn text_of(value: &Value) -> String {
    String::from_utf8(canonical(value)).unwrap_or_default()
}

/// The items of a list made anew one by one; nothing where there is none.
fn each(object: &mut Value, pointer: &str, change: impl Fn(&mut Map<String, Value>)) {
    let items = object.pointer_mut(pointer).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
}
