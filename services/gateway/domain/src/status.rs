//! Refusals as the API says them: a Status with code, reason, message and details (spec/gateway 6).

use crate::kinds::Kind;
use crate::path::Place;
use fleetlog_messages::common::Refusal;
use serde_json::{Value, json};

/// The codes of finalizers that come too late, one for each service.
const LATE: [&str; 5] = ["ADD0024", "COR0013", "PLC0015", "REG0023", "WRK0026"];

/// One cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, say.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// Where, or the code of a decider's refusal.
    pub field: String,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP code.
    pub code: u16,
    /// What clients judge by; empty for a failure without one.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// Whom it is about: name, group, and the resource or, where it is invalid, the kind.
    pub about: Option<Box<[String; 3]>>,
    /// Why, point by point.
    pub causes: Vec<Cause>,
    /// After how many seconds to come again; 0 says nothing of it.
    pub retry_after: u32,
    /// Where a list that expired may go on; empty where it may not.
    pub resume: String,
}

impl Status {
    /// A refusal with a code, a reason and words.
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (causes, resume) = (vec![], String::new());
        Self { code, reason, message, about: None, causes, retry_after: 0, resume }
    }

    /// 400.
    #[must_use]
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 404: there is no object of this name.
    #[must_use]
    pub fn not_found(kind: Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified());
        Self::new(404, "NotFound", message).of(kind, name)
    }

    /// 404: nothing is served there.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 409: there is one already.
    #[must_use]
    pub fn exists(kind: Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified());
        Self::new(409, "AlreadyExists", message).of(kind, name)
    }

    /// 409: it has moved since it was read.
    #[must_use]
    pub fn conflict(kind: Kind, name: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please \
             apply your changes to the latest version and try again",
            kind.qualified()
        );
        Self::new(409, "Conflict", message).of(kind, name)
    }

    /// 422: fields of an object are not what they may be.
    #[must_use]
    pub fn invalid(kind: Kind, name: &str, causes: Vec<Cause>) -> Self {
        let words: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let words = match words.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", words.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {words}", kind.0.in_group(kind.0.kind));
        let about = [name, kind.0.group, kind.0.kind].map(str::to_owned);
        Self { about: Some(Box::new(about)), causes, ..Self::new(422, "Invalid", message) }
    }

    /// 422 of the parameters of a list or a watch.
    #[must_use]
    pub fn invalid_options(field: &str, words: &str) -> Self {
        let kind = "ListOptions.meta.k8s.io";
        let message = format!("{kind} \"\" is invalid: {field}: {words}");
        let about = ["", "meta.k8s.io", "ListOptions"].map(str::to_owned);
        let reason = match words.split(' ').next() {
            Some("Forbidden:") => "FieldValueForbidden",
            Some("Unsupported") => "FieldValueNotSupported",
            _ => "FieldValueInvalid",
        };
        let cause = Cause { reason, message: words.to_owned(), field: field.to_owned() };
        Self {
            about: Some(Box::new(about)),
            causes: vec![cause],
            ..Self::new(422, "Invalid", message)
        }
    }

    /// The same, where it is of the parameters of another verb: `CreateOptions`, say.
    #[must_use]
    pub fn of_options(mut self, kind: &str) -> Self {
        if let Some(about) = self.about.as_mut().filter(|about| about[2] == "ListOptions") {
            kind.clone_into(&mut about[2]);
            self.message = self.message.replacen("ListOptions", kind, 1);
        }
        self
    }

    /// 403: this user may not do that.
    #[must_use]
    pub fn forbidden(user: &str, verb: &str, place: &Place) -> Self {
        let Place { group, resource, namespace, name, subresource, .. } = place;
        let qualified =
            if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let whole = match subresource {
            Some(part) => format!("{resource}/{part}"),
            None => resource.clone(),
        };
        let name = name.as_deref().unwrap_or_default();
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{qualified}{named} is forbidden: User \"{user}\" cannot {verb} resource \"{whole}\" \
             in API group \"{group}\" {place}"
        );
        let about = Some(Box::new([name, group, resource].map(str::to_owned)));
        Self { about, ..Self::new(403, "Forbidden", message) }
    }

    /// 405.
    #[must_use]
    pub fn not_allowed(verb: &str, kind: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{kind}\"");
        Self::new(405, "MethodNotAllowed", message)
    }

    /// 405: a verb that a place does not have.
    #[must_use]
    pub fn no_method(kind: Kind, verb: &str) -> Self {
        if kind.is_built_in() || kind.is_review() {
            let message = "the server does not allow this method on the requested resource";
            return Self::new(405, "MethodNotAllowed", message);
        }
        let message =
            format!("{verb} is not supported on resources of kind \"{}\"", kind.qualified());
        Self::new(405, "MethodNotAllowed", message).of(kind, "")
    }

    /// 410: the gateway does not hold it any more.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 504 of a resource version that is not there yet.
    #[must_use]
    pub fn too_large(asked: u64, newest: u64) -> Self {
        let cause = Cause {
            reason: "ResourceVersionTooLarge",
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        let message = format!("Timeout: Too large resource version: {asked}, current: {newest}");
        Self { causes: vec![cause], retry_after: 1, ..Self::new(504, "Timeout", message) }
    }

    /// 404: the namespace of an object is not there.
    #[must_use]
    pub fn no_namespace(namespace: &str) -> Self {
        let about = Some(Box::new([namespace, "", "namespaces"].map(str::to_owned)));
        let message = format!("namespaces \"{namespace}\" not found");
        Self { about, ..Self::new(404, "NotFound", message) }
    }

    /// 403: the namespace of a new object is on its way out.
    #[must_use]
    pub fn terminating(kind: Kind, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let cause = Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        };
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.qualified());
        Self { causes: vec![cause], ..Self::new(403, "Forbidden", message).of(kind, name) }
    }

    /// What a decider refused: in the form that clients know for it, else as invalid; its code and
    /// advice are among the causes.
    #[must_use]
    pub fn refused(kind: Kind, name: &str, refusal: &Refusal) -> Self {
        let Refusal { code, sentence, advice } = refusal;
        let cause = Cause { reason: "Refusal", message: advice.clone(), field: code.clone() };
        let known = match code.as_str() {
            "COR0002" => Some(Self::not_found(kind, name)),
            "COR0003" => Some(Self::exists(kind, name)),
            "COR0004" => Some(Self::conflict(kind, name)),
            code if LATE.contains(&code) => {
                let (reason, field) = ("FieldValueForbidden", "metadata.finalizers".to_owned());
                let message = format!("Forbidden: {sentence}");
                Some(Self::invalid(kind, name, vec![Cause { reason, message, field }]))
            }
            "COR0015" => {
                let words = "this namespace may not be deleted";
                let message = format!("{} \"{name}\" is forbidden: {words}", kind.qualified());
                Some(Self::new(403, "Forbidden", message).of(kind, name))
            }
            _ => None,
        };
        if let Some(mut known) = known {
            known.causes.push(cause);
            return known;
        }
        let named = kind.0.in_group(kind.0.kind);
        let message = format!("{named} \"{name}\" is invalid: {sentence}");
        let about = Some(Box::new([name, kind.0.group, kind.0.kind].map(str::to_owned)));
        Self { about, causes: vec![cause], ..Self::new(422, "Invalid", message) }
    }

    /// The same about an object of a kind.
    #[must_use]
    pub fn of(self, kind: Kind, name: &str) -> Self {
        let about = [name, kind.0.group, kind.0.plural].map(str::to_owned);
        Self { about: Some(Box::new(about)), ..self }
    }

    /// The body that says it.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut details = serde_json::Map::new();
        if let Some(about) = &self.about {
            let all = ["name", "group", "kind"].into_iter().zip(about.iter());
            let all = all.filter(|(_, text)| !text.is_empty());
            details.extend(all.map(|(key, text)| (key.to_owned(), json!(text))));
        }
        if !self.causes.is_empty() {
            let cause = |c: &Cause| match c.field.is_empty() {
                true => json!({ "reason": c.reason, "message": c.message }),
                false => json!({ "reason": c.reason, "message": c.message, "field": c.field }),
            };
            let causes: Vec<Value> = self.causes.iter().map(cause).collect();
            details.insert("causes".to_owned(), json!(causes));
        }
        if self.retry_after > 0 {
            details.insert("retryAfterSeconds".to_owned(), json!(self.retry_after));
        }
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !details.is_empty() {
            body["details"] = Value::Object(details);
        }
        if !self.resume.is_empty() {
            body["metadata"]["continue"] = json!(self.resume);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;

    fn cluster() -> Kind {
        find("cluster.open-cluster-management.io", "v1", "managedclusters").unwrap()
    }

    #[test]
    fn refusals_are_said_as_clients_match_them() {
        let body = Status::not_found(cluster(), "c1").body();
        let words = "managedclusters.cluster.open-cluster-management.io \"c1\" not found";
        assert_eq!(body["message"], words);
        assert_eq!(body["details"]["kind"], "managedclusters");
        assert_eq!((&body["code"], &body["reason"]), (&json!(404), &json!("NotFound")));
        let late = Status::too_large(9, 7).body();
        assert_eq!(late["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
        assert_eq!(late["details"]["retryAfterSeconds"], 1);
    }

    #[test]
    fn parameters_are_named_by_their_verb_and_methods_by_their_kind() {
        let wrong = Status::invalid_options("dryRun", "Unsupported value: \"x\"");
        let wrong = wrong.of_options("CreateOptions").body();
        let words = "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: \"x\"";
        assert_eq!(wrong["message"], words);
        assert_eq!(wrong["details"]["kind"], "CreateOptions");
        assert_eq!(wrong["details"]["causes"][0]["reason"], "FieldValueNotSupported");
        let other = Status::not_found(cluster(), "c1");
        assert_eq!(other.clone().of_options("CreateOptions"), other);
        let words = "update is not supported on resources of kind \
             \"managedclusters.cluster.open-cluster-management.io\"";
        assert_eq!(Status::no_method(cluster(), "update").message, words);
        let maps = find("", "v1", "configmaps").unwrap();
        assert!(Status::no_method(maps, "update").message.starts_with("the server does not"));
    }

    #[test]
    fn whoever_may_not_is_told_what() {
        let place = Place {
            group: "cluster.open-cluster-management.io".into(),
            resource: "managedclusters".into(),
            name: Some("c1".into()),
            subresource: Some("status".into()),
            ..Place::default()
        };
        let words = Status::forbidden("u", "patch", &place).message;
        let wanted = "managedclusters.cluster.open-cluster-management.io \"c1\" is forbidden: User \
             \"u\" cannot patch resource \"managedclusters/status\" in API group \
             \"cluster.open-cluster-management.io\" at the cluster scope";
        assert_eq!(words, wanted);
    }

    #[test]
    fn a_deciders_refusal_keeps_its_code_and_advice() {
        let refusal = Refusal {
            code: "REG0003".into(),
            sentence: "it is so".into(),
            advice: "do that".into(),
        };
        let body = Status::refused(cluster(), "c1", &refusal).body();
        let cause = &body["details"]["causes"][0];
        assert_eq!((&cause["field"], &cause["message"]), (&json!("REG0003"), &json!("do that")));
        assert_eq!(body["details"]["kind"], "ManagedCluster");
    }
}
