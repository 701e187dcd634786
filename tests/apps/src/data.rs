//! The applications, as lists of objects in the order of their files.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::path::Path;

/// 35 objects in one file, without namespaces.
///
/// # Errors
/// A file that cannot be read.
pub fn online_boutique() -> Result<Vec<Value>> {
    read(&root().join("../../ops/cli/demo/online-boutique.yaml"))
}

/// A namespace, RBAC, jobs, an admission webhook.
///
/// # Errors
/// A file that cannot be read.
pub fn ingress_nginx() -> Result<Vec<Value>> {
    read(&root().join("data/ingress-nginx.yaml"))
}

/// 95 files of 5.6 MB: definitions, objects of their kinds, and lists (taken apart here, as a work
/// holds single objects).
///
/// # Errors
/// A file that cannot be read.
pub fn kube_prometheus() -> Result<Vec<Value>> {
    let folder = root().join("data/kube-prometheus");
    let mut files = std::fs::read_dir(&folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("read \"{}\"", folder.display()))?;
    files.sort();
    let mut objects = vec![];
    for file in files {
        for object in read(&file)? {
            match object.get("items").and_then(Value::as_array) {
                Some(items) => objects.extend(items.iter().cloned()),
                None => objects.push(object),
            }
        }
    }
    Ok(objects)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> Result<Vec<Value>> {
    let name = || format!("read \"{}\"", file.display());
    let text = std::fs::read_to_string(file).with_context(name)?;
    fleetlog_objects::yaml(&text).with_context(name)
}
