//! Who may do what: roles, reviews, impersonation, tokens.

use crate::stage::{CLUSTERS, Stage};
use fleetlog_gateway::Caller;
use fleetlog_test_support::eventually;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/t/configmaps";
const OCM: &str = "cluster.open-cluster-management.io";

/// Gives a role with these rules to a user.
async fn give(stage: &Stage, name: &str, user: &str, rules: Value) {
    let role = json!({"metadata": {"name": name}, "rules": rules});
    stage.put(&format!("{RBAC}/clusterroles/{name}"), role).await.ok();
    let binding = json!({
        "metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    });
    stage.put(&format!("{RBAC}/clusterrolebindings/{name}"), binding).await.ok();
}

fn clusters(verbs: &[&str], names: &[&str]) -> Value {
    json!([{"verbs": verbs, "apiGroups": [OCM], "resources": ["managedclusters"],
        "resourceNames": names}])
}

#[tokio::test]
async fn gw085_a_role_of_one_name_allows_lists_and_watches_of_that_name() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    give(&stage, "agent", "a", clusters(&["get", "list", "watch"], &["c1"])).await;
    let code = async |query: &str| {
        let path = format!("{CLUSTERS}{query}");
        stage.ask(("a", &[]), ("GET", &path), Value::Null).await.code
    };
    assert_eq!(code("/c1").await, 200);
    assert_eq!(code("?fieldSelector=metadata.name%3Dc1").await, 200);
    assert_eq!(code("").await, 403);
    assert_eq!(code("?fieldSelector=metadata.name%3Dc2").await, 403);
    assert_eq!(code("?watch=true").await, 403);
    let refused = stage.ask(("a", &[]), ("GET", CLUSTERS), Value::Null).await;
    let words = "managedclusters.cluster.open-cluster-management.io is forbidden: User \"a\" \
        cannot list resource \"managedclusters\" in API group \
        \"cluster.open-cluster-management.io\" at the cluster scope";
    assert_eq!(refused.body["message"], words);
    // Whether there is such a thing is told to nobody who may not know.
    let unknown = "/apis/apps/v1/namespaces/t/deployments";
    assert_eq!(stage.ask(("a", &[]), ("GET", unknown), Value::Null).await.code, 403);
    assert_eq!(stage.get(unknown).await.code, 404);
}

#[tokio::test]
async fn who_may_update_what_is_there_does_not_make_it_by_that() {
    let stage = Stage::new().await;
    let path = format!("{RBAC}/clusterroles/m");
    let rules = |verbs: &[&str]| {
        let groups = ["rbac.authorization.k8s.io"];
        json!([{"apiGroups": groups, "resources": ["clusterroles"], "verbs": verbs}])
    };
    let put = async |name: &str| {
        let object = json!({"metadata": {"name": name}, "rules": []});
        let answered = stage.ask(("carol", &[]), ("PUT", &path), object).await;
        (answered.code, answered.body["message"].as_str().unwrap_or_default().to_owned())
    };
    give(&stage, "r", "carol", rules(&["update"])).await;
    let (code, told) = put("m").await;
    assert!(code == 403 && told.contains("cannot create"), "{code} {told}");
    give(&stage, "r", "carol", rules(&["update", "create"])).await;
    let (code, told) = put("other").await;
    assert!(code == 400 && told.contains("does not match the name on the URL"), "{code} {told}");
    assert_eq!(put("m").await.0, 201);
}

#[tokio::test]
async fn gw090_a_binding_is_effective_at_once_and_in_its_namespace() {
    let stage = Stage::new().await;
    let ask = async || stage.ask(("u", &[]), ("GET", MAPS), Value::Null).await.code;
    assert_eq!(ask().await, 403);
    let binding = json!({
        "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "u"}],
    });
    let path = format!("{RBAC}/namespaces/t/rolebindings");
    stage.post(&path, binding).await.ok();
    assert_eq!(ask().await, 200);
    let elsewhere = "/api/v1/namespaces/default/configmaps";
    assert_eq!(stage.ask(("u", &[]), ("GET", elsewhere), Value::Null).await.code, 403);
    let own = "/api/v1/namespaces/t";
    assert_eq!(stage.ask(("u", &[]), ("GET", own), Value::Null).await.code, 200);
    let write = stage.ask(("u", &[]), ("POST", MAPS), json!({"metadata": {"name": "m"}})).await;
    assert_eq!(write.refused(), (403, "Forbidden"));
    stage.delete(&format!("{path}/b"), Value::Null).await.ok();
    assert_eq!(ask().await, 403);
}

#[tokio::test]
async fn gw086_reviews_are_answered_by_roles_alone() {
    let stage = Stage::new().await;
    let accept = json!([{"verbs": ["update"], "resources": ["managedclusters/accept"],
        "apiGroups": ["register.open-cluster-management.io"], "resourceNames": ["c1"]}]);
    give(&stage, "accept", "u", accept).await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let allowed = async |name: &str| {
        let attributes = json!({"verb": "update", "resource": "managedclusters", "name": name,
            "group": "register.open-cluster-management.io", "subresource": "accept"});
        let review = json!({"spec": {"resourceAttributes": attributes}});
        let answered = stage.ask(("u", &[]), ("POST", path), review).await;
        assert_eq!(answered.code, 201);
        answered.body["status"]["allowed"].clone()
    };
    assert_eq!((allowed("c1").await, allowed("c2").await), (json!(true), json!(false)));
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let me = stage.ask(("u", &["g"]), ("POST", whoami), json!({})).await.ok();
    assert_eq!(me["status"]["userInfo"]["username"], "u");
    assert_eq!(me["status"]["userInfo"]["groups"], json!(["g", "system:authenticated"]));
    // Nothing of it is kept, and another's rights are not everybody's to ask.
    assert_eq!(stage.get(whoami).await.code, 405);
    let others = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let review =
        json!({"spec": {"user": "u", "nonResourceAttributes": {"path": "/x", "verb": "get"}}});
    assert_eq!(stage.ask(("u", &[]), ("POST", others), review.clone()).await.code, 403);
    assert_eq!(stage.post(others, review).await.ok()["status"]["allowed"], false);
}

#[tokio::test]
async fn gw088_nobody_grants_more_than_he_holds() {
    let stage = Stage::new().await;
    // Verbs of `*` would hold escalate and bind too.
    let own = json!([
        {"verbs": ["create", "update"], "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["roles", "rolebindings"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]},
    ]);
    give(&stage, "granter", "u", own).await;
    let roles = format!("{RBAC}/namespaces/t/roles");
    let role = |name: &str, resource: &str| {
        json!({"metadata": {"name": name}, "rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": [resource]}]})
    };
    let make = async |object: Value| stage.ask(("u", &[]), ("POST", &roles), object).await;
    assert_eq!(make(role("ok", "configmaps")).await.code, 201);
    let refused = make(role("more", "secrets")).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    let message = refused.body["message"].as_str().unwrap();
    assert!(
        message.contains("attempting to grant RBAC permissions not currently held"),
        "{message}"
    );
    assert!(message.contains("Resources:[\"secrets\"]"), "{message}");
    stage.post(&roles, role("strong", "secrets")).await.ok();
    let bindings = format!("{RBAC}/namespaces/t/rolebindings");
    let bind = async |role: &str| {
        let object = json!({"metadata": {"name": role}, "roleRef": {"kind": "Role", "name": role},
            "subjects": [{"kind": "User", "name": "v"}]});
        stage.ask(("u", &[]), ("POST", &bindings), object).await.code
    };
    assert_eq!((bind("ok").await, bind("strong").await), (201, 403));
}

#[tokio::test]
async fn gw091_acceptance_needs_its_own_right() {
    let stage = Stage::new().await;
    let join = json!([
        {"verbs": ["create", "update", "patch", "get"], "apiGroups": [OCM],
            "resources": ["managedclusters"]},
    ]);
    give(&stage, "clusters", "u", join).await;
    let ask = async |method: &str, path: &str, body: Value| {
        stage.ask(("u", &[]), (method, path), body).await.code
    };
    let made = json!({"metadata": {"name": "c1"}, "spec": {"hubAcceptsClient": true}});
    assert_eq!(ask("POST", CLUSTERS, made).await, 403);
    let made = json!({"metadata": {"name": "c1"}, "spec": {"leaseDurationSeconds": 30}});
    assert_eq!(ask("POST", CLUSTERS, made).await, 201);
    let path = format!("{CLUSTERS}/c1");
    let accept = json!({"spec": {"hubAcceptsClient": true}});
    assert_eq!(ask("PATCH", &path, accept.clone()).await, 403);
    assert_eq!(ask("PATCH", &path, json!({"metadata": {"labels": {"a": "b"}}})).await, 200);
    let set =
        json!({"metadata": {"labels": {"cluster.open-cluster-management.io/clusterset": "s"}}});
    assert_eq!(ask("PATCH", &path, set).await, 403);
    let may = json!([{"verbs": ["update"], "resources": ["managedclusters/accept"],
        "apiGroups": ["register.open-cluster-management.io"]}]);
    give(&stage, "accept", "u", may).await;
    assert_eq!(ask("PATCH", &path, accept).await, 200);
    assert_eq!(ask("PATCH", &path, json!({"spec": {"hubAcceptsClient": false}})).await, 200);
}

#[tokio::test]
async fn gw089_who_speaks_for_another_needs_the_right_and_is_on_record() {
    let stage = Stage::new().await;
    let admin = Caller::known("root", &["system:masters"]);
    let as_bob = [("impersonate-user", "bob"), ("impersonate-group", "system:masters")];
    let made = json!({"metadata": {"name": "m"}});
    let answered = stage.ask_by(&admin, &as_bob, ("POST", MAPS), made.clone()).await;
    assert_eq!(answered.code, 201);
    assert!(stage.holds("EVENTS", "bob (impersonated by root)").await);
    let only = [("impersonate-user", "bob")];
    let judged = stage.ask_by(&admin, &only, ("GET", MAPS), Value::Null).await;
    assert_eq!(judged.refused(), (403, "Forbidden"), "as bob, who may nothing");
    let nobody = Caller::known("u", &[]);
    let refused = stage.ask_by(&nobody, &only, ("GET", MAPS), Value::Null).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    assert!(
        refused.body["message"].as_str().unwrap().contains("cannot impersonate"),
        "{refused:?}"
    );
    let groups = [("impersonate-group", "g")];
    let bad = stage.ask_by(&admin, &groups, ("GET", MAPS), Value::Null).await;
    assert_eq!(bad.refused(), (400, "BadRequest"));
    let reserved = [("impersonate-user", "service:work")];
    assert_eq!(stage.ask_by(&admin, &reserved, ("GET", MAPS), Value::Null).await.code, 400);
}

#[tokio::test]
async fn gw083_a_token_of_an_account_is_good_as_long_as_the_account_is_there() {
    let stage = Stage::new().await;
    let account = "/api/v1/namespaces/open-cluster-management/serviceaccounts/\
                   agent-registration-bootstrap";
    let path = format!("{account}/token");
    let asked = |seconds: i64| {
        json!({"apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}})
    };
    assert_eq!(stage.post(&path, asked(500)).await.refused(), (422, "Invalid"));
    let made = stage.post(&path, asked(3_600)).await;
    assert_eq!(made.code, 201);
    assert!(made.body["status"]["expirationTimestamp"].is_string());
    let bearer = format!("Bearer {}", made.body["status"]["token"].as_str().unwrap());
    let stranger = Caller::anonymous();
    let ask = async |bearer: &str, path: &str| {
        let headers = [("authorization", bearer)];
        stage.ask_by(&stranger, &headers, ("GET", path), Value::Null).await
    };
    // It may see clusters, by the role that is there from the start, and nothing else.
    assert_eq!(ask(&bearer, CLUSTERS).await.code, 200);
    assert_eq!(ask(&bearer, MAPS).await.code, 403);
    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let headers = [("authorization", bearer.as_str())];
    let me = stage.ask_by(&stranger, &headers, ("POST", whoami), json!({})).await.ok();
    let groups = json!([
        "system:serviceaccounts",
        "system:serviceaccounts:open-cluster-management",
        "system:authenticated"
    ]);
    assert_eq!(me["status"]["userInfo"]["groups"], groups);
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let token = bearer.trim_start_matches("Bearer ");
    let review = json!({"spec": {"token": token}});
    let reviewed = stage.post(reviews, review.clone()).await.ok();
    assert_eq!(reviewed["status"]["authenticated"], true);
    let elsewhere = json!({"spec": {"token": token, "audiences": ["vault"]}});
    assert_eq!(stage.post(reviews, elsewhere).await.ok()["status"]["authenticated"], false);
    stage.delete(account, Value::Null).await.ok();
    assert_eq!(ask(&bearer, CLUSTERS).await.refused(), (401, "Unauthorized"));
    assert_eq!(stage.post(reviews, review).await.ok()["status"]["authenticated"], false);
    assert_eq!(ask("Bearer nonsense", "/version").await.refused(), (401, "Unauthorized"));
    assert_eq!(ask("Basic dTpw", "/version").await.refused(), (401, "Unauthorized"));
}

#[tokio::test]
async fn gw084_a_bootstrap_token_lets_a_cluster_ask_to_join() {
    let stage = Stage::new().await;
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    let secret = json!({
        "metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:managedcluster",
        },
    });
    stage.post(secrets, secret).await.ok();
    let headers = [("authorization", "Bearer abcdef.0123456789abcdef")];
    let stranger = Caller::anonymous();
    let cluster = json!({"metadata": {"name": "c1"}});
    let made = stage.ask_by(&stranger, &headers, ("POST", CLUSTERS), cluster).await;
    assert_eq!(made.code, 201, "{made:?}");
    let accepted = json!({"metadata": {"name": "c2"}, "spec": {"hubAcceptsClient": true}});
    let refused = stage.ask_by(&stranger, &headers, ("POST", CLUSTERS), accepted).await;
    assert_eq!(refused.refused(), (403, "Forbidden"));
    stage.delete(&format!("{secrets}/bootstrap-token-abcdef"), Value::Null).await.ok();
    let gone = stage.ask_by(&stranger, &headers, ("GET", CLUSTERS), Value::Null).await;
    assert_eq!(gone.refused(), (401, "Unauthorized"));
}

#[tokio::test]
async fn everybody_may_read_what_joining_needs_and_no_more() {
    let stage = Stage::new().await;
    let info = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    let stranger = Caller::anonymous();
    let ask = async |path: &str| stage.ask_by(&stranger, &[], ("GET", path), Value::Null).await;
    assert_eq!(ask(info).await.code, 200);
    assert_eq!(ask("/api/v1/namespaces/kube-public/configmaps").await.code, 403);
    assert_eq!(ask("/api/v1/namespaces/kube-public/configmaps/kube-root-ca.crt").await.code, 403);
}

/// What an agent's reviews ask for: verb, group, resource, namespace, name.
const CHECKS: [(&str, &str, &str, &str, &str); 13] = [
    ("create", "certificates.k8s.io", "certificatesigningrequests", "", ""),
    ("get", "certificates.k8s.io", "certificatesigningrequests", "", ""),
    ("watch", "certificates.k8s.io", "certificatesigningrequests", "", ""),
    ("renew", "register.open-cluster-management.io", "managedclusters/clientcertificates", "", ""),
    ("get", OCM, "managedclusters", "", "c1"),
    ("watch", OCM, "managedclusters", "", "c1"),
    ("patch", OCM, "managedclusters/status", "", "c1"),
    ("update", "coordination.k8s.io", "leases", "c1", ""),
    ("list", "addon.open-cluster-management.io", "managedclusteraddons", "c1", ""),
    ("patch", "addon.open-cluster-management.io", "managedclusteraddons/status", "c1", ""),
    ("watch", "work.open-cluster-management.io", "manifestworks", "c1", ""),
    ("patch", "work.open-cluster-management.io", "manifestworks", "c1", ""),
    ("create", "events.k8s.io", "events", "c1", ""),
];

/// The checks that an agent of c1 passes.
async fn passed(stage: &Stage) -> Vec<(&'static str, &'static str)> {
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let groups =
        ["system:open-cluster-management:c1", "system:open-cluster-management:managed-clusters"];
    let agent = ("system:open-cluster-management:c1:a", groups.as_slice());
    let mut passed = vec![];
    for (verb, group, resource, namespace, name) in CHECKS {
        let (resource_of, part) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = json!({"verb": verb, "group": group, "resource": resource_of,
            "subresource": part, "namespace": namespace, "name": name});
        let review = json!({"spec": {"resourceAttributes": attributes}});
        let answered = stage.ask(agent, ("POST", path), review).await.ok();
        if answered["status"]["allowed"] == true {
            passed.push((verb, resource));
        }
    }
    passed
}

#[tokio::test]
async fn gw087_an_accepted_agent_may_do_its_work_and_a_denied_one_see_its_cluster() {
    let stage = Stage::new().await;
    assert_eq!(passed(&stage).await, []);
    stage.cluster("c1").await;
    let all = async || (passed(&stage).await.len() == CHECKS.len()).then_some(());
    eventually("the agent has its rights", all).await.unwrap();
    let space = stage.get("/api/v1/namespaces/c1").await.ok();
    let label = &space["metadata"]["labels"]["open-cluster-management.io/cluster-name"];
    assert_eq!(label, "c1");
    let role = format!("{RBAC}/clusterroles/open-cluster-management:managedcluster:c1");
    assert_eq!(stage.get(&role).await.ok()["rules"].as_array().unwrap().len(), 4);
    let deny = json!({"spec": {"hubAcceptsClient": false}});
    stage.patch(&format!("{CLUSTERS}/c1"), deny).await.ok();
    let less = async || {
        let role = stage.get(&role).await.ok();
        (role["rules"].as_array().unwrap().len() == 1).then_some(())
    };
    eventually("the role shrinks", less).await.unwrap();
    let binding = format!(
        "{RBAC}/namespaces/c1/rolebindings/\
                           open-cluster-management:managedcluster:c1:registration"
    );
    let gone = async || (stage.get(&binding).await.code == 404).then_some(());
    eventually("the binding of registration goes", gone).await.unwrap();
    let left = passed(&stage).await;
    assert!(
        left.contains(&("get", "managedclusters")) && left.contains(&("watch", "managedclusters"))
    );
    assert!(!left.contains(&("create", "certificatesigningrequests")), "{left:?}");
    stage.delete(&format!("{CLUSTERS}/c1"), Value::Null).await.ok();
    let none = async || passed(&stage).await.is_empty().then_some(());
    eventually("nothing is left of its rights", none).await.unwrap();
    assert_eq!(stage.get("/api/v1/namespaces/c1").await.code, 200, "its namespace stays");
}

#[tokio::test]
async fn an_accepted_cluster_has_its_rights_again_after_its_namespace_went() {
    let stage = Stage::new().await;
    stage.cluster("c1").await;
    let binding = "/apis/rbac.authorization.k8s.io/v1/namespaces/c1/rolebindings/\
                   open-cluster-management:managedcluster:c1:work";
    let uid = async || {
        let found = stage.get(binding).await;
        (found.code == 200).then(|| found.body["metadata"]["uid"].clone())
    };
    let before = eventually("the binding is there", uid).await.unwrap();
    stage.delete("/api/v1/namespaces/c1", Value::Null).await.ok();
    let again = async || uid().await.filter(|uid| *uid != before);
    eventually("it is there again", again).await.unwrap();
}
