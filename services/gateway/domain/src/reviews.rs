//! Reviews: questions in the form of objects, of which nothing is kept (spec/gateway 1.4).

use crate::access::{Access, Ask, Caller};
use crate::status::Status;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The groups of kinds that are reviews.
pub const GROUPS: [&str; 2] = ["authorization.k8s.io", "authentication.k8s.io"];

/// Somebody as reviews say him.
#[must_use]
pub fn user_info(caller: &Caller) -> Value {
    let mut info = json!({ "username": caller.user, "groups": caller.groups });
    if !caller.uid.is_empty() {
        info["uid"] = json!(caller.uid);
    }
    if !caller.extra.is_empty() {
        info["extra"] = json!(caller.extra);
    }
    info
}

/// The answer to a review of access or of identity; a `TokenReview` needs who knows tokens.
///
/// # Errors
/// 422 for one that does not say what is asked.
pub fn answered(
    access: &Access,
    caller: &Caller,
    kind: &str,
    mut review: Value,
) -> Result<Value, Status> {
    let status = match kind {
        "SelfSubjectReview" => json!({ "userInfo": user_info(caller) }),
        "SelfSubjectRulesReview" => {
            let namespace = text(&review["spec"]["namespace"]);
            let (resources, paths) = access.listed(caller, &namespace);
            json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false })
        }
        "SelfSubjectAccessReview" => allowed(access, caller, &ask(kind, &review)?),
        _ => {
            let asked = ask(kind, &review)?;
            let about = subject(kind, &review)?;
            allowed(access, &about, &asked)
        }
    };
    review["status"] = status;
    Ok(review)
}

fn allowed(access: &Access, caller: &Caller, ask: &Ask) -> Value {
    match access.allows(caller, ask) {
        Some(reason) => json!({ "allowed": true, "reason": reason }),
        None => json!({ "allowed": false }),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn invalid(kind: &str, words: &str) -> Status {
    Status::new(422, "Invalid", format!("{kind}.authorization.k8s.io \"\" is invalid: {words}"))
}

/// What a review asks about.
fn ask(kind: &str, review: &Value) -> Result<Ask, Status> {
    let spec = &review["spec"];
    match (&spec["resourceAttributes"], &spec["nonResourceAttributes"]) {
        (Value::Object(given), Value::Null) => {
            let of = |field: &str| given.get(field).map(text).unwrap_or_default();
            let namespace = of("namespace");
            let outer = text(&review["metadata"]["namespace"]);
            if kind == "LocalSubjectAccessReview" && namespace != outer {
                let words = "spec.resourceAttributes.namespace: Invalid value: must match \
                             metadata.namespace";
                return Err(invalid(kind, words));
            }
            Ok(Ask {
                verb: of("verb"),
                group: of("group"),
                resource: of("resource"),
                subresource: of("subresource"),
                namespace,
                name: of("name"),
                path: String::new(),
            })
        }
        (Value::Null, Value::Object(given)) => {
            let of = |field: &str| given.get(field).map(text).unwrap_or_default();
            Ok(Ask { verb: of("verb"), path: of("path"), ..Ask::default() })
        }
        _ => {
            let words = "spec: Invalid value: exactly one of nonResourceAttributes or \
                         resourceAttributes must be specified";
            Err(invalid(kind, words))
        }
    }
}

/// Whom a review asks about.
fn subject(kind: &str, review: &Value) -> Result<Caller, Status> {
    let spec = &review["spec"];
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let (user, groups) = (text(&spec["user"]), list(&spec["groups"]));
    if user.is_empty() && groups.is_empty() {
        let words = "spec.user: Invalid value: at least one of user or group must be specified";
        return Err(invalid(kind, words));
    }
    let extra: Option<&Map<String, Value>> = spec["extra"].as_object();
    let extra: BTreeMap<String, Vec<String>> =
        extra.into_iter().flatten().map(|(key, all)| (key.clone(), list(all))).collect();
    Ok(Caller { user, groups, uid: text(&spec["uid"]), extra })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Key;

    fn access() -> Access {
        let mut access = Access::default();
        let key = |name: &str| Key { namespace: String::new(), name: name.into() };
        let accept = json!({ "rules": [{
            "verbs": ["update"], "apiGroups": ["register.open-cluster-management.io"],
            "resources": ["managedclusters/accept"], "resourceNames": ["c1"],
        }] });
        access.note("ClusterRole", &key("accept"), Some(&accept));
        let binding = json!({
            "roleRef": { "kind": "ClusterRole", "name": "accept" },
            "subjects": [{ "kind": "User", "name": "u" }],
        });
        access.note("ClusterRoleBinding", &key("b"), Some(&binding));
        access
    }

    fn user(name: &str) -> Caller {
        Caller { user: name.into(), ..Caller::default() }
    }

    fn accepts(name: &str) -> Value {
        json!({ "spec": { "resourceAttributes": {
            "verb": "update", "group": "register.open-cluster-management.io",
            "resource": "managedclusters", "subresource": "accept", "name": name,
        } } })
    }

    #[test]
    fn gw086_what_no_path_leads_to_is_judged_by_roles_alone() {
        let own = |who: &str, name: &str| {
            let review = accepts(name);
            let answered = answered(&access(), &user(who), "SelfSubjectAccessReview", review);
            answered.unwrap()["status"]["allowed"].clone()
        };
        assert_eq!(
            (own("u", "c1"), own("u", "c2"), own("v", "c1")),
            (true.into(), false.into(), false.into())
        );
        let mut of_other = accepts("c1");
        of_other["spec"]["user"] = json!("u");
        let found = answered(&access(), &user("admin"), "SubjectAccessReview", of_other).unwrap();
        assert_eq!(found["status"]["allowed"], true);
        assert!(found["status"]["reason"].as_str().unwrap().contains("\"accept\""));
    }

    #[test]
    fn a_review_says_what_and_whom() {
        let refused = |kind: &str, spec: Value| {
            let review = json!({ "metadata": { "namespace": "n" }, "spec": spec });
            answered(&access(), &user("u"), kind, review).unwrap_err().code
        };
        assert_eq!(refused("SelfSubjectAccessReview", json!({})), 422);
        assert_eq!(refused("SubjectAccessReview", accepts("c1")["spec"].clone()), 422);
        let other = json!({ "user": "u", "resourceAttributes": { "namespace": "m" } });
        assert_eq!(refused("LocalSubjectAccessReview", other), 422);
    }

    #[test]
    fn who_asks_is_told_who_he_is() {
        let groups = vec!["g".to_owned()];
        let caller = Caller { user: "u".into(), groups, ..Caller::default() };
        let told = answered(&access(), &caller, "SelfSubjectReview", json!({})).unwrap();
        assert_eq!(told["status"]["userInfo"], json!({ "username": "u", "groups": ["g"] }));
        let rules = answered(&access(), &user("u"), "SelfSubjectRulesReview", json!({})).unwrap();
        assert_eq!(rules["status"]["resourceRules"][0]["verbs"], json!(["update"]));
    }
}
