//! Each kind that is taken in the binary form, field by field.

use super::{Fields, definitions, passing};
use data_encoding::BASE64;
use k8s_pb::api::authentication::v1 as authentication;
use k8s_pb::api::authorization::v1 as authorization;
use k8s_pb::api::certificates::v1 as certificates;
use k8s_pb::api::core::v1 as core;
use k8s_pb::api::rbac::v1 as rbac;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use prost::{DecodeError, Message};
use serde_json::{Map, Value};

/// What is taken, by version and kind.
#[cfg(test)]
pub(super) const KNOWN: [(&str, &str); 21] = [
    ("v1", "Namespace"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("authorization.k8s.io/v1", "SelfSubjectAccessReview"),
    ("authorization.k8s.io/v1", "SubjectAccessReview"),
    ("authorization.k8s.io/v1", "LocalSubjectAccessReview"),
    ("authorization.k8s.io/v1", "SelfSubjectRulesReview"),
    ("authentication.k8s.io/v1", "SelfSubjectReview"),
    ("authentication.k8s.io/v1", "TokenReview"),
    ("authentication.k8s.io/v1", "TokenRequest"),
    ("v1", "DeleteOptions"),
    ("v1", "Event"),
    ("events.k8s.io/v1", "Event"),
    ("coordination.k8s.io/v1", "Lease"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
];

/// The fields of an object; `None` for a kind that is not taken.
pub(super) fn object(version: &str, kind: &str, raw: &[u8]) -> Result<Option<Fields>, DecodeError> {
    Ok(Some(match (version, kind) {
        ("v1", "Namespace") => namespace(read(raw)?),
        ("v1", "Secret") => secret(read(raw)?),
        ("v1", "ConfigMap") => config_map(read(raw)?),
        ("v1", "ServiceAccount") => account(read(raw)?),
        ("rbac.authorization.k8s.io/v1", "Role") => role(read(raw)?),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => cluster_role(read(raw)?),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => {
            let rbac::RoleBinding { metadata, subjects, role_ref } = read(raw)?;
            binding(metadata, subjects, role_ref)
        }
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
            let rbac::ClusterRoleBinding { metadata, subjects, role_ref } = read(raw)?;
            binding(metadata, subjects, role_ref)
        }
        ("certificates.k8s.io/v1", "CertificateSigningRequest") => request(read(raw)?),
        ("authorization.k8s.io/v1", kind) => return access(kind, raw),
        ("authentication.k8s.io/v1", kind) if kind != "DeleteOptions" => {
            return identity(kind, raw);
        }
        ("v1", "Event") => passing::event(raw)?,
        ("events.k8s.io/v1", "Event") => passing::regarding(raw)?,
        ("coordination.k8s.io/v1", "Lease") => passing::lease(raw)?,
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => definitions::definition(raw)?,
        (_, "DeleteOptions") => deletion(read(raw)?),
        _ => return Ok(None),
    }))
}

pub(super) fn read<M: Message + Default>(raw: &[u8]) -> Result<M, DecodeError> {
    M::decode(raw)
}

pub(super) fn with(metadata: Option<meta::ObjectMeta>) -> Fields {
    Fields::default().part("metadata", metadata.map(object_meta))
}

fn object_meta(given: meta::ObjectMeta) -> Fields {
    let time = |time: Option<meta::Time>| time.map(|time| (time.seconds, time.nanos));
    let owner = |owner: meta::OwnerReference| {
        Fields::default()
            .some("apiVersion", owner.api_version)
            .some("kind", owner.kind)
            .some("name", owner.name)
            .some("uid", owner.uid)
            .some("controller", owner.controller)
            .some("blockOwnerDeletion", owner.block_owner_deletion)
    };
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    Fields::default()
        .some("name", text(given.name))
        .some("generateName", text(given.generate_name))
        .some("namespace", text(given.namespace))
        .some("uid", text(given.uid))
        .some("resourceVersion", text(given.resource_version))
        .some("generation", given.generation.filter(|generation| *generation != 0))
        .time("creationTimestamp", time(given.creation_timestamp))
        .time("deletionTimestamp", time(given.deletion_timestamp))
        .texts("labels", given.labels)
        .texts("annotations", given.annotations)
        .parts("ownerReferences", given.owner_references.into_iter().map(owner))
        .list("finalizers", given.finalizers)
}

fn namespace(given: core::Namespace) -> Fields {
    let spec = |spec: core::NamespaceSpec| Fields::default().list("finalizers", spec.finalizers);
    let status = |status: core::NamespaceStatus| Fields::default().some("phase", status.phase);
    with(given.metadata).part("spec", given.spec.map(spec)).part("status", given.status.map(status))
}

fn secret(given: core::Secret) -> Fields {
    with(given.metadata)
        .bytes("data", given.data)
        .texts("stringData", given.string_data)
        .some("type", given.r#type.filter(|kind| !kind.is_empty()))
        .some("immutable", given.immutable)
}

fn config_map(given: core::ConfigMap) -> Fields {
    with(given.metadata)
        .texts("data", given.data)
        .bytes("binaryData", given.binary_data)
        .some("immutable", given.immutable)
}

fn account(given: core::ServiceAccount) -> Fields {
    let reference = |given: core::ObjectReference| {
        Fields::default()
            .some("kind", given.kind)
            .some("namespace", given.namespace)
            .some("name", given.name)
            .some("uid", given.uid)
            .some("apiVersion", given.api_version)
            .some("resourceVersion", given.resource_version)
            .some("fieldPath", given.field_path)
    };
    let local = |given: core::LocalObjectReference| Fields::default().some("name", given.name);
    with(given.metadata)
        .parts("secrets", given.secrets.into_iter().map(reference))
        .parts("imagePullSecrets", given.image_pull_secrets.into_iter().map(local))
        .some("automountServiceAccountToken", given.automount_service_account_token)
}

fn rule(given: rbac::PolicyRule) -> Fields {
    Fields::default()
        .list("verbs", given.verbs)
        .list("apiGroups", given.api_groups)
        .list("resources", given.resources)
        .list("resourceNames", given.resource_names)
        .list("nonResourceURLs", given.non_resource_ur_ls)
}

/// Rules that are empty are said: a role needs them.
fn rules(fields: Fields, rules: Vec<rbac::PolicyRule>) -> Fields {
    let rules: Vec<Value> = rules.into_iter().map(|given| rule(given).value()).collect();
    fields.some("rules", Some(rules))
}

fn role(given: rbac::Role) -> Fields {
    rules(with(given.metadata), given.rules)
}

fn cluster_role(given: rbac::ClusterRole) -> Fields {
    let requirement = |given: meta::LabelSelectorRequirement| {
        Fields::default()
            .some("key", given.key)
            .some("operator", given.operator)
            .list("values", given.values)
    };
    let selector = |given: meta::LabelSelector| {
        Fields::default()
            .texts("matchLabels", given.match_labels)
            .parts("matchExpressions", given.match_expressions.into_iter().map(requirement))
    };
    let aggregation = |given: rbac::AggregationRule| {
        let selectors = given.cluster_role_selectors.into_iter().map(selector);
        Fields::default().parts("clusterRoleSelectors", selectors)
    };
    rules(with(given.metadata), given.rules)
        .part("aggregationRule", given.aggregation_rule.map(aggregation))
}

fn binding(
    metadata: Option<meta::ObjectMeta>,
    subjects: Vec<rbac::Subject>,
    role: Option<rbac::RoleRef>,
) -> Fields {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let subject = |given: rbac::Subject| {
        Fields::default()
            .some("kind", given.kind)
            .some("apiGroup", text(given.api_group))
            .some("name", given.name)
            .some("namespace", text(given.namespace))
    };
    let reference = |given: rbac::RoleRef| {
        Fields::default()
            .some("apiGroup", given.api_group)
            .some("kind", given.kind)
            .some("name", given.name)
    };
    with(metadata)
        .parts("subjects", subjects.into_iter().map(subject))
        .part("roleRef", role.map(reference))
}

/// Who asks and what became of it are the hub's to say: they are not taken.
fn request(given: certificates::CertificateSigningRequest) -> Fields {
    let spec = |spec: certificates::CertificateSigningRequestSpec| {
        Fields::default()
            .some("request", spec.request.map(|bytes| BASE64.encode(&bytes)))
            .some("signerName", spec.signer_name)
            .some("expirationSeconds", spec.expiration_seconds)
            .list("usages", spec.usages)
    };
    with(given.metadata).part("spec", given.spec.map(spec))
}

fn access(kind: &str, raw: &[u8]) -> Result<Option<Fields>, DecodeError> {
    let whole = |metadata, spec: Option<Fields>| Some(with(metadata).part("spec", spec));
    Ok(match kind {
        "SelfSubjectAccessReview" => {
            let authorization::SelfSubjectAccessReview { metadata, spec, .. } = read(raw)?;
            let spec = spec.map(|s| asked(s.resource_attributes, s.non_resource_attributes));
            whole(metadata, spec)
        }
        "SubjectAccessReview" => {
            let authorization::SubjectAccessReview { metadata, spec, .. } = read(raw)?;
            whole(metadata, spec.map(of_other))
        }
        "LocalSubjectAccessReview" => {
            let authorization::LocalSubjectAccessReview { metadata, spec, .. } = read(raw)?;
            whole(metadata, spec.map(of_other))
        }
        "SelfSubjectRulesReview" => {
            let authorization::SelfSubjectRulesReview { metadata, spec, .. } = read(raw)?;
            whole(metadata, spec.map(|spec| Fields::default().some("namespace", spec.namespace)))
        }
        "DeleteOptions" => Some(deletion(read(raw)?)),
        _ => None,
    })
}

fn asked(
    resource: Option<authorization::ResourceAttributes>,
    path: Option<authorization::NonResourceAttributes>,
) -> Fields {
    let of_resource = |given: authorization::ResourceAttributes| {
        Fields::default()
            .some("namespace", given.namespace)
            .some("verb", given.verb)
            .some("group", given.group)
            .some("version", given.version)
            .some("resource", given.resource)
            .some("subresource", given.subresource)
            .some("name", given.name)
    };
    let of_path = |given: authorization::NonResourceAttributes| {
        Fields::default().some("path", given.path).some("verb", given.verb)
    };
    Fields::default()
        .part("resourceAttributes", resource.map(of_resource))
        .part("nonResourceAttributes", path.map(of_path))
}

fn of_other(spec: authorization::SubjectAccessReviewSpec) -> Fields {
    let extra: Map<String, Value> =
        spec.extra.into_iter().map(|(key, value)| (key, value.items.into())).collect();
    asked(spec.resource_attributes, spec.non_resource_attributes)
        .some("user", spec.user)
        .list("groups", spec.groups)
        .some("uid", spec.uid)
        .some("extra", (!extra.is_empty()).then_some(extra))
}

fn identity(kind: &str, raw: &[u8]) -> Result<Option<Fields>, DecodeError> {
    Ok(match kind {
        "SelfSubjectReview" => {
            let authentication::SelfSubjectReview { metadata, .. } = read(raw)?;
            Some(with(metadata))
        }
        "TokenReview" => {
            let authentication::TokenReview { metadata, spec, .. } = read(raw)?;
            let of = |spec: authentication::TokenReviewSpec| {
                Fields::default().some("token", spec.token).list("audiences", spec.audiences)
            };
            Some(with(metadata).part("spec", spec.map(of)))
        }
        "TokenRequest" => {
            let authentication::TokenRequest { metadata, spec, .. } = read(raw)?;
            let of = |spec: authentication::TokenRequestSpec| {
                Fields::default()
                    .list("audiences", spec.audiences)
                    .some("expirationSeconds", spec.expiration_seconds)
            };
            Some(with(metadata).part("spec", spec.map(of)))
        }
        _ => None,
    })
}

fn deletion(given: meta::DeleteOptions) -> Fields {
    let preconditions = |given: meta::Preconditions| {
        Fields::default().some("uid", given.uid).some("resourceVersion", given.resource_version)
    };
    Fields::default()
        .some("gracePeriodSeconds", given.grace_period_seconds)
        .part("preconditions", given.preconditions.map(preconditions))
        .some("orphanDependents", given.orphan_dependents)
        .some("propagationPolicy", given.propagation_policy)
        .list("dryRun", given.dry_run)
}
