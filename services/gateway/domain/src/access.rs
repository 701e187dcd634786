//! Who may do what: roles and their bindings, as Kubernetes judges by them (spec/gateway 7.3 to
//! 7.5). A binding counts from the moment it is taken in.

mod caller;
mod rule;

pub use caller::{ANONYMOUS, AUTHENTICATED, Ask, Caller, MASTERS};
pub use rule::{Rule, rules, told};

use crate::view::Key;
use fleetlog_rules::labels::{Labels, Selector};
use rule::Part;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

/// What lies in a namespace, or in none, by name.
type Place = (Option<String>, String);

#[derive(Debug, Default)]
struct Role {
    rules: Vec<Rule>,
    labels: Labels,
    /// Whose rules it has instead of its own.
    gathers: Option<Gathers>,
}

/// Cluster roles by their labels.
#[derive(Debug, Default)]
struct Gathers {
    selectors: Vec<Selector>,
    /// Which there are.
    names: BTreeSet<String>,
}

impl Gathers {
    fn note(&mut self, name: &str, labels: Option<&Labels>) {
        let selects = |labels: &Labels| self.selectors.iter().any(|one| one.matches(labels));
        match labels.is_some_and(selects) {
            true => self.names.insert(name.to_owned()),
            false => self.names.remove(name),
        };
    }
}

#[derive(Debug)]
struct Binding {
    role: Place,
    subjects: BTreeSet<String>,
}

/// All roles and bindings. A question costs what its caller is bound to, however many there are.
#[derive(Debug, Default)]
pub struct Access {
    roles: BTreeMap<Place, Role>,
    /// The cluster roles that gather others.
    gathering: BTreeSet<String>,
    bindings: BTreeMap<Place, Binding>,
    /// The names of the bindings of a subject in a namespace, or in none.
    of_subject: BTreeMap<(String, Option<String>), BTreeSet<String>>,
}

impl Access {
    /// Takes in what became of an object; of other kinds than roles and bindings nothing follows.
    pub fn note(&mut self, kind: &str, key: &Key, object: Option<&Value>) {
        let scope = Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let place = (scope, key.name.clone());
        match kind {
            "Role" | "ClusterRole" => self.take(place, object.map(role)),
            "RoleBinding" | "ClusterRoleBinding" => self.bind(place, object),
            _ => {}
        }
    }

    fn take(&mut self, place: Place, mut role: Option<Role>) {
        if place.0.is_none() {
            self.gather(&place.1, role.as_mut());
        }
        match role {
            Some(role) => drop(self.roles.insert(place, role)),
            None => drop(self.roles.remove(&place)),
        }
    }

    /// Keeps who gathers whom, when a cluster role comes, changes or goes.
    fn gather(&mut self, name: &str, role: Option<&mut Role>) {
        self.gathering.remove(name);
        let labels = role.as_ref().map(|role| &role.labels);
        for by in &self.gathering {
            let by = self.roles.get_mut(&(None, by.clone()));
            if let Some(gathers) = by.and_then(|by| by.gathers.as_mut()) {
                gathers.note(name, labels);
            }
        }
        let Some(gathers) = role.and_then(|role| role.gathers.as_mut()) else { return };
        let others = self.roles.iter().take_while(|((scope, _), _)| scope.is_none());
        for ((_, other), role) in others.filter(|((_, other), _)| other != name) {
            gathers.note(other, Some(&role.labels));
        }
        self.gathering.insert(name.to_owned());
    }

    fn bind(&mut self, place: Place, object: Option<&Value>) {
        let old = self.bindings.remove(&place);
        for subject in old.into_iter().flat_map(|binding| binding.subjects) {
            let at = (subject, place.0.clone());
            if let Some(names) = self.of_subject.get_mut(&at) {
                names.remove(&place.1);
                if names.is_empty() {
                    self.of_subject.remove(&at);
                }
            }
        }
        let Some(binding) = object.map(|object| binding(&place, object)) else { return };
        for subject in &binding.subjects {
            let at = (subject.clone(), place.0.clone());
            self.of_subject.entry(at).or_default().insert(place.1.clone());
        }
        self.bindings.insert(place, binding);
    }

    /// Whether somebody may do something; why, in words, if so.
    #[must_use]
    pub fn allows(&self, caller: &Caller, ask: &Ask) -> Option<String> {
        if caller.is_master() {
            return Some(format!("group \"{MASTERS}\" may do everything"));
        }
        self.held(caller, &ask.namespace).find_map(|(place, role)| {
            // A binding in a namespace says nothing of paths, nor of what lies in none.
            let counts = place.0.is_none() || (ask.path.is_empty() && !ask.namespace.is_empty());
            if !counts || !self.rules(role).any(|rule| rule.allows(ask)) {
                return None;
            }
            let named = match &place.0 {
                None => format!("ClusterRoleBinding \"{}\"", place.1),
                Some(namespace) => format!("RoleBinding \"{}/{namespace}\"", place.1),
            };
            let kind = if role.0.is_some() { "Role" } else { "ClusterRole" };
            Some(format!("RBAC: allowed by {named} of {kind} \"{}\" to {}", role.1, caller.user))
        })
    }

    /// The roles that somebody is bound to in a namespace (none: everywhere), by binding.
    fn held(&self, caller: &Caller, namespace: &str) -> impl Iterator<Item = (Place, &Place)> {
        let here = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
        let groups = caller.groups.iter().map(|group| format!("Group:{group}"));
        let subjects = once(format!("User:{}", caller.user)).chain(groups);
        let at = subjects.flat_map(move |subject| {
            let there = here.clone().map(|here| (subject.clone(), Some(here)));
            once((subject, None)).chain(there)
        });
        at.flat_map(|at| {
            let names = self.of_subject.get(&at).into_iter().flatten();
            names.map(move |name| (at.1.clone(), name.clone()))
        })
        .filter_map(|place| self.bindings.get(&place).map(|binding| (place, &binding.role)))
    }

    /// The rules of a role; of one that gathers, those of all whose labels it selects.
    fn rules(&self, place: &Place) -> impl Iterator<Item = &Rule> {
        let role = self.roles.get(place);
        let gathers = role.and_then(|role| role.gathers.as_ref());
        let own = role.filter(|role| role.gathers.is_none());
        let names = gathers.into_iter().flat_map(|gathers| &gathers.names);
        let gathered = names.filter_map(|name| self.roles.get(&(None, name.clone())));
        own.into_iter().chain(gathered).flat_map(|role| &role.rules)
    }

    fn rules_held(&self, caller: &Caller, namespace: &str) -> impl Iterator<Item = &Rule> {
        self.held(caller, namespace).flat_map(|(_, role)| self.rules(role))
    }

    /// Everything that somebody may do in a namespace: rules of resources, and of paths.
    #[must_use]
    pub fn listed(&self, caller: &Caller, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        let master = caller.is_master().then(Rule::everything);
        let held = self.rules_held(caller, namespace);
        let (mut resources, mut paths) = (vec![], vec![]);
        for rule in master.iter().chain(held) {
            if !rule.resources.is_empty() {
                resources.push(json!({
                    "verbs": rule.verbs, "apiGroups": rule.api_groups,
                    "resources": rule.resources, "resourceNames": rule.resource_names,
                }));
            }
            if !rule.paths.is_empty() {
                paths.push(json!({ "verbs": rule.verbs, "nonResourceURLs": rule.paths }));
            }
        }
        (resources, paths)
    }

    /// The rules among `wanted` that somebody does not hold himself in a namespace.
    #[must_use]
    pub fn lacks(&self, caller: &Caller, namespace: &str, wanted: &[Rule]) -> Vec<Rule> {
        if caller.is_master() {
            return vec![];
        }
        let held: Vec<&Rule> = self.rules_held(caller, namespace).collect();
        let covered = |part: &Part<'_>| held.iter().any(|rule| rule.covers(part));
        wanted.iter().filter(|rule| !rule.parts().iter().all(covered)).cloned().collect()
    }

    /// The rules that a role has now, by the reference of a binding in a namespace; `None` where
    /// there is no such role.
    #[must_use]
    pub fn rules_of(&self, kind: &str, name: &str, namespace: &str) -> Option<Vec<Rule>> {
        let scope = (kind == "Role").then(|| namespace.to_owned());
        let place = (scope, name.to_owned());
        self.roles.contains_key(&place).then(|| self.rules(&place).cloned().collect())
    }
}

fn role(object: &Value) -> Role {
    let labels = object["metadata"]["labels"].as_object();
    let label = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let selectors = object["aggregationRule"]["clusterRoleSelectors"].as_array();
    let selector = |given: &Value| {
        let given = serde_json::from_value(given.clone()).ok()?;
        Selector::of(&given).ok()
    };
    Role {
        rules: rules(object),
        labels: labels.into_iter().flatten().filter_map(label).collect(),
        gathers: selectors.map(|all| {
            let selectors = all.iter().filter_map(selector).collect();
            Gathers { selectors, ..Gathers::default() }
        }),
    }
}

fn binding(place: &Place, object: &Value) -> Binding {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let reference = &object["roleRef"];
    let scope = if reference["kind"] == "Role" { place.0.clone() } else { None };
    let subject = |subject: &Value| match subject["kind"].as_str()? {
        "User" => Some(format!("User:{}", text(&subject["name"]))),
        "Group" => Some(format!("Group:{}", text(&subject["name"]))),
        "ServiceAccount" => {
            let namespace = subject["namespace"].as_str().map(str::to_owned);
            let namespace = namespace.or_else(|| place.0.clone())?;
            Some(format!("User:system:serviceaccount:{namespace}:{}", text(&subject["name"])))
        }
        _ => None,
    };
    let subjects = object["subjects"].as_array().into_iter().flatten();
    Binding {
        role: (scope, text(&reference["name"])),
        subjects: subjects.filter_map(subject).collect(),
    }
}

#[cfg(test)]
mod tests;
