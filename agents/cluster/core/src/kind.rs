//! How objects of a member cluster are named: kinds, resources and single objects. What a cluster
//! knows of its kinds is asked by the shell.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A kind as manifests name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, `v1`.
    pub version: String,
    /// The kind, `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// Reads `apiVersion` and `kind`; `None` when one is missing or malformed.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let (api, kind) = (text("apiVersion")?, text("kind")?);
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        if version.is_empty() || version.contains('/') {
            return None;
        }
        Some(Self { group: group.into(), version: version.into(), kind: kind.into() })
    }

    /// `apps/v1` or `v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// `group/version`, or the version alone in the core group.
#[must_use]
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One name in the whole cluster.
    Cluster,
    /// One name in each namespace.
    Namespaced,
}

/// What a cluster says of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The plural name in paths, `deployments`.
    pub plural: String,
    /// Where its objects live.
    pub scope: Scope,
}

/// The kinds that are known.
pub type Kinds = BTreeMap<Gvk, Kind>;

/// One object, whatever version it is spoken of in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name.
    pub resource: String,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        let Self { group, resource, namespace, name } = self;
        write!(f, "{resource}{dot}{group} {namespace}{slash}{name}")
    }
}

/// One object and the version to speak of it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Which object.
    pub key: ObjectKey,
    /// The API version.
    pub version: String,
}

impl Resource {
    /// `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        api_version(&self.key.group, &self.version)
    }

    /// The watch that covers it.
    #[must_use]
    pub fn watch(&self) -> WatchKey {
        WatchKey {
            group: self.key.group.clone(),
            version: self.version.clone(),
            resource: self.key.resource.clone(),
            namespace: self.key.namespace.clone(),
        }
    }
}

/// One watch: a resource in one namespace, or cluster-wide when it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchKey {
    /// The API group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The plural name.
    pub resource: String,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
}

/// Whether the server says that a `CustomResourceDefinition` is established.
#[must_use]
pub fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    let is = |condition: &Value, key: &str, value: &str| {
        condition.get(key).and_then(Value::as_str) == Some(value)
    };
    conditions.is_some_and(|all| {
        all.iter().any(|c| is(c, "type", "Established") && is(c, "status", "True"))
    })
}

/// The kinds that a `CustomResourceDefinition` brings; none for anything else.
#[must_use]
pub fn kinds_of_definition(object: &Value) -> Kinds {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let is_one = text("/kind").as_deref() == Some("CustomResourceDefinition");
    let named = (text("/spec/group"), text("/spec/names/kind"), text("/spec/names/plural"));
    let (true, (Some(group), Some(kind), Some(plural))) = (is_one, named) else {
        return Kinds::new();
    };
    let scope = match text("/spec/scope").as_deref() {
        Some("Cluster") => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let versions = versions.into_iter().flatten().filter_map(|v| v.get("name")?.as_str());
    versions
        .map(|version| {
            let gvk = Gvk { group: group.clone(), version: version.into(), kind: kind.clone() };
            (gvk, Kind { plural: plural.clone(), scope })
        })
        .collect()
}
