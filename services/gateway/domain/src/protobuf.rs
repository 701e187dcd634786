//! Bodies in Kubernetes' binary form (spec/gateway 0, fact 1): what typed clients send for the
//! kinds that Kubernetes has built in, as the JSON that it stands for. Answers are JSON always.

mod definitions;
mod fields;
mod kinds;
mod passing;

use crate::status::Status;
use fields::Fields;
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use prost::Message;
use serde_json::Value;

/// The content type.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The object in a body.
///
/// # Errors
/// 400 for a body that is none, or is of a kind that is not taken in this form.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Status> {
    let inner = bytes.strip_prefix(MAGIC).ok_or_else(|| {
        Status::bad("provided data does not appear to be a protobuf message, expected prefix k8s")
    })?;
    let unreadable = |why: prost::DecodeError| Status::bad(format!("the body is damaged: {why}"));
    let unknown = Unknown::decode(inner).map_err(unreadable)?;
    let kind = unknown.type_meta.unwrap_or_default();
    let (version, kind) = (kind.api_version.unwrap_or_default(), kind.kind.unwrap_or_default());
    let raw = unknown.raw.unwrap_or_default();
    let found = kinds::object(&version, &kind, &raw).map_err(unreadable)?;
    let fields = found.ok_or_else(|| {
        Status::bad(format!("no kind \"{kind}\" is registered for version \"{version}\""))
    })?;
    Ok(Fields::default().given("apiVersion", version).given("kind", kind).with(fields).value())
}

#[cfg(test)]
pub(crate) fn written(version: &str, kind: &str, object: &impl Message) -> Vec<u8> {
    let type_meta = k8s_pb::apimachinery::pkg::runtime::TypeMeta {
        api_version: Some(version.to_owned()),
        kind: Some(kind.to_owned()),
    };
    let (type_meta, raw) = (Some(type_meta), Some(object.encode_to_vec()));
    let unknown = Unknown { type_meta, raw, ..Unknown::default() };
    [MAGIC, &unknown.encode_to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_pb::api::core::v1::{ConfigMap, Namespace, Secret};
    use k8s_pb::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
    use k8s_pb::apimachinery::pkg::apis::meta::v1::{
        DeleteOptions, ObjectMeta, OwnerReference, Preconditions, Time,
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn named(name: &str) -> Option<ObjectMeta> {
        Some(ObjectMeta {
            name: Some(name.into()),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            creation_timestamp: Some(Time { seconds: Some(0), nanos: Some(0) }),
            owner_references: vec![OwnerReference {
                uid: Some("u".into()),
                controller: Some(true),
                ..OwnerReference::default()
            }],
            ..ObjectMeta::default()
        })
    }

    #[test]
    fn gw064_objects_are_read_as_the_json_that_they_stand_for() {
        let secret = Secret {
            metadata: named("s"),
            data: [("k".to_owned(), vec![0xff, 0])].into(),
            r#type: Some("Opaque".into()),
            ..Secret::default()
        };
        let read_back = read(&written("v1", "Secret", &secret)).unwrap();
        let wanted = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"k": "/wA="},
            "metadata": {
                "name": "s", "labels": {"a": "b"}, "creationTimestamp": "1970-01-01T00:00:00Z",
                "ownerReferences": [{"uid": "u", "controller": true}],
            },
        });
        assert_eq!(read_back, wanted);
        let map =
            ConfigMap { data: [("a".to_owned(), "1".to_owned())].into(), ..ConfigMap::default() };
        assert_eq!(read(&written("v1", "ConfigMap", &map)).unwrap()["data"], json!({"a": "1"}));
        let space = Namespace { metadata: named("n"), ..Namespace::default() };
        let space = read(&written("v1", "Namespace", &space)).unwrap();
        assert_eq!(space["metadata"]["name"], "n");
        let rule = PolicyRule {
            verbs: vec!["get".into()],
            non_resource_ur_ls: vec!["/x".into()],
            ..PolicyRule::default()
        };
        let role = Role { rules: vec![rule], ..Role::default() };
        let version = "rbac.authorization.k8s.io/v1";
        let rules = json!([{"verbs": ["get"], "nonResourceURLs": ["/x"]}]);
        assert_eq!(read(&written(version, "Role", &role)).unwrap()["rules"], rules);
        let binding = RoleBinding {
            subjects: vec![Subject { name: Some("u".into()), ..Subject::default() }],
            role_ref: Some(RoleRef { kind: Some("Role".into()), ..RoleRef::default() }),
            ..RoleBinding::default()
        };
        let found = read(&written(version, "RoleBinding", &binding)).unwrap();
        assert_eq!(
            (&found["subjects"][0]["name"], &found["roleRef"]["kind"]),
            (&json!("u"), &json!("Role"))
        );
    }

    #[test]
    fn gw065_reviews_are_read() {
        use k8s_pb::api::authentication::v1::{TokenReview, TokenReviewSpec};
        use k8s_pb::api::authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        };
        let attributes = ResourceAttributes {
            verb: Some("get".into()),
            resource: Some("secrets".into()),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec: Some(spec), ..Default::default() };
        let review = written("authorization.k8s.io/v1", "SelfSubjectAccessReview", &review);
        let wanted = json!({"resourceAttributes": {"verb": "get", "resource": "secrets"}});
        assert_eq!(read(&review).unwrap()["spec"], wanted);
        let spec = TokenReviewSpec { token: Some("t".into()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec: Some(spec), ..TokenReview::default() };
        let review = written("authentication.k8s.io/v1", "TokenReview", &review);
        assert_eq!(read(&review).unwrap()["spec"], json!({"token": "t"}));
    }

    #[test]
    fn gw066_the_options_of_a_deletion_are_read() {
        let options = DeleteOptions {
            preconditions: Some(Preconditions { uid: Some("u".into()), resource_version: None }),
            propagation_policy: Some("Background".into()),
            dry_run: vec!["All".into()],
            ..DeleteOptions::default()
        };
        for version in ["v1", "meta.k8s.io/v1", "rbac.authorization.k8s.io/v1"] {
            let found = read(&written(version, "DeleteOptions", &options)).unwrap();
            assert_eq!(found["preconditions"], json!({"uid": "u"}));
            assert_eq!(
                (&found["propagationPolicy"], &found["dryRun"]),
                (&json!("Background"), &json!(["All"]))
            );
        }
    }

    #[test]
    fn gw067_what_is_no_such_body_is_400() {
        assert_eq!(read(b"{}").unwrap_err().code, 400);
        assert_eq!(read(b"k8s\0\xff\xff").unwrap_err().code, 400);
        let unknown = written("v1", "Pod", &ConfigMap::default());
        assert_eq!(read(&unknown).unwrap_err().code, 400);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = read(&[MAGIC, &bytes].concat());
            for (version, kind) in kinds::KNOWN {
                let _ = kinds::object(version, kind, &bytes);
            }
        }
    }
}
