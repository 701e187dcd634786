//! Lets objects of users in: the kind is known, every field is known, every rule holds, names are
//! names. What comes out is ready for the typed read.

use crate::names::check_names;
use crate::near::nearest;
use crate::refusal::{Refusal, name_of};
use crate::schema::Schemas;
use crate::values::settle_values;
use crate::versions::in_version;
use fleetlog_messages::{KINDS, KindInfo, OTHER_VERSIONS};
use serde_json::Value;

/// An object that was let in: pruned, defaults filled in, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Its kind, in the version that it is kept in.
    pub info: &'static KindInfo,
    /// The object, apiVersion and kind included.
    pub object: Value,
}

/// What the hub writes into metadata: of no meaning in what a user gives.
const SERVED: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// Kinds that are status alone: others than the hub write it.
const STATUS_ONLY: [&str; 1] = ["AddOnPlacementScore"];

/// Takes out of an object what only the hub writes, so that what `get` printed can be applied.
pub fn strip_served(object: &mut Value) {
    let kind = object.get("kind").and_then(Value::as_str);
    let given = kind.is_some_and(|kind| STATUS_ONLY.contains(&kind));
    if let Some(fields) = object.as_object_mut().filter(|_| !given) {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in SERVED {
            metadata.remove(name);
        }
    }
}

/// The kind that apiVersion and kind of an object name, in the version that it is kept in.
///
/// # Errors
/// A value that is no object, has neither, or is of a kind that the hub does not serve.
pub fn kind_of(object: &Value) -> Result<&'static KindInfo, Refusal> {
    version_of(object).map(KindInfo::kept)
}

fn version_of(object: &Value) -> Result<&'static KindInfo, Refusal> {
    if !object.is_object() {
        return Err(Refusal::NoObject { found: name_of(object) });
    }
    let text = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Err(Refusal::Missing { path: name.to_owned() }),
        Some(Value::String(text)) if text.is_empty() => {
            Err(Refusal::Missing { path: name.to_owned() })
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(Refusal::WrongType {
            path: name.to_owned(),
            wanted: "a text",
            found: name_of(other),
        }),
    };
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let mut all = KINDS.iter().chain(OTHER_VERSIONS);
    let found = all.find(|info| info.kind == kind && info.api_version() == api_version);
    found.copied().ok_or_else(|| {
        let same = KINDS.iter().find(|info| info.kind == kind);
        let near = same.copied().or_else(|| {
            let near = nearest(&kind, KINDS.iter().map(|info| info.kind))?;
            KINDS.iter().copied().find(|info| info.kind == near)
        });
        let near = near.map(|info| format!("{} of {}", info.kind, info.api_version()));
        Refusal::UnknownKind { api_version, kind, near }
    })
}

/// Lets one object in: as it is in its own version, then in the one that it is kept in.
///
/// # Errors
/// Everything that is wrong with it.
pub fn admit(mut object: Value) -> Result<Admitted, Vec<Refusal>> {
    let info = version_of(&object).map_err(|refusal| vec![refusal])?;
    let Some(schema) = Schemas::built_in().get(info.message) else {
        return Ok(Admitted { info, object });
    };
    let mut wrong = schema.prune(&mut object);
    schema.fill(&mut object);
    wrong.extend(schema.check(&object));
    wrong.extend(settle_values(info, &mut object));
    if wrong.is_empty()
        && let Err(refusal) = check_names(info, &object)
    {
        wrong.push(refusal);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let info = info.kept();
    let object = in_version(info, &object).into_owned();
    Ok(Admitted { info, object })
}
