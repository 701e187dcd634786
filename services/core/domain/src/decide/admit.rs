//! What every object must be before anything is decided on it (spec/gateway 5.2).

use crate::command::Asked;
use crate::object::{check_finalizer, metadata, text};
use crate::refusal::Refusal;
use fleetlog_objects::{LAST_APPLIED, Schemas, check_names};
use fleetlog_rules::metadata::check;
use serde_json::Value;

/// The largest object that is kept, so that its event fits a message.
const LARGEST: usize = 900 * 1_024;
/// How much all annotations may come to.
const ANNOTATIONS: usize = 256 * 1_024;

/// The object with defaults filled in.
pub(super) fn admit(asked: &Asked, given: &Value) -> Result<Value, Refusal> {
    let mut object = given.clone();
    address(asked, &object)?;
    if let Some(schema) = Schemas::built_in().get(asked.info.message) {
        let mut wrong = schema.prune(&mut object);
        schema.fill(&mut object);
        wrong.extend(schema.check(&object));
        if !wrong.is_empty() {
            let why = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(Refusal::Invalid { why });
        }
    }
    let named = check_names(asked.info, &object);
    named.map_err(|refusal| match refusal {
        fleetlog_objects::Refusal::Name { error, .. } => Refusal::Name(error),
        other => Refusal::Invalid { why: other.to_string() },
    })?;
    check_metadata(&object)?;
    check_content(asked, &object)?;
    let size = object.to_string().len();
    if size > LARGEST {
        return Err(Refusal::TooLarge { size, limit: LARGEST });
    }
    Ok(object)
}

fn address(asked: &Asked, object: &Value) -> Result<(), Refusal> {
    let (info, id) = (asked.info, &asked.id);
    let given = [
        text(object, "/apiVersion").to_owned(),
        text(object, "/kind").to_owned(),
        text(object, "/metadata/namespace").to_owned(),
        text(object, "/metadata/name").to_owned(),
    ];
    let addressed = [
        info.api_version(),
        info.kind.to_owned(),
        id.scope.clone().unwrap_or_default(),
        id.name.clone(),
    ];
    if given == addressed {
        return Ok(());
    }
    let (given, addressed) = (given.join(" "), addressed.join(" "));
    Err(Refusal::Misaddressed { given, addressed })
}

fn check_metadata(object: &Value) -> Result<(), Refusal> {
    let meta = metadata(object);
    check(&meta).map_err(Refusal::Label)?;
    let size = meta.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS {
        return Err(Refusal::Annotations { size, limit: ANNOTATIONS });
    }
    for finalizer in &meta.finalizers {
        check_finalizer(finalizer)?;
    }
    Ok(())
}

/// What is left to say of single kinds.
fn check_content(asked: &Asked, object: &Value) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::Invalid { why: why.to_owned() });
    match asked.info.kind {
        "Secret" if has_entries(object, "data") || has_entries(object, "stringData") => {
            Err(Refusal::Unsealed)
        }
        "Secret" if metadata(object).annotations.contains_key(LAST_APPLIED) => {
            Err(Refusal::Unsealed)
        }
        // Served secrets have it: nobody makes one of the values of another.
        "Secret" if object.get("sealed").is_some() => invalid("sealed: it is the hub's own field"),
        "CustomResourceDefinition" => {
            let (plural, group) = (text(object, "/spec/names/plural"), text(object, "/spec/group"));
            if format!("{plural}.{group}") == asked.id.name {
                return Ok(());
            }
            invalid("metadata.name: it must be \"<spec.names.plural>.<spec.group>\"")
        }
        _ => Ok(()),
    }
}

fn has_entries(object: &Value, field: &str) -> bool {
    object.get(field).and_then(Value::as_object).is_some_and(|map| !map.is_empty())
}
