//! Who may do what: roles and their bindings, as Kubernetes judges by them (spec/gateway 7.3 to
//! 7.5). A binding counts from the moment it is taken in.

use crate::view::Key;
use fleetlog_rules::labels::{Labels, Selector};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who may do everything.
pub const MASTERS: &str = "system:masters";

/// Who has shown who he is.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Who has not: the user and the group.
pub const ANONYMOUS: (&str, &str) = ("system:anonymous", "system:unauthenticated");

/// Somebody, with the groups that he is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
    /// The uid of a service account; empty for others.
    pub uid: String,
    /// What else is known of him.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Caller {
    /// Somebody of these groups who has shown who he is.
    #[must_use]
    pub fn known(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Self { user: user.to_owned(), groups, ..Self::default() }
    }

    /// Who has not.
    #[must_use]
    pub fn anonymous() -> Self {
        let (user, group) = ANONYMOUS;
        Self { user: user.to_owned(), groups: vec![group.to_owned()], ..Self::default() }
    }

    /// Whether he has shown who he is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.groups.iter().any(|group| group == AUTHENTICATED)
    }

    /// Whether he may do everything.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

/// Something that may be allowed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What is done.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The plural, or whatever roles name.
    pub resource: String,
    /// A part of it.
    pub subresource: String,
    /// The namespace; empty for all, and for kinds without.
    pub namespace: String,
    /// The object; empty for all.
    pub name: String,
    /// A path that is no resource; everything but the verb is empty then.
    pub path: String,
}

impl Ask {
    /// A verb on a resource of a group, on one object of it.
    #[must_use]
    pub fn on(verb: &str, (group, resource): (&str, &str), name: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn whole(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            part => format!("{}/{part}", self.resource),
        }
    }
}

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    #[serde(deserialize_with = "list")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    api_groups: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "list",
        skip_serializing_if = "Vec::is_empty"
    )]
    paths: Vec<String>,
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

    fn allows(&self, ask: &Ask) -> bool {
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
    fn parts(&self) -> Vec<Part<'_>> {
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

    fn covers(&self, part: &Part<'_>) -> bool {
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
struct Part<'a> {
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

/// A role of a namespace, or of the cluster where there is none.
type RoleKey = (Option<String>, String);

#[derive(Clone, Debug, Default)]
struct Role {
    rules: Arc<[Rule]>,
    labels: Labels,
    /// Whose rules it has instead of its own.
    gathers: Option<Vec<Selector>>,
}

#[derive(Clone, Debug)]
struct Binding {
    role: RoleKey,
    subjects: BTreeSet<String>,
}

/// All roles and bindings.
#[derive(Clone, Debug, Default)]
pub struct Access {
    roles: BTreeMap<RoleKey, Role>,
    bindings: BTreeMap<RoleKey, Binding>,
    /// The bindings of each subject.
    of_subject: BTreeMap<String, BTreeSet<RoleKey>>,
}

impl Access {
    /// Takes in what became of an object; of other kinds than roles and bindings nothing follows.
    pub fn note(&mut self, kind: &str, key: &Key, object: Option<&Value>) {
        let scope = Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let place = (scope, key.name.clone());
        match kind {
            "Role" | "ClusterRole" => match object {
                Some(object) => drop(self.roles.insert(place, role(object))),
                None => drop(self.roles.remove(&place)),
            },
            "RoleBinding" | "ClusterRoleBinding" => self.bind(place, object),
            _ => {}
        }
    }

    fn bind(&mut self, place: RoleKey, object: Option<&Value>) {
        let old = self.bindings.remove(&place);
        for subject in old.into_iter().flat_map(|binding| binding.subjects) {
            if let Some(all) = self.of_subject.get_mut(&subject) {
                all.remove(&place);
                if all.is_empty() {
                    self.of_subject.remove(&subject);
                }
            }
        }
        let Some(binding) = object.map(|object| binding(&place, object)) else { return };
        for subject in &binding.subjects {
            self.of_subject.entry(subject.clone()).or_default().insert(place.clone());
        }
        self.bindings.insert(place, binding);
    }

    /// Whether somebody may do something; why, in words, if so.
    #[must_use]
    pub fn allows(&self, caller: &Caller, ask: &Ask) -> Option<String> {
        if caller.is_master() {
            return Some(format!("group \"{MASTERS}\" may do everything"));
        }
        let mut held = self.held(caller, &ask.namespace);
        held.find_map(|(place, rules)| {
            let named = match &place.0 {
                None => format!("ClusterRoleBinding \"{}\"", place.1),
                Some(namespace) => format!("RoleBinding \"{}/{namespace}\"", place.1),
            };
            let role = &self.bindings.get(place)?.role;
            let kind = if role.0.is_some() { "Role" } else { "ClusterRole" };
            // A binding in a namespace says nothing of paths, nor of what lies in none.
            let counts = place.0.is_none() || (ask.path.is_empty() && !ask.namespace.is_empty());
            let allowed = counts && rules.iter().any(|rule| rule.allows(ask));
            allowed.then(|| {
                format!("RBAC: allowed by {named} of {kind} \"{}\" to {}", role.1, caller.user)
            })
        })
    }

    /// The rules that somebody holds in a namespace (none: everywhere), by binding.
    fn held<'a>(
        &'a self,
        caller: &'a Caller,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a RoleKey, Vec<Rule>)> {
        let groups = caller.groups.iter().map(|group| format!("Group:{group}"));
        let subjects = std::iter::once(format!("User:{}", caller.user)).chain(groups);
        let bindings = subjects.filter_map(|subject| self.of_subject.get(&subject)).flatten();
        let bindings = bindings.filter(move |(scope, _)| {
            scope.is_none() || scope.as_deref().is_some_and(|scope| scope == namespace)
        });
        bindings.filter_map(|place| {
            let binding = self.bindings.get(place)?;
            Some((place, self.rules(&binding.role)))
        })
    }

    /// The rules of a role; of one that gathers, those of all whose labels it selects.
    fn rules(&self, place: &RoleKey) -> Vec<Rule> {
        let Some(role) = self.roles.get(place) else { return vec![] };
        let Some(selectors) = &role.gathers else { return role.rules.to_vec() };
        let cluster = self.roles.iter().filter(|((scope, _), _)| scope.is_none());
        let gathered =
            cluster.filter(|(_, other)| selectors.iter().any(|s| s.matches(&other.labels)));
        gathered.flat_map(|(_, other)| other.rules.to_vec()).collect()
    }

    /// Everything that somebody may do in a namespace: rules of resources, and of paths.
    #[must_use]
    pub fn listed(&self, caller: &Caller, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        let master = caller.is_master().then(Rule::everything);
        let held = self.held(caller, namespace).flat_map(|(_, rules)| rules);
        let (mut resources, mut paths) = (vec![], vec![]);
        for rule in master.into_iter().chain(held) {
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
        let held: Vec<Rule> = self.held(caller, namespace).flat_map(|(_, rules)| rules).collect();
        let covered = |part: &Part<'_>| held.iter().any(|rule| rule.covers(part));
        wanted.iter().filter(|rule| !rule.parts().iter().all(covered)).cloned().collect()
    }

    /// The rules that a role has now, by the reference of a binding in a namespace; `None` where
    /// there is no such role.
    #[must_use]
    pub fn rules_of(&self, kind: &str, name: &str, namespace: &str) -> Option<Vec<Rule>> {
        let scope = (kind == "Role").then(|| namespace.to_owned());
        let place = (scope, name.to_owned());
        self.roles.contains_key(&place).then(|| self.rules(&place))
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

fn role(object: &Value) -> Role {
    let labels = object["metadata"]["labels"].as_object();
    let label = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let selectors = object["aggregationRule"]["clusterRoleSelectors"].as_array();
    let selector = |given: &Value| {
        let given = serde_json::from_value(given.clone()).ok()?;
        Selector::of(&given).ok()
    };
    Role {
        rules: rules(object).into(),
        labels: labels.into_iter().flatten().filter_map(label).collect(),
        gathers: selectors.map(|all| all.iter().filter_map(selector).collect()),
    }
}

fn binding(place: &RoleKey, object: &Value) -> Binding {
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
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }

    fn caller(user: &str, groups: &[&str]) -> Caller {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Caller { user: user.into(), groups, ..Caller::default() }
    }

    fn of(namespace: &str, ask: Ask) -> Ask {
        Ask { namespace: namespace.into(), ..ask }
    }

    fn clusters(verb: &str, name: &str) -> Ask {
        Ask::on(verb, ("cluster.open-cluster-management.io", "managedclusters"), name)
    }

    fn bound(access: &mut Access, namespace: &str, role: (&str, Value), subject: Value) {
        let (kind, rules) = role;
        let scope = if kind == "Role" { namespace } else { "" };
        access.note(kind, &key(scope, "r"), Some(&json!({ "rules": rules })));
        let binding = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
        let object = json!({ "roleRef": { "kind": kind, "name": "r" }, "subjects": [subject] });
        access.note(binding, &key(namespace, "b"), Some(&object));
    }

    #[test]
    fn gw085_a_rule_of_names_allows_lists_of_that_name_alone() {
        let mut access = Access::default();
        let rules = json!([{
            "verbs": ["get", "list", "watch"], "resourceNames": ["c1"],
            "apiGroups": ["cluster.open-cluster-management.io"], "resources": ["managedclusters"],
        }]);
        let agents = json!({ "kind": "Group", "name": "agents" });
        bound(&mut access, "", ("ClusterRole", rules), agents);
        let agent = caller("a", &["agents"]);
        assert!(access.allows(&agent, &clusters("list", "c1")).is_some());
        assert!(access.allows(&agent, &clusters("list", "c2")).is_none());
        assert!(access.allows(&agent, &clusters("list", "")).is_none());
        assert!(access.allows(&caller("a", &[]), &clusters("list", "c1")).is_none());
    }

    #[test]
    fn gw090_a_binding_counts_once_it_is_taken_in_and_no_longer_than_it_is_there() {
        let mut access = Access::default();
        let rules = json!([{ "verbs": ["*"], "apiGroups": [""], "resources": ["secrets"] }]);
        let subject = json!({ "kind": "ServiceAccount", "name": "s" });
        bound(&mut access, "n", ("Role", rules), subject);
        let account = caller("system:serviceaccount:n:s", &[]);
        let secrets = |namespace| of(namespace, Ask::on("get", ("", "secrets"), "x"));
        assert!(access.allows(&account, &secrets("n")).is_some());
        assert!(access.allows(&account, &secrets("m")).is_none());
        access.note("RoleBinding", &key("n", "b"), None);
        assert!(access.allows(&account, &secrets("n")).is_none());
        assert!(access.of_subject.is_empty());
    }

    #[test]
    fn a_cluster_role_that_is_bound_in_a_namespace_counts_there() {
        let mut access = Access::default();
        let rules = json!([
            { "verbs": ["get"], "apiGroups": ["*"], "resources": ["*/status"] },
            { "verbs": ["get"], "nonResourceURLs": ["/metrics"] },
        ]);
        let user = json!({ "kind": "User", "name": "u" });
        bound(&mut access, "n", ("ClusterRole", rules), user);
        let user = caller("u", &[]);
        let status = Ask::on("get", ("g", "things/status"), "x");
        assert!(access.allows(&user, &of("n", status.clone())).is_some());
        assert!(access.allows(&user, &of("n", Ask::on("get", ("g", "things"), "x"))).is_none());
        assert!(access.allows(&user, &status).is_none(), "not everywhere");
        let path = Ask { verb: "get".into(), path: "/metrics".into(), ..Ask::default() };
        assert!(access.allows(&user, &path).is_none(), "a path lies in no namespace");
    }

    #[test]
    fn paths_end_in_a_star_for_all_below() {
        let mut access = Access::default();
        let rules = json!([{ "verbs": ["get"], "nonResourceURLs": ["/api/*", "/version"] }]);
        let all = json!({ "kind": "Group", "name": "system:authenticated" });
        bound(&mut access, "", ("ClusterRole", rules), all);
        let user = caller("u", &["system:authenticated"]);
        let at = |path: &str| Ask { verb: "get".into(), path: path.into(), ..Ask::default() };
        assert!(access.allows(&user, &at("/api/v1")).is_some());
        assert!(access.allows(&user, &at("/version")).is_some());
        assert!(access.allows(&user, &at("/versions")).is_none());
    }

    #[test]
    fn a_role_may_gather_the_rules_of_others() {
        let mut access = Access::default();
        let selectors = json!([{ "matchLabels": { "to": "admin" } }]);
        let admin = json!({ "aggregationRule": { "clusterRoleSelectors": selectors } });
        access.note("ClusterRole", &key("", "admin"), Some(&admin));
        let part = json!({
            "metadata": { "labels": { "to": "admin" } },
            "rules": [{ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"] }],
        });
        access.note("ClusterRole", &key("", "part"), Some(&part));
        let binding = json!({
            "roleRef": { "kind": "ClusterRole", "name": "admin" },
            "subjects": [{ "kind": "User", "name": "u" }],
        });
        access.note("ClusterRoleBinding", &key("", "b"), Some(&binding));
        let secrets = of("n", Ask::on("get", ("", "secrets"), "x"));
        assert!(access.allows(&caller("u", &[]), &secrets).is_some());
        assert_eq!(access.listed(&caller("u", &[]), "n").0.len(), 1);
    }

    #[test]
    fn gw088_nobody_grants_more_than_he_holds() {
        let mut access = Access::default();
        let rules = json!([
            { "verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets", "configmaps"] },
            { "verbs": ["get"], "nonResourceURLs": ["/api/*"] },
        ]);
        let user = json!({ "kind": "User", "name": "u" });
        bound(&mut access, "", ("ClusterRole", rules), user);
        let lacks = |wanted: Value| {
            let wanted = rules_of(wanted);
            access.lacks(&caller("u", &[]), "n", &wanted).len()
        };
        let one = json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"],
            "resourceNames": ["x"] }]);
        assert_eq!(lacks(one), 0);
        assert_eq!(lacks(json!([{ "verbs": ["get"], "nonResourceURLs": ["/api/v1"] }])), 0);
        for more in [
            json!([{ "verbs": ["get", "delete"], "apiGroups": [""], "resources": ["secrets"] }]),
            json!([{ "verbs": ["*"], "apiGroups": [""], "resources": ["secrets"] }]),
            json!([{ "verbs": ["get"], "apiGroups": ["*"], "resources": ["secrets"] }]),
            json!([{ "verbs": ["get"], "nonResourceURLs": ["*"] }]),
        ] {
            assert_eq!(lacks(more.clone()), 1, "{more}");
        }
        let told = told(
            &rules_of(json!([{ "verbs": ["get"], "apiGroups": [""],
            "resources": ["pods"] }]))[0],
        );
        assert_eq!(told, "{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}");
    }

    fn rules_of(given: Value) -> Vec<Rule> {
        rules(&json!({ "rules": given }))
    }
}
