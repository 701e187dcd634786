//! Schemas as the walks need them, read once from an OpenAPI v3 document: ours, or a foreign
//! kind's. Which walks there are lies in `prune`, `fill`, `check` and `merge`.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The definitions of one document, by name.
#[derive(Debug, Default)]
pub struct Schemas {
    definitions: BTreeMap<String, Node>,
}

/// One schema, with the definitions it refers to.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    pub(crate) all: &'a Schemas,
    pub(crate) node: &'a Node,
}

/// A place of a schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub shape: Shape,
    pub default: Option<Value>,
    pub one_of: Vec<Value>,
    pub pattern: Option<Regex>,
    pub least: Option<f64>,
    pub most: Option<f64>,
    pub shortest: Option<u64>,
    pub longest: Option<u64>,
    /// A whole object of any kind.
    pub embedded: bool,
}

/// What may stand at a place.
#[derive(Debug, Default)]
pub(crate) enum Shape {
    /// Anything, kept as given.
    #[default]
    Any,
    /// What the definition of this name says.
    Refer(String),
    /// Known fields; `open` keeps unknown ones.
    Object {
        fields: BTreeMap<String, Node>,
        required: Vec<String>,
        open: bool,
    },
    /// Entries of one schema under any key.
    Map(Box<Node>),
    /// Items of one schema.
    List {
        item: Box<Node>,
        keys: Keys,
    },
    Text(Form),
    Integer,
    Number,
    Boolean,
    IntOrString,
}

/// How a list is merged, and what must be unique in it.
#[derive(Debug, Default)]
pub(crate) enum Keys {
    /// Replaced whole.
    #[default]
    Atomic,
    /// Each item once.
    Set,
    /// Items known by these fields.
    Map(Vec<String>),
}

/// What a text must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Time,
    Base64,
}

impl Schemas {
    /// Reads the `definitions` (or `components.schemas`) of a document.
    ///
    /// # Errors
    /// The place of a schema that cannot be read, with the reason.
    pub fn parse(document: &Value) -> Result<Self, String> {
        let found = ["/definitions", "/components/schemas"]
            .iter()
            .find_map(|pointer| document.pointer(pointer).and_then(Value::as_object));
        let found = found.ok_or("the document has no definitions")?;
        let read = found.iter().map(|(name, schema)| {
            let node = node(schema).map_err(|why| format!("{name}: {why}"))?;
            Ok((name.clone(), node))
        });
        Ok(Self { definitions: read.collect::<Result<_, String>>()? })
    }

    /// The schemas of the hub's own kinds.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static BUILT_IN: OnceLock<Schemas> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            // The document is generated and a test reads it: an empty one here is unreachable.
            let document = serde_json::from_str(fleetlog_messages::SCHEMA).unwrap_or_default();
            Self::parse(&document).unwrap_or_default()
        })
    }

    /// The schema of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Schema<'_>> {
        self.definitions.get(name).map(|node| Schema { all: self, node })
    }

    /// Every name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }
}

impl<'a> Schema<'a> {
    /// The shape at this place, references followed; anything for a name nobody defined.
    pub(crate) fn shape(self) -> &'a Shape {
        let mut node = self.node;
        while let Shape::Refer(name) = &node.shape {
            match self.all.definitions.get(name) {
                Some(next) => node = next,
                None => return &Shape::Any,
            }
        }
        &node.shape
    }

    /// This place, then what it refers to: the rules of all of them hold.
    pub(crate) fn nodes(self) -> impl Iterator<Item = &'a Node> {
        let all = self.all;
        std::iter::successors(Some(self.node), move |node| match &node.shape {
            Shape::Refer(name) => all.definitions.get(name),
            _ => None,
        })
    }

    /// Another place of the same document.
    pub(crate) const fn at(self, node: &'a Node) -> Self {
        Self { all: self.all, node }
    }
}

fn node(schema: &Value) -> Result<Node, String> {
    let schema = schema.as_object().ok_or("a schema is a map")?;
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or_default();
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let size =
        |names: [&str; 3]| names.iter().find_map(|name| schema.get(*name).and_then(Value::as_u64));
    let pattern = schema.get("pattern").and_then(Value::as_str).map(Regex::new).transpose();
    Ok(Node {
        shape: shape(schema)?,
        default: schema.get("default").cloned(),
        one_of: schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        pattern: pattern.map_err(|error| error.to_string())?,
        least: number("minimum"),
        most: number("maximum"),
        shortest: size(["minLength", "minItems", "minProperties"]),
        longest: size(["maxLength", "maxItems", "maxProperties"]),
        embedded: flag("x-kubernetes-embedded-resource"),
    })
}

fn shape(schema: &Map<String, Value>) -> Result<Shape, String> {
    if let Some(name) = reference(schema) {
        return Ok(Shape::Refer(name));
    }
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or_default();
    if flag("x-kubernetes-int-or-string") {
        return Ok(Shape::IntOrString);
    }
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    Ok(match text("type") {
        None => Shape::Any,
        Some("object") => object(schema)?,
        Some("array") => Shape::List {
            item: Box::new(schema.get("items").map(node).transpose()?.unwrap_or_default()),
            keys: keys(schema),
        },
        Some("string") => Shape::Text(match text("format") {
            Some("date-time") => Form::Time,
            Some("byte") => Form::Base64,
            _ => Form::Plain,
        }),
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        Some(other) => return Err(format!("\"{other}\" is no type")),
    })
}

/// The name that `$ref` or `allOf: [{$ref}]` refers to.
fn reference(schema: &Map<String, Value>) -> Option<String> {
    let all_of = schema.get("allOf").and_then(|list| list.get(0)).and_then(Value::as_object);
    let reference = schema.get("$ref").or_else(|| all_of?.get("$ref"))?.as_str()?;
    reference.rsplit('/').next().map(str::to_owned)
}

fn object(schema: &Map<String, Value>) -> Result<Shape, String> {
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(match schema.get("additionalProperties") {
            Some(entry @ Value::Object(_)) => Shape::Map(Box::new(node(entry)?)),
            Some(Value::Bool(true)) => Shape::Map(Box::default()),
            _ if open => Shape::Any,
            _ => Shape::Object { fields: BTreeMap::new(), required: vec![], open: false },
        });
    };
    let fields = properties.iter().map(|(name, schema)| {
        node(schema).map(|node| (name.clone(), node)).map_err(|why| format!("{name}: {why}"))
    });
    Ok(Shape::Object { fields: fields.collect::<Result<_, _>>()?, required: texts(schema), open })
}

fn texts(schema: &Map<String, Value>) -> Vec<String> {
    let list = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn keys(schema: &Map<String, Value>) -> Keys {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Keys::Set,
        Some("map") => {
            let names = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let names = names.into_iter().flatten();
            Keys::Map(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
        }
        _ => Keys::Atomic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hubs_own_document_is_read_whole() {
        let document = serde_json::from_str(fleetlog_messages::SCHEMA).unwrap();
        let schemas = Schemas::parse(&document).unwrap();
        for info in fleetlog_messages::KINDS {
            let schema = schemas.get(info.message);
            assert!(schema.is_some(), "no schema of \"{}\"", info.message);
        }
        let referred = |node: &Node| match &node.shape {
            Shape::Refer(name) => schemas.get(name).is_some(),
            _ => true,
        };
        for (name, node) in &schemas.definitions {
            let Shape::Object { fields, .. } = &node.shape else { continue };
            assert!(fields.values().all(referred), "\"{name}\" refers to nothing");
        }
        assert_eq!(Schemas::built_in().names().count(), schemas.names().count());
    }

    #[test]
    fn what_is_no_schema_is_named() {
        let document = json!({"definitions": {"a": {"type": "object", "properties": {
            "b": {"type": "strange"}
        }}}});
        assert_eq!(Schemas::parse(&document).unwrap_err(), "a: b: \"strange\" is no type");
        assert!(Schemas::parse(&json!({})).is_err());
    }
}
