//! Rules of roles: what each allows, and the single things that it is made of.

use super::caller::Ask;
use serde_json::Value;

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    #[serde(deserialize_with = "list")]
    pub(super) verbs: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub(super) api_groups: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub(super) resource_names: Vec<String>,
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) paths: Vec<String>,
}

/// A list that may be null.
fn list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let list: Option<Vec<String>> = serde::Deserialize::deserialize(from)?;
    Ok(list.unwrap_or_default())
}

const ANY: &str = "*";

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one == ANY || one == wanted)
}

impl Rule {
    /// What allows everything.
    #[must_use]
    pub fn everything() -> Self {
        let any = || vec![ANY.to_owned()];
        let (verbs, api_groups, resources, paths) = (any(), any(), any(), any());
        Self { verbs, api_groups, resources, paths, ..Self::default() }
    }

    pub(super) fn allows(&self, ask: &Ask) -> bool {
        if !has(&self.verbs, &ask.verb) {
            return false;
        }
        if !ask.path.is_empty() {
            return self.paths.iter().any(|path| is_path(path, &ask.path));
        }
        let named = self.resource_names.is_empty() || self.resource_names.contains(&ask.name);
        has(&self.api_groups, &ask.group) && named && self.is_about(ask)
    }

    fn is_about(&self, ask: &Ask) -> bool {
        let (whole, any) = (ask.whole(), format!("*/{}", ask.subresource));
        let part = !ask.subresource.is_empty();
        self.resources.iter().any(|one| one == ANY || *one == whole || (part && *one == any))
    }

    /// The rule as single things, so that each can be looked for in what somebody holds; a name
    /// that is empty stands for all.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = vec![];
        let names = self.resource_names.iter().map(String::as_str);
        let names: Vec<&str> =
            if self.resource_names.is_empty() { vec![""] } else { names.collect() };
        for verb in &self.verbs {
            let part = Part { verb, ..Part::default() };
            parts.extend(self.paths.iter().map(|path| Part { path, ..part }));
            for group in &self.api_groups {
                for resource in &self.resources {
                    parts.extend(names.iter().map(|name| Part { group, resource, name, ..part }));
                }
            }
        }
        parts
    }

    /// How many single things that are.
    #[must_use]
    pub fn breadth(&self) -> usize {
        let names = self.resource_names.len().max(1);
        let things = self.api_groups.len().saturating_mul(self.resources.len());
        let each = things.saturating_mul(names).saturating_add(self.paths.len());
        self.verbs.len().saturating_mul(each)
    }

    pub(super) fn covers(&self, part: &Part<'_>) -> bool {
        if !has(&self.verbs, part.verb) {
            return false;
        }
        if !part.path.is_empty() {
            return self.paths.iter().any(|path| path == part.path || is_path(path, part.path));
        }
        let named = self.resource_names.is_empty()
            || (!part.name.is_empty() && self.resource_names.iter().any(|n| n == part.name));
        let any = part.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        let about = has(&self.resources, part.resource)
            || any.is_some_and(|any| self.resources.contains(&any));
        has(&self.api_groups, part.group) && named && about
    }
}

/// One thing that a rule allows.
#[derive(Clone, Copy, Default)]
pub(super) struct Part<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    name: &'a str,
    path: &'a str,
}

fn is_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix(ANY) {
        Some(start) => path.starts_with(start),
        None => pattern == path,
    }
}

/// The rules of an object.
#[must_use]
pub fn rules(object: &Value) -> Vec<Rule> {
    let rules = object["rules"].as_array().into_iter().flatten();
    rules.filter_map(|rule| serde_json::from_value(rule.clone()).ok()).collect()
}

/// A rule as a refusal says it.
#[must_use]
pub fn told(rule: &Rule) -> String {
    let mut parts = vec![];
    let all = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("ResourceNames", &rule.resource_names),
        ("NonResourceURLs", &rule.paths),
        ("Verbs", &rule.verbs),
    ];
    for (name, list) in all.into_iter().filter(|(_, list)| !list.is_empty()) {
        parts.push(format!("{name}:{list:?}"));
    }
    format!("{{{}}}", parts.join(", "))
}
