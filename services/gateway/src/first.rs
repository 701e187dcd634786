//! What every hub has from the start (spec/gateway 1.10): namespaces, what clients must know of the
//! hub, the roles that Kubernetes and Open Cluster Management count on, and the definitions of the
//! hub's own kinds. Made once, by whichever gateway comes first; who changes or deletes them later
//! has his will until the next start, and for longer where only what is missing is made: all but
//! what clients must know of the hub, and definitions that nobody has changed.

use crate::Gateway;
use data_encoding::BASE64;
use fleetlog_bus::Fault;
use fleetlog_gateway_domain::{Caller, Key, Kind, definitions, is_outdated, served};
use fleetlog_kernel::Position;
use fleetlog_objects::{How, apply};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

/// How many are made at once.
const AT_ONCE: usize = 8;
/// How long to wait before what could not be made is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// As whom they are made.
const ACTOR: &str = "gateway";
/// The hub's own namespace.
const HUB: &str = "open-cluster-management";
/// The account that clusters join by.
const JOINS: &str = "agent-registration-bootstrap";
const BOOTSTRAP: &str = "open-cluster-management:bootstrap";
const RBAC: &str = "rbac.authorization.k8s.io";

impl Gateway {
    /// Makes what is missing of these objects, namespaces first.
    pub(crate) async fn start_with(self, objects: Vec<Value>) -> Result<(), Fault> {
        let founding = async {
            self.board.ready().await;
            let (namespaces, others): (Vec<Value>, Vec<Value>) =
                objects.into_iter().partition(|object| object["kind"] == "Namespace");
            for part in [namespaces, others] {
                let made = part.into_iter().map(|object| self.establish(object));
                stream::iter(made).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
            }
            self.founded.set(true);
        };
        tokio::select! {
            biased;
            () = self.tasks.stopped() => {}
            () = founding => {}
        }
        Ok(())
    }

    /// Sees that an object exists, however long that takes.
    async fn establish(&self, object: Value) {
        let Some(kind) = kind_of(&object) else { return };
        let key = Key::of(&object);
        while let Some(version) = self.lacks(kind, &key, &object) {
            match self.make((kind, &key), &object, version).await {
                Ok(()) => return,
                Err(why) => {
                    tracing::warn!(why, kind = kind.0.kind, name = key.name, "not made yet");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The version that it is to be written at, where it is not as it must be.
    fn lacks(&self, kind: Kind, key: &Key, object: &Value) -> Option<String> {
        match self.current(kind, key) {
            None => Some(Position::START.resource_version(0)),
            Some(now) => {
                let wrong = kind.0.kind == "ConfigMap" && now.object["data"] != object["data"];
                let wrong = wrong || is_outdated(&now.object, object);
                wrong.then(|| now.version.to_string())
            }
        }
    }

    /// Makes it; that there is one by now is as good.
    async fn make(
        &self,
        (kind, key): (Kind, &Key),
        object: &Value,
        resource_version: String,
    ) -> Result<(), String> {
        let how = How { resource_version, replace_metadata: true, ..How::default() };
        let applying = apply(kind.0, object.clone(), &how).map_err(|why| why.to_string())?;
        let who = Caller::known(ACTOR, &[]);
        match self.decided(&who.user, kind, key, applying.command).await {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.is_there() => Ok(()),
            Err(refusal) => Err(refusal.words()),
        }
    }
}

fn kind_of(object: &Value) -> Option<Kind> {
    served().find(|kind| {
        object["kind"] == kind.0.kind && object["apiVersion"] == kind.0.api_version().as_str()
    })
}

/// All of them, for a hub at this URL that is known by this certificate (PEM).
pub(crate) fn objects(url: &str, authority: &str) -> Vec<Value> {
    let namespaces = ["default", "kube-system", "kube-public", HUB, "open-cluster-management-hub"];
    let namespaces = namespaces.map(|name| {
        json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
        })
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": JOINS, "namespace": HUB },
    });
    let others = known(url, authority).into_iter().chain(roles()).chain(definitions());
    namespaces.into_iter().chain([account]).chain(others).collect()
}

/// What whoever joins must know of the hub.
fn known(url: &str, authority: &str) -> [Value; 2] {
    let cluster = json!({
        "name": "",
        "cluster": {
            "server": url, "certificate-authority-data": BASE64.encode(authority.as_bytes()),
        },
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "clusters": [cluster],
        "contexts": null, "current-context": "", "preferences": {}, "users": null,
    });
    let map = |name: &str, key: &str, text: String| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "kube-public" }, "data": { key: text },
        })
    };
    [
        map("cluster-info", "kubeconfig", fleetlog_objects::to_yaml(&config)),
        map("kube-root-ca.crt", "ca.crt", authority.to_owned()),
    ]
}

fn roles() -> Vec<Value> {
    let group = |name: &str| json!({ "kind": "Group", "apiGroup": RBAC, "name": name });
    let (authenticated, anyone) = (group("system:authenticated"), group("system:unauthenticated"));
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let discovery: Vec<&str> = public
        .into_iter()
        .chain(["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"])
        .collect();
    let paths = |paths: &[&str]| json!([{ "verbs": ["get"], "nonResourceURLs": paths }]);
    let everything = json!([
        of(&["*"], &["*"], &["*"]), { "verbs": ["*"], "nonResourceURLs": ["*"] },
    ]);
    let (asks, whose) = ("authorization.k8s.io", "authentication.k8s.io");
    let basic = json!([
        of(&[asks], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"], &["create"]),
        of(&[whose], &["selfsubjectreviews"], &["create"]),
    ]);
    let ocm = "cluster.open-cluster-management.io";
    let joining = json!([
        of(&[""], &["configmaps"], &["get"]),
        of(
            &["certificates.k8s.io"],
            &["certificatesigningrequests"],
            &["create", "get", "list", "watch"]
        ),
        of(&[ocm], &["managedclusters"], &["create", "get", "list", "watch"]),
        of(&[ocm], &["managedclustersets/join"], &["create"]),
    ]);
    let account = json!({ "kind": "ServiceAccount", "name": JOINS, "namespace": HUB });
    let boots = group("system:bootstrappers:managedcluster");
    let mut all = vec![
        role("cluster-admin", &everything),
        bound("cluster-admin", "cluster-admin", &json!([group("system:masters")])),
        role("system:discovery", &paths(&discovery)),
        bound("system:discovery", "system:discovery", &json!([authenticated])),
        role("system:public-info-viewer", &paths(&public)),
        bound(
            "system:public-info-viewer",
            "system:public-info-viewer",
            &json!([authenticated, anyone]),
        ),
        role("system:basic-user", &basic),
        bound("system:basic-user", "system:basic-user", &json!([authenticated])),
        role(BOOTSTRAP, &joining),
        bound("open-cluster-management:bootstrap:agent-registration", BOOTSTRAP, &json!([account])),
        bound("open-cluster-management:bootstrap:managedcluster", BOOTSTRAP, &json!([boots])),
    ];
    all.extend(public_info(&json!([authenticated, anyone])));
    all.extend(of_namespaces());
    all
}

/// Everybody may read what joining needs.
fn public_info(subjects: &Value) -> [Value; 2] {
    let name = "fleetlog:cluster-info";
    let metadata = json!({ "name": name, "namespace": "kube-public" });
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"],
        "resourceNames": ["cluster-info"],
    }]);
    [
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": metadata,
            "rules": rules,
        }),
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": RBAC, "kind": "Role", "name": name }, "subjects": subjects,
        }),
    ]
}

/// `view`, `edit` and `admin`, each gathering what is labelled for it.
fn of_namespaces() -> Vec<Value> {
    let ocm = ["cluster", "work", "addon"].map(|name| format!("{name}.open-cluster-management.io"));
    let ocm: Vec<&str> = ocm.iter().map(String::as_str).collect();
    let read = ["get", "list", "watch"];
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    let seen = ["configmaps", "serviceaccounts", "events", "namespaces"];
    let parts = [
        ("view", json!([of(&[""], &seen, &read), of(&ocm, &["*"], &read)])),
        (
            "edit",
            json!([
                of(&[""], &["secrets"], &read),
                of(&[""], &["configmaps", "secrets", "serviceaccounts"], &write),
                of(&ocm, &["*"], &write),
            ]),
        ),
        (
            "admin",
            json!([
                of(&[RBAC], &["roles", "rolebindings"], &read),
                of(&[RBAC], &["roles", "rolebindings"], &write),
                of(&[""], &["serviceaccounts/token"], &["create"]),
            ]),
        ),
    ];
    let order = ["view", "edit", "admin"];
    let mut all = vec![];
    for (place, (name, rules)) in parts.into_iter().enumerate() {
        let label =
            |of: &str| (format!("rbac.authorization.k8s.io/aggregate-to-{of}"), json!("true"));
        let mut part = role(&format!("system:aggregate-to-{name}"), &rules);
        let labels: serde_json::Map<String, Value> =
            order[place..].iter().map(|of| label(of)).collect();
        part["metadata"]["labels"] = Value::Object(labels);
        let mut whole = role(name, &json!([]));
        let (key, value) = label(name);
        whole["aggregationRule"] =
            json!({ "clusterRoleSelectors": [{ "matchLabels": { key: value } }] });
        all.extend([part, whole]);
    }
    all
}

/// Something that may be done to resources.
fn of(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
}

fn role(name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": { "name": name }, "rules": rules,
    })
}

fn bound(name: &str, role: &str, subjects: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": { "name": name }, "subjects": subjects,
        "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_of_a_kind_that_is_served_and_whole() {
        let all = objects("https://hub:6443", "PEM");
        for object in &all {
            assert!(kind_of(object).is_some(), "{object}");
            let admitted = fleetlog_objects::admit(object.clone());
            assert!(admitted.is_ok(), "{object}: {admitted:?}");
        }
        let info = all.iter().find(|object| object["metadata"]["name"] == "cluster-info").unwrap();
        let config = fleetlog_objects::yaml(info["data"]["kubeconfig"].as_str().unwrap()).unwrap();
        assert_eq!(config[0]["clusters"].as_array().unwrap().len(), 1);
        assert_eq!(config[0]["clusters"][0]["cluster"]["server"], "https://hub:6443");
    }
}
