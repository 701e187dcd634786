//! An object as it is from now on (spec/gateway 5.1, 5.3, 5.8).

use super::admit::admit;
use super::{Decision, written};
use crate::command::{Apply, Asked, Left, Place, Values};
use crate::object::{
    content, finalizers, has_generation, has_status, is_terminating, metadata, set_metadata,
};
use crate::refusal::Refusal;
use crate::state::Plain;
use crate::{definition, namespace};
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::core::{ObjectDeleted, Sealed, object_event::Event};
use fleetlog_rules::metadata::{Birth, Change, born, changed};
use serde_json::Value;

pub(super) fn apply(plain: &Plain, asked: &Asked, apply: &Apply, at: Timestamp) -> Decision {
    expected(plain, asked, &apply.expected)?;
    match plain.object() {
        None if apply.status => Err(Refusal::NotFound { object: asked.id.to_string() }),
        None => {
            placed(asked)?;
            let object = new(asked, &admit(asked, &apply.object)?, at);
            let sealed = match &apply.values {
                Values::New(sealed) => sealed.clone(),
                Values::Kept => None,
            };
            Ok(vec![written(&object, sealed)])
        }
        Some(current) => change(plain, asked, current, (apply, at)),
    }
}

/// For services: the object exists and is so.
pub(super) fn ensure(
    plain: &Plain,
    asked: &Asked,
    object: &Value,
    once: bool,
    at: Timestamp,
) -> Decision {
    match plain.object() {
        // What a service wants in a place that is going, it wants no more.
        None if asked.place == Place::Terminating => Ok(vec![]),
        None => Ok(vec![written(&new(asked, &admit(asked, object)?, at), None)]),
        Some(current) if once || is_terminating(current) => Ok(vec![]),
        Some(current) => {
            let (expected, values) = (String::new(), Values::Kept);
            let object = object.clone();
            let apply = Apply { object, expected, change: Change::Merge, values, status: false };
            change(plain, asked, current, (&apply, at))
        }
    }
}

fn expected(plain: &Plain, asked: &Asked, given: &str) -> Result<(), Refusal> {
    let object = || asked.id.to_string();
    let stands = plain.object().map_or(Position::START, |_| plain.changed()).resource_version(0);
    match (given, plain.object()) {
        ("", _) => Ok(()),
        (given, _) if given == stands => Ok(()),
        ("0", Some(_)) => Err(Refusal::Exists { object: object() }),
        (_, None) => Err(Refusal::NotFound { object: object() }),
        (given, Some(_)) => {
            Err(Refusal::Outdated { object: object(), given: given.to_owned(), current: stands })
        }
    }
}

fn placed(asked: &Asked) -> Result<(), Refusal> {
    let namespace = asked.id.scope.clone().unwrap_or_default();
    match asked.place {
        Place::Everywhere | Place::Active => Ok(()),
        Place::Absent => Err(Refusal::NoNamespace { namespace }),
        Place::Terminating => Err(Refusal::Terminating { namespace }),
    }
}

fn new(asked: &Asked, given: &Value, at: Timestamp) -> Value {
    let mut object = given.clone();
    let (namespace, name) = (asked.id.scope.clone(), asked.id.name.clone());
    let given = metadata(given);
    let mut meta = born(&given, &Birth { namespace, name, uid: asked.uid.clone(), at });
    meta.generate_name = given.generate_name;
    if !has_generation(asked.info) {
        meta.generation = None;
    }
    set_metadata(&mut object, &meta);
    if let Some(fields) = object.as_object_mut().filter(|_| has_status(asked.info)) {
        fields.remove("status");
    }
    namespace::settle(asked.info, &mut object, &asked.id.name, None);
    definition::settle(asked.info, &mut object, at);
    object
}

fn change(
    plain: &Plain,
    asked: &Asked,
    current: &Value,
    (apply, at): (&Apply, Timestamp),
) -> Decision {
    if apply.status {
        return status(plain, asked, current, &apply.object);
    }
    let mut object = admit(asked, &apply.object)?;
    match (current.get("status"), object.as_object_mut().filter(|_| has_status(asked.info))) {
        (Some(status), Some(fields)) => drop(fields.insert("status".to_owned(), status.clone())),
        (None, Some(fields)) => drop(fields.remove("status")),
        (_, None) => {}
    }
    let (before, given) = (metadata(current), metadata(&object));
    let mut meta = changed(&before, &given, apply.change);
    set_metadata(&mut object, &meta);
    namespace::settle(asked.info, &mut object, &asked.id.name, Some(current));
    definition::settle(asked.info, &mut object, at);
    let moved = content(asked.info, &object) != content(asked.info, current);
    if moved && has_generation(asked.info) {
        meta = metadata(&object);
        meta.generation = Some(meta.generation.unwrap_or_default() + 1);
        set_metadata(&mut object, &meta);
    }
    fixed(asked, current, &object, apply)?;
    finalized(plain, current, &object, sealed(plain, apply))
}

fn status(plain: &Plain, asked: &Asked, current: &Value, given: &Value) -> Decision {
    let mut object = current.clone();
    let status = given.get("status").filter(|status| !status.is_null());
    match (status, object.as_object_mut()) {
        (Some(status), Some(fields)) => drop(fields.insert("status".to_owned(), status.clone())),
        (None, Some(fields)) => drop(fields.remove("status")),
        (_, None) => {}
    }
    let object = admit(asked, &object)?;
    if object == *current {
        return Ok(vec![]);
    }
    Ok(vec![written(&object, plain.sealed().cloned())])
}

fn sealed(plain: &Plain, apply: &Apply) -> Option<Sealed> {
    match &apply.values {
        Values::Kept => plain.sealed().cloned(),
        Values::New(sealed) => sealed.clone(),
    }
}

/// What of an object stays as it was at first.
fn fixed(asked: &Asked, current: &Value, after: &Value, apply: &Apply) -> Result<(), Refusal> {
    let differ = |field: &str| current.get(field) != after.get(field);
    let field = match asked.info.kind {
        "RoleBinding" | "ClusterRoleBinding" if differ("roleRef") => "roleRef",
        "Secret" if differ("type") => "type",
        "CertificateSigningRequest" if differ("spec") => "spec",
        "Secret" | "ConfigMap" if current.get("immutable") == Some(&Value::Bool(true)) => {
            let values = matches!(&apply.values, Values::New(_)) && asked.info.kind == "Secret";
            match () {
                () if differ("immutable") => "immutable",
                () if values || differ("data") => "data",
                () if differ("binaryData") => "binaryData",
                () => return Ok(()),
            }
        }
        _ => return Ok(()),
    };
    Err(Refusal::Immutable { object: asked.id.to_string(), field })
}

/// The finalizers of a namespace's spec are these from now on. The hub's own stays until the
/// namespace goes and nothing is left in it, for what lies in it must not outlive it.
pub(super) fn finalize(
    plain: &Plain,
    asked: &Asked,
    (wanted, version): (&[String], &str),
    left: &Left,
) -> Decision {
    expected(plain, asked, version)?;
    let name = || asked.id.to_string();
    let current = plain.object().ok_or_else(|| Refusal::NotFound { object: name() })?;
    let mut after = current.clone();
    let held = !is_terminating(current) || !left.objects.is_empty();
    after["spec"]["finalizers"] = namespace::finalizers(wanted, held)?;
    finalized(plain, current, &after, None)
}

/// On its way out an object takes no new finalizer, and goes with the last one.
fn finalized(plain: &Plain, current: &Value, after: &Value, sealed: Option<Sealed>) -> Decision {
    if is_terminating(current) {
        let (before, now) = (finalizers(current), finalizers(after));
        if let Some(late) = now.iter().find(|finalizer| !before.contains(finalizer)) {
            return Err(Refusal::Late { finalizer: late.clone() });
        }
        if now.is_empty() {
            return Ok(vec![Event::Deleted(ObjectDeleted {})]);
        }
    }
    if after == current && sealed.as_ref() == plain.sealed() {
        return Ok(vec![]);
    }
    Ok(vec![written(after, sealed)])
}
