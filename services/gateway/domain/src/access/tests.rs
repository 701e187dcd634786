//! Who may do what, by roles and bindings that come and go.

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
    // Whatever comes first, and as long as the labels say so.
    access.note("ClusterRole", &key("", "admin"), None);
    assert!(access.allows(&caller("u", &[]), &secrets).is_none());
    access.note("ClusterRole", &key("", "admin"), Some(&admin));
    assert!(access.allows(&caller("u", &[]), &secrets).is_some());
    let unlabelled = json!({ "rules": part["rules"] });
    access.note("ClusterRole", &key("", "part"), Some(&unlabelled));
    assert!(access.allows(&caller("u", &[]), &secrets).is_none());
    access.note("ClusterRole", &key("", "part"), Some(&part));
    assert!(access.allows(&caller("u", &[]), &secrets).is_some());
    access.note("ClusterRole", &key("", "part"), None);
    assert!(access.allows(&caller("u", &[]), &secrets).is_none());
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
