//! Why an object is not let in: a code, a sentence that names the place, an advice.

use fleetlog_kernel::NameError;
use fleetlog_messages::common;

/// What is wrong with a text or an object. `ops/runbooks` has a page per code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The text is neither YAML nor JSON.
    #[error("the text is not {language}: {reason}")]
    Text {
        /// `YAML` or `JSON`.
        language: &'static str,
        /// The parser's words, in one line.
        reason: String,
    },
    /// A key stands twice in one map.
    #[error("\"{path}\" stands twice")]
    Duplicate {
        /// Where.
        path: String,
    },
    /// A document that is no object.
    #[error("the document is {found}, not an object")]
    NoObject {
        /// What it is.
        found: &'static str,
    },
    /// A kind that the hub does not serve.
    #[error("there is no kind \"{kind}\" in \"{api_version}\"")]
    UnknownKind {
        /// The given apiVersion.
        api_version: String,
        /// The given kind.
        kind: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// A field that the kind does not have.
    #[error("unknown field \"{path}\"")]
    UnknownField {
        /// Where.
        path: String,
        /// The field that may have been meant.
        near: Option<String>,
    },
    /// A value of another type.
    #[error("\"{path}\" is {found}, not {wanted}")]
    WrongType {
        /// Where.
        path: String,
        /// What is wanted there.
        wanted: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A field that must be given.
    #[error("\"{path}\" is missing")]
    Missing {
        /// Where.
        path: String,
    },
    /// A value that a rule of the schema forbids.
    #[error("\"{path}\" is {found}: {rule}")]
    Invalid {
        /// Where.
        path: String,
        /// The value, shortened.
        found: String,
        /// The rule.
        rule: String,
    },
    /// A name that Kubernetes would refuse.
    #[error("\"{path}\": {error}")]
    Name {
        /// Where.
        path: String,
        /// The rule it breaks.
        error: NameError,
    },
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Text { .. } => "OBJ0001",
            Self::Duplicate { .. } => "OBJ0002",
            Self::NoObject { .. } => "OBJ0003",
            Self::UnknownKind { .. } => "OBJ0004",
            Self::UnknownField { .. } => "OBJ0005",
            Self::WrongType { .. } => "OBJ0006",
            Self::Missing { .. } => "OBJ0007",
            Self::Invalid { .. } => "OBJ0008",
            Self::Name { .. } => "OBJ0009",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Text { .. } => "correct the text at that place".to_owned(),
            Self::Duplicate { .. } => "keep one of the two".to_owned(),
            Self::NoObject { .. } => {
                "begin the document with \"apiVersion:\" and \"kind:\"".to_owned()
            }
            Self::UnknownKind { near: Some(near), .. } => format!("did you mean \"{near}\"?"),
            Self::UnknownKind { near: None, .. } => {
                "use a kind of cluster.open-cluster-management.io or \
                 work.open-cluster-management.io; objects of member clusters go into a ManifestWork"
                    .to_owned()
            }
            Self::UnknownField { near: Some(near), .. } => format!("did you mean \"{near}\"?"),
            Self::UnknownField { near: None, .. } => "take the field out".to_owned(),
            Self::WrongType { wanted, .. } => format!("write {wanted} there"),
            Self::Missing { path } => format!("add \"{path}\""),
            Self::Invalid { .. } => "give a value that keeps the rule".to_owned(),
            Self::Name { .. } => "choose a name that Kubernetes takes".to_owned(),
        }
    }
}

impl From<&Refusal> for common::Refusal {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code().to_owned(),
            sentence: refusal.to_string(),
            advice: refusal.advice(),
        }
    }
}

/// What a value is, for people.
pub(crate) fn name_of(value: &serde_json::Value) -> &'static str {
    use serde_json::Value;
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
