//! What a cluster's agent may do on a hub that speaks Kubernetes: its namespace, its roles and
//! their bindings (spec registration-placement 6), as objects that the core service keeps. A hub
//! whose namespace [`HUB`] nobody ever made speaks no Kubernetes, and has none of it.

use serde_json::{Value, json};

/// The namespace that a gateway makes at its first start.
pub const HUB: &str = "open-cluster-management";
/// Its annotation that somebody else gives clusters their rights: `false`.
pub const SWITCH: &str = "fleetlog.io/cluster-rights";
const PREFIX: &str = "open-cluster-management:managedcluster";
const RBAC: &str = "rbac.authorization.k8s.io";
const CLUSTERS: &str = "cluster.open-cluster-management.io";
/// The label that says whose a namespace is.
const NAME: &str = "open-cluster-management.io/cluster-name";

/// How a cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is taken in.
    Accepted,
    /// It is not, or no more.
    Denied,
    /// It is gone.
    Gone,
}

/// An object by its kind's token, its namespace and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    /// The token of the kind.
    pub kind: &'static str,
    /// The namespace, where the kind has one.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// What is to become of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// It exists and is so.
    Ensure(Whose, Value),
    /// It goes.
    Remove(Whose),
}

/// What a cluster of this standing is given, and what is taken from it. Its namespace stays, and so
/// does the binding of its work agent until the cluster is gone: what it delivered may have to be
/// cleaned up.
#[must_use]
pub fn of_cluster(cluster: &str, standing: Standing) -> Vec<Want> {
    let own = format!("{PREFIX}:{cluster}");
    let global = |kind| Whose { kind, namespace: None, name: own.clone() };
    let local = |part: &str| Whose {
        kind: "rolebinding",
        namespace: Some(cluster.to_owned()),
        name: format!("{own}:{part}"),
    };
    let (role, binding) = (global("clusterrole"), global("clusterrolebinding"));
    let mut wants = match standing {
        Standing::Accepted => vec![
            Want::Ensure(
                Whose { kind: "namespace", namespace: None, name: cluster.to_owned() },
                json!({
                    "apiVersion": "v1", "kind": "Namespace",
                    "metadata": { "name": cluster, "labels": { NAME: cluster } },
                }),
            ),
            Want::Ensure(role, cluster_role(&own, &accepted(cluster))),
            Want::Ensure(binding, bound("ClusterRoleBinding", None, &own, (&own, cluster))),
            shared_in(local("registration"), "registration", cluster),
            shared_in(local("work"), "work", cluster),
        ],
        Standing::Denied => vec![
            Want::Ensure(role, cluster_role(&own, &denied(cluster))),
            Want::Remove(local("registration")),
        ],
        Standing::Gone => vec![
            Want::Remove(local("registration")),
            Want::Remove(local("work")),
            Want::Remove(binding),
            Want::Remove(role),
        ],
    };
    // A cluster that is called like a shared role has none of its own, for it would be that one.
    wants.retain(|(Want::Ensure(whose, _) | Want::Remove(whose))| !is_shared(&whose.name));
    wants
}

fn is_shared(name: &str) -> bool {
    let part = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(':'));
    part.is_some_and(|part| part == "registration" || part == "work")
}

/// The roles that all agents share: there while there is a cluster.
#[must_use]
pub fn shared(needed: bool) -> Vec<Want> {
    let roles = [("registration", of_registration()), ("work", of_work())];
    let want = |(part, rules): (&str, Value)| {
        let name = format!("{PREFIX}:{part}");
        let whose = Whose { kind: "clusterrole", namespace: None, name: name.clone() };
        match needed {
            true => Want::Ensure(whose, cluster_role(&name, &rules)),
            false => Want::Remove(whose),
        }
    };
    roles.into_iter().map(want).collect()
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
}

fn named(mut rule: Value, name: &str) -> Value {
    rule["resourceNames"] = json!([name]);
    rule
}

fn accepted(cluster: &str) -> Value {
    let requests = ["certificatesigningrequests"];
    let register = "register.open-cluster-management.io";
    json!([
        rule(&["certificates.k8s.io"], &requests, &["create", "get", "list", "watch"]),
        rule(&[register], &["managedclusters/clientcertificates"], &["renew"]),
        named(
            rule(&[CLUSTERS], &["managedclusters"], &["get", "list", "update", "watch"]),
            cluster
        ),
        named(rule(&[CLUSTERS], &["managedclusters/status"], &["patch", "update"]), cluster),
    ])
}

fn denied(cluster: &str) -> Value {
    json!([named(rule(&[CLUSTERS], &["managedclusters"], &["get", "list", "watch"]), cluster)])
}

fn of_registration() -> Value {
    let addon = "addon.open-cluster-management.io";
    json!([
        rule(&["coordination.k8s.io"], &["leases"], &["get", "list", "watch", "update"]),
        rule(&[addon], &["managedclusteraddons"], &["get", "list", "watch"]),
        rule(&[addon], &["managedclusteraddons/status"], &["patch", "update"]),
        rule(&["events.k8s.io"], &["events"], &["create"]),
    ])
}

fn of_work() -> Value {
    let work = "work.open-cluster-management.io";
    let verbs = ["get", "list", "watch", "update", "patch"];
    json!([
        rule(&["", "events.k8s.io"], &["events"], &["create", "patch", "update"]),
        rule(&[work], &["manifestworks"], &verbs),
        rule(&[work], &["manifestworks/status"], &["patch", "update"]),
    ])
}

fn cluster_role(name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": { "name": name }, "rules": rules,
    })
}

fn shared_in(whose: Whose, part: &str, cluster: &str) -> Want {
    let role = format!("{PREFIX}:{part}");
    let binding = bound("RoleBinding", Some(cluster), &whose.name, (&role, cluster));
    Want::Ensure(whose, binding)
}

fn bound(kind: &str, namespace: Option<&str>, name: &str, (role, of): (&str, &str)) -> Value {
    let group = |name: String| json!({ "kind": "Group", "apiGroup": RBAC, "name": name });
    let groups =
        [format!("system:open-cluster-management:{of}"), format!("open-cluster-management:{of}")];
    let mut binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": { "name": name },
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role },
        "subjects": groups.map(group),
    });
    if let Some(namespace) = namespace {
        binding["metadata"]["namespace"] = json!(namespace);
    }
    binding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(wants: &[Want]) -> usize {
        let role = wants.iter().find_map(|want| match want {
            Want::Ensure(whose, object) if whose.kind == "clusterrole" => Some(object),
            _ => None,
        });
        role.unwrap()["rules"].as_array().unwrap().len()
    }

    #[test]
    fn no_cluster_takes_the_roles_that_all_share() {
        for standing in [Standing::Accepted, Standing::Denied, Standing::Gone] {
            let names = |cluster: &str| -> Vec<String> {
                let wants = of_cluster(cluster, standing).into_iter();
                wants.map(|(Want::Ensure(whose, _) | Want::Remove(whose))| whose.name).collect()
            };
            assert!(names("c1").contains(&format!("{PREFIX}:c1")));
            assert!(!names("work").contains(&format!("{PREFIX}:work")));
        }
    }

    #[test]
    fn an_accepted_cluster_has_four_rules_and_a_denied_one_a_single_one() {
        assert_eq!(rules(&of_cluster("c1", Standing::Accepted)), 4);
        assert_eq!(rules(&of_cluster("c1", Standing::Denied)), 1);
        let gone = of_cluster("c1", Standing::Gone);
        assert!(gone.iter().all(|want| matches!(want, Want::Remove(_))));
        assert_eq!((shared(true).len(), shared(false).len()), (2, 2));
    }
}
