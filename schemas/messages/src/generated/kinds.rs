//! Every kind of API object. Generated from `schemas/proto`; do not edit.

use crate::{ApiObject as _, KindInfo};

/// Every kind, in the version that it is kept in, in the order of the protos.
pub const KINDS: &[&KindInfo] = &[
    crate::work::ManifestWork::INFO,
    crate::work::ManifestWorkReplicaSet::INFO,
    crate::work::AppliedManifestWork::INFO,
    crate::addon::ClusterManagementAddOn::INFO,
    crate::addon::ManagedClusterAddOn::INFO,
    crate::addon::AddOnTemplate::INFO,
    crate::core::Namespace::INFO,
    crate::core::ConfigMap::INFO,
    crate::core::Secret::INFO,
    crate::core::ServiceAccount::INFO,
    crate::core::Role::INFO,
    crate::core::RoleBinding::INFO,
    crate::core::ClusterRole::INFO,
    crate::core::ClusterRoleBinding::INFO,
    crate::core::CertificateSigningRequest::INFO,
    crate::core::CustomResourceDefinition::INFO,
    crate::core::AddOnDeploymentConfig::INFO,
    crate::core::SelfSubjectAccessReview::INFO,
    crate::core::SubjectAccessReview::INFO,
    crate::core::LocalSubjectAccessReview::INFO,
    crate::core::SelfSubjectRulesReview::INFO,
    crate::core::SelfSubjectReview::INFO,
    crate::core::TokenReview::INFO,
    crate::core::Lease::INFO,
    crate::core::Event::INFO,
    crate::core::RegardingEvent::INFO,
    crate::placement::Placement::INFO,
    crate::placement::PlacementDecision::INFO,
    crate::placement::AddOnPlacementScore::INFO,
    crate::registration::ManagedCluster::INFO,
    crate::registration::ManagedClusterSet::INFO,
    crate::registration::ManagedClusterSetBinding::INFO,
];
/// Every other version of a kind, in the order of the protos.
pub const OTHER_VERSIONS: &[&KindInfo] = &[
    crate::addon_v1beta1::ClusterManagementAddOn::INFO,
    crate::addon_v1beta1::ManagedClusterAddOn::INFO,
    crate::addon_v1beta1::AddOnDeploymentConfig::INFO,
    crate::addon_v1beta1::AddOnTemplate::INFO,
];
