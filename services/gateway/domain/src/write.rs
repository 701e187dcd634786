//! Writes: what is to become of an object by a body (spec/gateway 5.1 to 5.4, 5.9). What it means
//! for the fleet, the service that decides on the kind judges.

use crate::kinds::Kind;
use crate::options::Unknown;
use crate::protobuf;
use crate::status::{Cause, Status};
use crate::wrong::{cause, undecodable, unhandled};
use fleetlog_objects::{Refusal, Schemas, check_names, settle_values};
use serde_json::{Value, json};

/// The most of a generated name that is not chance.
const BASE: usize = 58;
/// What generated names end in is made of these.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many of them.
const SUFFIX: usize = 5;

/// What the hub says of an object, whatever its author does.
const SYSTEM: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
];

/// A body as it was read: the value, and the paths of keys that stand twice.
pub type Body = (Value, Vec<String>);

/// An object that may be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The whole object, defaults filled in.
    pub object: Value,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// In which forms a body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// JSON or YAML.
    Text,
    /// Kubernetes' binary form too.
    Binary,
}

impl Taken {
    /// For the objects of a kind: Kubernetes' own are taken in its binary form.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        let defines = kind.0.group == "apiextensions.k8s.io";
        if kind.is_built_in() || kind.is_review() || defines { Self::Binary } else { Self::Text }
    }
}

/// Reads a body.
///
/// # Errors
/// 400 for a text that is neither, 415 for another content type.
pub fn body(bytes: &[u8], content_type: &str, taken: Taken) -> Result<Body, Status> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind == protobuf::CONTENT_TYPE && taken == Taken::Binary {
        return Ok((protobuf::read(bytes)?, vec![]));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Status::bad("the body is no UTF-8 text"))?;
    let unreadable = |why: Refusal| Status::bad(why.to_string());
    match kind {
        "application/yaml" => {
            let mut documents = fleetlog_objects::yaml(text).map_err(unreadable)?;
            match documents.len() {
                1 => Ok((documents.remove(0), vec![])),
                several => Err(Status::bad(format!("the body has {several} documents, not one"))),
            }
        }
        "" | "application/json" => fleetlog_objects::json(text).map_err(unreadable),
        _ => {
            let more = match taken {
                Taken::Binary => ", application/vnd.kubernetes.protobuf",
                Taken::Text => "",
            };
            let message = format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json, application/yaml{more}"
            );
            Err(Status::new(415, "UnsupportedMediaType", message))
        }
    }
}

/// Gives an object without a name one that begins with its `generateName`; `chance` are random
/// bytes. Answers whether it did.
pub fn named(object: &mut Value, chance: &[u8; SUFFIX]) -> bool {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    if !text("name").is_empty() || text("generateName").is_empty() {
        return false;
    }
    let mut name: String = text("generateName").chars().take(BASE).collect();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    name.extend(chance.iter().map(letter));
    object["metadata"]["name"] = json!(name);
    true
}

/// The object that a POST asks for.
///
/// # Errors
/// 400 and 422 for what no object of the kind may be.
pub fn created(
    kind: Kind,
    namespace: Option<&str>,
    (mut object, twice): Body,
    unknown: Unknown,
) -> Result<Checked, Status> {
    placed(kind, namespace, &mut object, Way::Put)?;
    if !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Status::bad(why));
    }
    if let Some(fields) = object.as_object_mut().filter(|_| kind.has_status()) {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        SYSTEM.iter().for_each(|field| drop(metadata.remove(*field)));
    }
    checked(kind, object, (twice, unknown), Way::Put)
}

/// How an object is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a PUT: it must say which version it read.
    Put,
    /// By a PATCH, which was laid over the current one.
    Patch,
}

/// The object that a PUT or a PATCH makes of the one that is there. `part` says that only its
/// status is meant; otherwise the status stays.
///
/// # Errors
/// 409 where it read another version or incarnation, 400 and 422 for what it may not be.
pub fn updated(
    kind: Kind,
    current: &Value,
    (mut given, twice): Body,
    unknown: Unknown,
    (way, part): (Way, bool),
) -> Result<Checked, Status> {
    let of = |object: &Value, field: &str| {
        object["metadata"][field].as_str().unwrap_or_default().to_owned()
    };
    let (name, namespace) = (of(current, "name"), of(current, "namespace"));
    placed(kind, Some(&namespace).filter(|n| !n.is_empty()).map(String::as_str), &mut given, way)?;
    if of(&given, "name") != name {
        let other = of(&given, "name");
        let why =
            format!("the name of the object ({other}) does not match the name on the URL ({name})");
        return Err(Status::bad(why));
    }
    let version = of(&given, "resourceVersion");
    if version.is_empty() && way == Way::Put && kind.needs_version() {
        let message = "Invalid value: 0: must be specified for an update".to_owned();
        let field = "metadata.resourceVersion".to_owned();
        let cause = Cause { reason: "FieldValueInvalid", message, field };
        return Err(Status::invalid(kind, &name, vec![cause]));
    }
    if !version.is_empty() && version != of(current, "resourceVersion") {
        return Err(Status::conflict(kind, &name));
    }
    let uid = of(&given, "uid");
    if !uid.is_empty() && uid != of(current, "uid") {
        return Err(other_incarnation(kind, &name, &uid, way));
    }
    let mut object = if part { current.clone() } else { given.clone() };
    let status = if part { given.get("status") } else { current.get("status") };
    match (status.filter(|status| !status.is_null()), object.as_object_mut()) {
        (Some(status), Some(fields)) => drop(fields.insert("status".to_owned(), status.clone())),
        (None, Some(fields)) => drop(fields.remove("status")),
        (_, None) => {}
    }
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion"]
    {
        let Some(metadata) = object["metadata"].as_object_mut() else { continue };
        match current["metadata"].get(field) {
            Some(value) => drop(metadata.insert(field.to_owned(), value.clone())),
            None => drop(metadata.remove(field)),
        }
    }
    // What was asked for stays so, whatever is sent (spec/gateway 5.3).
    if kind.0.kind == "CertificateSigningRequest" {
        object["spec"] = current["spec"].clone();
    }
    checked(kind, object, (twice, unknown), way)
}

fn other_incarnation(kind: Kind, name: &str, uid: &str, way: Way) -> Status {
    if way == Way::Put {
        return Status::conflict(kind, name);
    }
    let message = format!("Invalid value: \"{uid}\": field is immutable");
    let field = "metadata.uid".to_owned();
    Status::invalid(kind, name, vec![Cause { reason: "FieldValueInvalid", message, field }])
}

/// Fills in what the URL says, or refuses what speaks against it.
fn placed(kind: Kind, namespace: Option<&str>, object: &mut Value, way: Way) -> Result<(), Status> {
    let Some(fields) = object.as_object_mut() else {
        return Err(Status::bad("the body is no object"));
    };
    let (version, info) = (kind.0.api_version(), kind.0);
    for (field, wanted) in [("apiVersion", version.as_str()), ("kind", info.kind)] {
        let given = fields.entry(field).or_insert_with(|| json!(wanted));
        let text = given.as_str().unwrap_or_default();
        if text == wanted {
            continue;
        }
        let message = match field {
            "apiVersion" => format!(
                "the API version in the data ({text}) does not match the expected API version \
                 ({wanted})"
            ),
            _ => format!("{text} in version \"{}\" cannot be handled as a {wanted}", info.version),
        };
        return Err(undecodable(way, message));
    }
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else {
        return Err(Status::bad("\"metadata\" is no object"));
    };
    let given = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
    match namespace {
        Some(namespace) if given.is_empty() => {
            metadata.insert("namespace".to_owned(), json!(namespace));
            Ok(())
        }
        Some(namespace) if given == namespace => Ok(()),
        None if given.is_empty() => Ok(()),
        _ => Err(Status::bad(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}

fn checked(
    kind: Kind,
    mut object: Value,
    (twice, unknown): (Vec<String>, Unknown),
    way: Way,
) -> Result<Checked, Status> {
    let info = kind.0;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let Some(schema) = Schemas::built_in().get(info.message) else {
        return Ok(Checked { object, warnings: vec![] });
    };
    let strange = schema.prune(&mut object);
    let strange = strange.iter().map(|refusal| match refusal {
        Refusal::UnknownField { path, .. } => format!("unknown field \"{path}\""),
        other => other.to_string(),
    });
    let doubled = twice.iter().map(|path| format!("duplicate field \"{path}\""));
    let mut warnings: Vec<String> = strange.chain(doubled).collect();
    if unknown == Unknown::Strict && !warnings.is_empty() {
        let why = format!("strict decoding error: {}", warnings.join(", "));
        return Err(unhandled(kind, &why, way));
    }
    if unknown == Unknown::Ignore {
        warnings.clear();
    }
    schema.fill(&mut object);
    let mut wrong = schema.check(&object);
    let is_type = |refusal: &&Refusal| matches!(refusal, Refusal::WrongType { .. });
    let bytes = settle_values(info, &mut object);
    if let Some(strange) = wrong.iter().find(is_type).or(bytes.first())
        && kind.is_built_in()
    {
        return Err(unhandled(kind, &strange.to_string(), way));
    }
    wrong.extend(bytes);
    wrong.extend(check_names(info, &object).err());
    if wrong.is_empty() {
        return Ok(Checked { object, warnings });
    }
    Err(Status::invalid(kind, &name, wrong.iter().map(cause).collect()))
}

#[cfg(test)]
mod tests;
