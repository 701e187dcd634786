//! What a write needs beyond the right to the object itself (spec/gateway 5.10, 7.5, 7.6; spec
//! registration-placement 5): to accept a cluster, to join or bind a set, to grant rights. What a
//! write means for the fleet, the service that decides judges.

use crate::access::{Access, Ask, Caller, Rule, rules, told};
use crate::kinds::Kind;
use crate::status::{Cause, Status};
use serde_json::Value;

/// The label by which a cluster belongs to a set.
const SET: &str = "cluster.open-cluster-management.io/clusterset";
const CLUSTERS: &str = "cluster.open-cluster-management.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Refuses a write that makes `after` of `before` where the caller lacks a right that it needs.
///
/// # Errors
/// 403, naming the right.
pub fn admit(
    access: &Access,
    caller: &Caller,
    kind: Kind,
    before: Option<&Value>,
    after: &Value,
) -> Result<(), Status> {
    let name = after["metadata"]["name"].as_str().unwrap_or_default();
    for (ask, words) in needs(kind, name, before, after) {
        if access.allows(caller, &ask).is_none() {
            return Err(forbidden(kind, name, &words.replace("USER", &caller.user)));
        }
    }
    match kind.0.kind {
        "Role" | "ClusterRole" => grants(access, caller, kind, (name, before, after)),
        "RoleBinding" | "ClusterRoleBinding" => binds(access, caller, kind, (name, before, after)),
        _ => Ok(()),
    }
}

fn needs(kind: Kind, name: &str, before: Option<&Value>, after: &Value) -> Vec<(Ask, String)> {
    let accepts = |object: &Value| object["spec"]["hubAcceptsClient"] == Value::Bool(true);
    let set = |object: &Value| object["metadata"]["labels"][SET].as_str().map(str::to_owned);
    let mut needs = vec![];
    match kind.0.kind {
        "ManagedCluster" => {
            if accepts(after) && !before.is_some_and(accepts) {
                let group = "register.open-cluster-management.io";
                let ask = Ask::on("update", (group, "managedclusters/accept"), name);
                let words = "user \"USER\" cannot update the HubAcceptsClient field".to_owned();
                needs.push((ask, words));
            }
            let (old, new) = (before.and_then(set), set(after));
            if old != new {
                for set in [old, new].into_iter().flatten().filter(|set| !set.is_empty()) {
                    let ask = Ask::on("create", (CLUSTERS, "managedclustersets/join"), &set);
                    let words =
                        format!("user \"USER\" cannot add/remove a ManagedCluster to/from {set}");
                    needs.push((ask, words));
                }
            }
        }
        "ManagedClusterSetBinding" if before.is_none() => {
            let set = after["spec"]["clusterSet"].as_str().unwrap_or_default();
            let ask = Ask::on("create", (CLUSTERS, "managedclustersets/bind"), set);
            needs
                .push((ask, format!("user \"USER\" is not allowed to bind cluster set \"{set}\"")));
        }
        _ => {}
    }
    needs
}

/// How many single rights of a role are looked for in what its writer holds.
const BROADEST: usize = 10_000;

type Write<'a> = (&'a str, Option<&'a Value>, &'a Value);

/// Nobody writes a role with more than he holds himself, unless he may escalate it.
fn grants(access: &Access, caller: &Caller, kind: Kind, write: Write<'_>) -> Result<(), Status> {
    let (name, before, after) = write;
    let same = |field: &str| before.is_some_and(|before| before[field] == after[field]);
    let verbless = |(at, rule): (usize, &Value)| {
        let verbs = rule["verbs"].as_array();
        verbs.is_none_or(Vec::is_empty).then(|| Cause {
            reason: "FieldValueRequired",
            message: "Required value: verbs must contain at least one value".to_owned(),
            field: format!("rules[{at}].verbs"),
        })
    };
    let all = after["rules"].as_array().into_iter().flatten().enumerate();
    let wrong: Vec<Cause> = all.filter_map(verbless).collect();
    if !wrong.is_empty() {
        return Err(Status::invalid(kind, name, wrong));
    }
    let gathers = !after["aggregationRule"].is_null();
    if same("rules") && (same("aggregationRule") || !gathers) {
        return Ok(());
    }
    // What a role gathers others decide, later too: who lets it gather must hold everything.
    let wanted =
        if gathers && !same("aggregationRule") { vec![Rule::everything()] } else { rules(after) };
    held(access, caller, kind, (name, after, &wanted), ("escalate", kind.0.plural, name))
}

/// Nobody gives others a role with more than he holds himself, unless he may bind it.
fn binds(access: &Access, caller: &Caller, kind: Kind, write: Write<'_>) -> Result<(), Status> {
    let (name, before, after) = write;
    let same = |field: &str| before.is_some_and(|before| before[field] == after[field]);
    if same("subjects") && same("roleRef") {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&after["metadata"]["namespace"]);
    let (of, role) = (text(&after["roleRef"]["kind"]), text(&after["roleRef"]["name"]));
    let Some(wanted) = access.rules_of(&of, &role, &namespace) else {
        // What is not there may be made later, by somebody who knows nothing of this.
        let wanted = [Rule::everything()];
        return held(access, caller, kind, (name, after, &wanted), ("bind", plural(&of), &role));
    };
    held(access, caller, kind, (name, after, &wanted), ("bind", plural(&of), &role))
}

fn plural(kind: &str) -> &'static str {
    if kind == "Role" { "roles" } else { "clusterroles" }
}

fn held(
    access: &Access,
    caller: &Caller,
    kind: Kind,
    (name, after, wanted): (&str, &Value, &[Rule]),
    (verb, resource, role): (&str, &str, &str),
) -> Result<(), Status> {
    let namespace = after["metadata"]["namespace"].as_str().unwrap_or_default();
    let ask = Ask { namespace: namespace.into(), ..Ask::on(verb, (RBAC, resource), role) };
    if access.allows(caller, &ask).is_some() {
        return Ok(());
    }
    let broad = wanted.iter().map(Rule::breadth).fold(0, usize::saturating_add);
    if broad > BROADEST {
        let message = format!("the rules name {broad} single rights, {BROADEST} can be judged");
        return Err(Status::new(422, "Invalid", message).of(kind, name));
    }
    let lacking = access.lacks(caller, namespace, wanted);
    if lacking.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = lacking.iter().map(told).collect();
    let words = format!(
        "user \"{}\" (groups={:?}) is attempting to grant RBAC permissions not currently held:\n{}",
        caller.user,
        caller.groups,
        all.join("\n")
    );
    Err(forbidden(kind, name, &words))
}

fn forbidden(kind: Kind, name: &str, words: &str) -> Status {
    let message = format!("{} \"{name}\" is forbidden: {words}", kind.qualified());
    Status::new(403, "Forbidden", message).of(kind, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;
    use crate::view::Key;
    use serde_json::json;

    fn caller() -> Caller {
        Caller { user: "u".into(), ..Caller::default() }
    }

    fn access(rules: &Value) -> Access {
        let mut access = Access::default();
        let key = |name: &str| Key { namespace: String::new(), name: name.into() };
        access.note("ClusterRole", &key("r"), Some(&json!({ "rules": rules })));
        let binding = json!({
            "roleRef": { "kind": "ClusterRole", "name": "r" },
            "subjects": [{ "kind": "User", "name": "u" }],
        });
        access.note("ClusterRoleBinding", &key("b"), Some(&binding));
        access
    }

    fn cluster(accepted: bool, set: &str) -> Value {
        json!({
            "metadata": { "name": "c1", "labels": { SET: set } },
            "spec": { "hubAcceptsClient": accepted },
        })
    }

    fn code(rules: &Value, kind: Kind, before: Option<&Value>, after: &Value) -> u16 {
        admit(&access(rules), &caller(), kind, before, after).map_or_else(|why| why.code, |()| 200)
    }

    #[test]
    fn gw091_acceptance_needs_its_own_right_and_denial_none() {
        let kind = find(CLUSTERS, "v1", "managedclusters").unwrap();
        let (none, accept) = (
            json!([]),
            json!([{
                "verbs": ["update"], "apiGroups": ["register.open-cluster-management.io"],
                "resources": ["managedclusters/accept"],
            }]),
        );
        let (no, yes) = (cluster(false, ""), cluster(true, ""));
        assert_eq!(code(&none, kind, None, &yes), 403);
        assert_eq!(code(&none, kind, Some(&no), &yes), 403);
        assert_eq!(code(&none, kind, Some(&yes), &yes), 200);
        assert_eq!(code(&none, kind, Some(&yes), &no), 200);
        assert_eq!(code(&none, kind, None, &no), 200);
        assert_eq!(code(&accept, kind, Some(&no), &yes), 200);
    }

    #[test]
    fn gw091_a_cluster_moves_between_sets_that_one_may_join() {
        let kind = find(CLUSTERS, "v1", "managedclusters").unwrap();
        let join = |sets: &[&str]| {
            json!([{
                "verbs": ["create"], "apiGroups": [CLUSTERS],
                "resources": ["managedclustersets/join"], "resourceNames": sets,
            }])
        };
        let (of_a, of_b) = (cluster(false, "a"), cluster(false, "b"));
        assert_eq!(code(&join(&["a"]), kind, None, &of_a), 200);
        assert_eq!(code(&join(&["a"]), kind, None, &of_b), 403);
        assert_eq!(code(&join(&["a"]), kind, Some(&of_a), &of_b), 403);
        assert_eq!(code(&join(&["b"]), kind, Some(&of_a), &of_b), 403);
        assert_eq!(code(&join(&["a", "b"]), kind, Some(&of_a), &of_b), 200);
    }

    #[test]
    fn gw091_a_set_is_bound_by_who_may_bind_it() {
        let kind = find(CLUSTERS, "v1beta2", "managedclustersetbindings").unwrap();
        let binding = json!({ "metadata": { "name": "a" }, "spec": { "clusterSet": "a" } });
        let bind = json!([{
            "verbs": ["create"], "apiGroups": [CLUSTERS],
            "resources": ["managedclustersets/bind"], "resourceNames": ["a"],
        }]);
        assert_eq!(code(&json!([]), kind, None, &binding), 403);
        assert_eq!(code(&json!([]), kind, Some(&binding), &binding), 200);
        assert_eq!(code(&bind, kind, None, &binding), 200);
    }

    #[test]
    fn gw088_a_role_and_its_binding_need_what_they_grant() {
        let role = find(RBAC, "v1", "roles").unwrap();
        let binding = find(RBAC, "v1", "rolebindings").unwrap();
        let secrets = json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"] }]);
        let object = json!({ "metadata": { "name": "x", "namespace": "n" }, "rules": secrets });
        assert_eq!(code(&json!([]), role, None, &object), 403);
        assert_eq!(code(&secrets, role, None, &object), 200);
        let escalate =
            json!([{ "verbs": ["escalate"], "apiGroups": [RBAC], "resources": ["roles"] }]);
        assert_eq!(code(&escalate, role, None, &object), 200);
        let bound = json!({
            "metadata": { "name": "x", "namespace": "n" },
            "roleRef": { "kind": "ClusterRole", "name": "r" },
        });
        let gathers = json!({
            "metadata": { "name": "x" },
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] },
        });
        let cluster_role = find(RBAC, "v1", "clusterroles").unwrap();
        assert_eq!(code(&secrets, cluster_role, None, &gathers), 403);
        let all = json!([
            { "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] },
            { "verbs": ["*"], "nonResourceURLs": ["*"] },
        ]);
        assert_eq!(code(&all, cluster_role, None, &gathers), 200);
        let nowhere = json!({
            "metadata": { "name": "x", "namespace": "n" },
            "roleRef": { "kind": "Role", "name": "later" },
        });
        assert_eq!(code(&secrets, binding, None, &nowhere), 403);
        let many: Vec<String> = (0..10_000).map(|n| format!("r{n}")).collect();
        let broad = json!({
            "metadata": { "name": "x" },
            "rules": [{ "verbs": many, "apiGroups": [""], "resources": many }],
        });
        assert_eq!(code(&secrets, cluster_role, None, &broad), 422);
        // The role that is bound is the one that the caller has.
        assert_eq!(code(&secrets, binding, None, &bound), 200);
        let other = json!({
            "metadata": { "name": "x", "namespace": "n" },
            "roleRef": { "kind": "ClusterRole", "name": "strong" },
        });
        let mut access = access(&json!([]));
        let key = Key { namespace: String::new(), name: "strong".into() };
        access.note("ClusterRole", &key, Some(&json!({ "rules": secrets })));
        let refused = admit(&access, &caller(), binding, None, &other).unwrap_err();
        assert!(refused.message.contains("not currently held"), "{}", refused.message);
        assert!(refused.message.contains("Resources:[\"secrets\"]"), "{}", refused.message);
    }
}
