//! Every kind of API object. Generated from `schemas/proto`; do not edit.

use crate::{ApiObject as _, KindInfo};

/// Every kind, in the order of the protos.
pub const KINDS: &[&KindInfo] = &[
    crate::work::ManifestWork::INFO,
    crate::work::ManifestWorkReplicaSet::INFO,
    crate::work::AppliedManifestWork::INFO,
    crate::addon::ClusterManagementAddOn::INFO,
    crate::addon::ManagedClusterAddOn::INFO,
    crate::addon::AddOnTemplate::INFO,
    crate::placement::Placement::INFO,
    crate::placement::PlacementDecision::INFO,
    crate::placement::AddOnPlacementScore::INFO,
    crate::registration::ManagedCluster::INFO,
    crate::registration::ManagedClusterSet::INFO,
    crate::registration::ManagedClusterSetBinding::INFO,
];
