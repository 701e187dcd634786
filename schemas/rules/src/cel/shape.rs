//! What is known of a value before it is there: its type, and how large it can be at most.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// How large an input is: the largest of each kind in it, and all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Entries of the largest list or map.
    pub(super) items: u64,
    /// Bytes of the longest text.
    pub(super) text: u64,
    /// Values and bytes in all.
    pub(super) weight: u64,
}

impl Sizes {
    pub(super) const fn within(&self, other: &Self) -> bool {
        self.items <= other.items && self.text <= other.text && self.weight <= other.weight
    }

    pub(super) fn at_least(&self, other: &Self) -> Self {
        Self {
            items: self.items.max(other.items),
            text: self.text.max(other.text),
            weight: self.weight.max(other.weight),
        }
    }
}

/// A type of values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    /// Known only when the value is there.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    List(Arc<Ty>),
    /// Text keys.
    Map(Arc<Ty>),
    /// A map with these fields and no others.
    Object(Arc<BTreeMap<String, Ty>>),
    Semver,
    Quantity,
    Ip,
    Cidr,
    Url,
    /// A compiled regular expression.
    Pattern,
    /// A type, as a value.
    Type,
    Optional(Arc<Ty>),
}

impl Ty {
    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    pub(super) const fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Object(_))
    }

    /// The type of both: `Dyn` where they differ.
    pub(super) fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Self::List(a), Self::List(b)) => Self::List(Arc::new(a.join(b))),
            (Self::Map(a), Self::Map(b)) => Self::Map(Arc::new(a.join(b))),
            (Self::Optional(a), Self::Optional(b)) => Self::Optional(Arc::new(a.join(b))),
            _ => Self::Dyn,
        }
    }

    /// Whether values of both can be equal.
    pub(super) fn compares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Null, _) | (_, Self::Dyn | Self::Null) => true,
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => {
                a.compares(b)
            }
            (a, b) => a == b || (a.is_number() && b.is_number()) || (a.is_map() && b.is_map()),
        }
    }

    /// The type of a field; `Err` when there cannot be one of the name.
    pub(super) fn field(&self, name: &str) -> Result<Self, ()> {
        match self {
            Self::Dyn => Ok(Self::Dyn),
            Self::Map(value) => Ok((**value).clone()),
            Self::Object(fields) => fields.get(name).cloned().ok_or(()),
            Self::Optional(inner) => Ok(Self::Optional(Arc::new(inner.field(name)?))),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(value) => write!(f, "map(string, {value})"),
            Self::Object(_) => f.write_str("map(string, dyn)"),
            Self::Semver => f.write_str("semver"),
            Self::Quantity => f.write_str("quantity"),
            Self::Ip => f.write_str("ip"),
            Self::Cidr => f.write_str("cidr"),
            Self::Url => f.write_str("url"),
            Self::Pattern => f.write_str("pattern"),
            Self::Type => f.write_str("type"),
            Self::Optional(inner) => write!(f, "optional({inner})"),
        }
    }
}

/// A bound on one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) ty: Ty,
    /// Bytes of a text, entries of a list or map, the larger when not known which; 0 else.
    pub(super) len: u64,
    /// Entries of the largest list or map inside.
    pub(super) items: u64,
    /// Bytes of the longest text inside.
    pub(super) text: u64,
    /// Values and bytes in it, itself included.
    pub(super) weight: u64,
}

impl Shape {
    pub(super) const fn scalar(ty: Ty) -> Self {
        Self { ty, len: 0, items: 0, text: 0, weight: 1 }
    }

    pub(super) const fn text(len: u64) -> Self {
        Self { ty: Ty::Text, len, items: 0, text: 0, weight: len.saturating_add(1) }
    }

    /// A list or a map of the input.
    pub(super) fn given(ty: Ty, sizes: &Sizes) -> Self {
        let Sizes { items, text, weight } = *sizes;
        Self { ty, len: items, items, text, weight: weight.saturating_add(1) }
    }

    /// Anything inside, as a value of this type.
    pub(super) fn inside(&self, ty: Ty) -> Self {
        match ty {
            Ty::Text | Ty::Bytes | Ty::Url => Self { ty, ..Self::text(self.text) },
            Ty::List(_) | Ty::Map(_) | Ty::Object(_) => {
                Self { ty, len: self.items, ..self.clone() }
            }
            Ty::Dyn => Self { ty, len: self.items.max(self.text), ..self.clone() },
            Ty::Optional(inner) => {
                let shape = self.inside((*inner).clone());
                Self { ty: Ty::Optional(inner), ..shape }
            }
            ty => Self::scalar(ty),
        }
    }

    /// Either of two.
    pub(super) fn join(&self, other: &Self) -> Self {
        Self {
            ty: self.ty.join(&other.ty),
            len: self.len.max(other.len),
            items: self.items.max(other.items),
            text: self.text.max(other.text),
            weight: self.weight.max(other.weight),
        }
    }

    /// A list of `len` entries that are each like this one.
    pub(super) fn repeated(&self, len: u64) -> Self {
        Self {
            ty: Ty::List(Arc::new(self.ty.clone())),
            len,
            items: self.items.max(if self.may_be_text() == Some(true) { 0 } else { self.len }),
            text: self.text.max(if self.may_be_text() == Some(false) { 0 } else { self.len }),
            weight: len.saturating_mul(self.weight).saturating_add(1),
        }
    }

    /// Whether `len` is that of a text; `None` when that is known only later.
    const fn may_be_text(&self) -> Option<bool> {
        match self.ty {
            Ty::Text | Ty::Bytes | Ty::Url => Some(true),
            Ty::List(_) | Ty::Map(_) | Ty::Object(_) => Some(false),
            _ => None,
        }
    }

    /// The entries of a list, the keys of a map.
    pub(super) fn entry(&self) -> Option<Self> {
        match &self.ty {
            Ty::Dyn => Some(self.inside(Ty::Dyn)),
            Ty::List(item) => Some(self.inside((**item).clone())),
            Ty::Map(_) | Ty::Object(_) => Some(self.inside(Ty::Text)),
            _ => None,
        }
    }
}

/// A ManagedCluster, by the schema that its objects are checked by.
pub(super) static CLUSTER: LazyLock<Ty> = LazyLock::new(|| {
    let document = serde_json::from_str(fleetlog_messages::SCHEMA).unwrap_or_default();
    of_schema(&document, &document["definitions"]["fleetlog.registration.v1.ManagedCluster"])
});

/// The scores of an AddOnPlacementScore.
pub(super) static SCORES: LazyLock<Ty> = LazyLock::new(|| {
    let score = [("name".to_owned(), Ty::Text), ("value".to_owned(), Ty::Int)];
    Ty::List(Arc::new(Ty::Object(Arc::new(score.into()))))
});

fn of_schema(document: &serde_json::Value, schema: &serde_json::Value) -> Ty {
    let schema = match schema["allOf"][0]["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or(schema),
        None => schema,
    };
    let below = |schema| Arc::new(of_schema(document, schema));
    match schema["type"].as_str() {
        Some("string") => Ty::Text,
        Some("boolean") => Ty::Bool,
        Some("integer") => Ty::Int,
        Some("array") => Ty::List(below(&schema["items"])),
        Some("object") => match schema["properties"].as_object() {
            Some(fields) => {
                let field = |(name, schema): (&String, &serde_json::Value)| {
                    (name.clone(), of_schema(document, schema))
                };
                Ty::Object(Arc::new(fields.iter().map(field).collect()))
            }
            None => Ty::Map(below(&schema["additionalProperties"])),
        },
        _ => Ty::Dyn,
    }
}
