//! Reads a bundle: the JSON array of a work's manifests. Checks what the hub must know before it
//! promises to deliver them (spec 1.2); what a manifest means is the member cluster's business.

use crate::refusal::Refusal;
use fleetlog_messages::work::Bundle;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// How many bytes the manifests of one work may have together: over a hundred times what OCM takes
/// (spec 1.2), because bodies lie in BLOBS and no message carries them.
pub const LIMIT: u64 = 64 * 1024 * 1024;

/// What is wrong with one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Its place in the work, from 0.
    pub index: usize,
    /// What is wrong.
    pub kind: FlawKind,
}

/// The ways in which a manifest cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// Not a JSON object.
    NoObject,
    /// A field that every object has is missing or empty.
    Missing(&'static str),
    /// Its name is left to the member cluster: then nobody could find it again.
    GeneratedName,
    /// The same object twice.
    Again {
        /// Where it stands first.
        first: usize,
        /// Which object.
        object: String,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"manifests[{}]\" ", self.index)?;
        match &self.kind {
            FlawKind::NoObject => f.write_str("is no object"),
            FlawKind::Missing(field) => write!(f, "has no \"{field}\""),
            FlawKind::GeneratedName => f.write_str("uses \"metadata.generateName\""),
            FlawKind::Again { first, object } => {
                write!(f, "is \"{object}\", as is \"manifests[{first}]\"")
            }
        }
    }
}

/// Checks a bundle against what was said of it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(said: &Bundle, body: &[u8]) -> Result<(), Refusal> {
    let manifests = read(body)?;
    if body.len() as u64 != said.size {
        let difference = format!("have {} bytes, not {}", body.len(), said.size);
        return Err(Refusal::OtherBundle { difference });
    }
    check_each(said, &manifests)
}

/// Checks what the manifests of a bundle are known by, where the bundle itself is not handed over.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_outline(said: &Bundle, outline: &[u8]) -> Result<(), Refusal> {
    check_each(said, &read(outline)?)
}

fn check_each(said: &Bundle, manifests: &[Value]) -> Result<(), Refusal> {
    if manifests.len() as u64 != u64::from(said.count) {
        let difference = format!("are {}, not {}", manifests.len(), said.count);
        return Err(Refusal::OtherBundle { difference });
    }
    fits(said)?;
    let mut seen = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let flaw = |kind| Refusal::BadManifest(Flaw { index, kind });
        let object = identity(manifest).map_err(flaw)?;
        if let Some(first) = seen.insert(object.clone(), index) {
            return Err(flaw(FlawKind::Again { first, object }));
        }
    }
    Ok(())
}

/// The manifests of a bundle, in the user's order.
///
/// # Errors
/// When it is no JSON array.
pub fn read(body: &[u8]) -> Result<Vec<Value>, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::OtherBundle {
        difference: format!("are no list of objects: {error}"),
    })
}

/// Refuses bundles that are empty or too large.
///
/// # Errors
/// Either refusal.
pub fn fits(bundle: &Bundle) -> Result<(), Refusal> {
    if bundle.count == 0 {
        return Err(Refusal::NoManifests);
    }
    // Two brackets, and a comma between two manifests, are not the user's.
    let size = bundle.size.saturating_sub(u64::from(bundle.count) + 1);
    if size > LIMIT { Err(Refusal::TooLarge { size, limit: LIMIT }) } else { Ok(()) }
}

fn identity(manifest: &Value) -> Result<String, FlawKind> {
    if !manifest.is_object() {
        return Err(FlawKind::NoObject);
    }
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let required = |pointer, field| match text(pointer) {
        "" => Err(FlawKind::Missing(field)),
        found => Ok(found),
    };
    let version = required("/apiVersion", "apiVersion")?;
    let kind = required("/kind", "kind")?;
    if !text("/metadata/generateName").is_empty() {
        return Err(FlawKind::GeneratedName);
    }
    let name = required("/metadata/name", "metadata.name")?;
    let namespace = text("/metadata/namespace");
    Ok(format!("{version} {kind} {namespace}/{name}"))
}
