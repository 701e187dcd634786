//! Discovery: which groups, versions and resources there are, in the plain and the aggregated
//! form. Serves no objects.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::{Kind, version_rank};
use crate::state::State;

const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS: &[&str] = &["get", "patch", "update"];

/// `/version`, from a text like `v1.36.1`.
pub(crate) fn version(git_version: &str) -> Value {
    let mut parts = git_version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    json!({
        "major": major, "minor": minor, "gitVersion": git_version,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": "simulated",
    })
}

/// `/api` in the plain form.
pub(crate) fn core() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// A version of a group, and what it serves.
struct Version<'a> {
    name: &'a str,
    kinds: Vec<&'a Arc<Kind>>,
}

impl State {
    /// Every group with its versions, the preferred one first, and their kinds.
    fn groups(&self) -> BTreeMap<&str, Vec<Version<'_>>> {
        let mut groups: BTreeMap<&str, Vec<Version<'_>>> = BTreeMap::new();
        for kind in self.kinds() {
            let versions = groups.entry(&kind.group).or_default();
            for name in &kind.versions {
                match versions.iter_mut().find(|version| version.name == name) {
                    Some(version) => version.kinds.push(kind),
                    None => versions.push(Version { name, kinds: vec![kind] }),
                }
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by_key(|version| Reverse(version_rank(version.name)));
        }
        groups
    }

    /// `/apis`
    pub(crate) fn group_list(&self) -> Value {
        let groups = self.groups();
        let list: Vec<Value> = groups
            .keys()
            .filter(|group| !group.is_empty())
            .filter_map(|group| self.group(group).ok())
            .collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
    }

    /// `/apis/<group>`
    pub(crate) fn group(&self, group: &str) -> Result<Value, Failure> {
        let groups = self.groups();
        let versions =
            groups.get(group).filter(|_| !group.is_empty()).ok_or_else(Failure::no_such_path)?;
        let versions: Vec<Value> = versions
            .iter()
            .map(|Version { name, .. }| {
                json!({"groupVersion": format!("{group}/{name}"), "version": name})
            })
            .collect();
        let preferred = versions.first().cloned();
        Ok(json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": group,
            "versions": versions, "preferredVersion": preferred,
        }))
    }

    /// `/apis/<group>/<version>`
    pub(crate) fn resources(&self, group: &str, version: &str) -> Result<Value, Failure> {
        let kinds: Vec<&Arc<Kind>> = self
            .kinds()
            .filter(|kind| kind.group == group && kind.versions.iter().any(|v| v == version))
            .collect();
        let Some(first) = kinds.first() else { return Err(Failure::no_such_path()) };
        let list: Vec<Value> = kinds.iter().flat_map(|kind| entries(kind)).collect();
        Ok(json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": first.api_version(version), "resources": list,
        }))
    }

    /// `/api` (for the core group) or `/apis` (for the others) in the aggregated form.
    pub(crate) fn aggregated(&self, core: bool) -> Value {
        let groups = self.groups();
        let items: Vec<Value> = groups
            .iter()
            .filter(|(group, _)| group.is_empty() == core)
            .map(|(group, versions)| {
                let versions: Vec<Value> = versions
                    .iter()
                    .map(|Version { name, kinds }| {
                        let resources: Vec<Value> =
                            kinds.iter().map(|kind| aggregate(kind, name)).collect();
                        json!({"version": name, "freshness": "Current", "resources": resources})
                    })
                    .collect();
                json!({"metadata": {"name": group}, "versions": versions})
            })
            .collect();
        json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {}, "items": items,
        })
    }
}

fn entries(kind: &Kind) -> Vec<Value> {
    let entry = |name: String, verbs: &[&str]| {
        json!({
            "name": name, "singularName": "", "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": verbs,
        })
    };
    let mut main = entry(kind.plural.clone(), VERBS);
    main["singularName"] = kind.singular.as_str().into();
    if !kind.short.is_empty() {
        main["shortNames"] = json!(kind.short);
    }
    let status = kind.status.then(|| entry(format!("{}/status", kind.plural), STATUS_VERBS));
    std::iter::once(main).chain(status).collect()
}

fn aggregate(kind: &Kind, version: &str) -> Value {
    let response = json!({"group": kind.group, "version": version, "kind": kind.kind});
    let subresources = if kind.status {
        json!([{"subresource": "status", "responseKind": response, "verbs": STATUS_VERBS}])
    } else {
        json!([])
    };
    json!({
        "resource": kind.plural, "responseKind": response,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular, "shortNames": kind.short,
        "verbs": VERBS, "subresources": subresources,
    })
}
