//! The keys of add-ons, and OCM's words for what users see of them (spec 2.1 to 2.11).

use fleetlog_kernel::Service;
use fleetlog_messages::subject::AggregateId;
use std::fmt;

/// The kind token of a ClusterManagementAddOn.
pub const DEFINITION: &str = "definition";
/// The kind token of a ManagedClusterAddOn.
pub const ADD_ON: &str = "clusteraddon";
/// The kind token of an AddOnTemplate.
pub const TEMPLATE: &str = "template";

/// The group of the kinds.
pub const GROUP: &str = "addon.open-cluster-management.io";
/// The API version of the kinds.
pub const API_VERSION: &str = "addon.open-cluster-management.io/v1alpha1";
/// The one kind of configuration that is carried out: the resource of templates.
pub const TEMPLATES: &str = "addontemplates";

/// The strategy by which nothing is installed by itself.
pub const MANUAL: &str = "Manual";
/// The strategy by which the decisions of placements say where it is installed.
pub const PLACEMENTS: &str = "Placements";

/// The finalizer of an add-on: it stays until its work is gone.
pub const FINALIZER: &str = "addon.open-cluster-management.io/addon-work-cleanup";
/// The finalizer of a definition: it stays until its add-ons are gone.
pub const DEFINITION_FINALIZER: &str = "addon.open-cluster-management.io/addons-cleanup";
/// The label of a work that names its add-on (spec 2.10).
pub const ADD_ON_LABEL: &str = "open-cluster-management.io/addon-name";
/// The annotation of a work with the hashes of its configuration (spec 2.5).
pub const HASHES: &str = "open-cluster-management.io/config-spec-hash";
/// The annotation of a definition: who carries it out.
pub const LIFECYCLE: &str = "addon.open-cluster-management.io/lifecycle";
/// The annotation of an add-on that another cluster hosts.
pub const HOSTING: &str = "addon.open-cluster-management.io/hosting-cluster-name";
/// The annotation, or label, of a manifest that runs before the add-on is removed.
pub const PRE_DELETE: &str = "addon.open-cluster-management.io/addon-pre-delete";
/// The older name of [`PRE_DELETE`].
pub const OLD_PRE_DELETE: &str = "open-cluster-management.io/addon-pre-delete";
/// The annotation of a manifest that stays when the add-on is removed.
pub const ORPHAN: &str = "addon.open-cluster-management.io/deletion-orphan";
/// Where agents run when nothing else is said.
pub const DEFAULT_NAMESPACE: &str = "open-cluster-management-agent-addon";

/// Condition types of an add-on (spec 2.4).
pub mod kind {
    /// Its workloads run.
    pub const AVAILABLE: &str = "Available";
    /// Its configuration is found.
    pub const CONFIGURED: &str = "Configured";
    /// It is being brought to its configuration.
    pub const PROGRESSING: &str = "Progressing";
    /// Its manifests are applied.
    pub const APPLIED: &str = "ManifestApplied";
    /// What its agent needs of the hub is there.
    pub const REGISTERED: &str = "RegistrationApplied";
}

/// A ManagedClusterAddOn: its cluster (its namespace) and its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddOnKey {
    /// The cluster.
    pub cluster: String,
    /// `metadata.name`, the name of its definition.
    pub name: String,
}

/// A Placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementKey {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl AddOnKey {
    /// A key.
    #[must_use]
    pub fn new(cluster: impl Into<String>, name: impl Into<String>) -> Self {
        Self { cluster: cluster.into(), name: name.into() }
    }

    /// Reads `<cluster>/<name>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_once('/').map(|(cluster, name)| Self::new(cluster, name))
    }

    /// The aggregate.
    #[must_use]
    pub fn aggregate(&self) -> AggregateId {
        AggregateId::namespaced(Service::Addon, ADD_ON, &self.cluster, &self.name)
    }

    /// The add-on whose work would have that name; `None` for other names.
    #[must_use]
    pub fn of_work(cluster: &str, name: &str) -> Option<Self> {
        let name = name.strip_prefix("addon-")?.strip_suffix("-deploy-0")?;
        (!name.is_empty()).then(|| Self::new(cluster, name))
    }

    /// The name of its work (spec 2.10).
    #[must_use]
    pub fn work_name(&self) -> String {
        format!("addon-{}-deploy-0", self.name)
    }

    /// The aggregate of its work.
    #[must_use]
    pub fn work(&self) -> AggregateId {
        AggregateId::namespaced(Service::Work, "manifestwork", &self.cluster, &self.work_name())
    }
}

impl PlacementKey {
    /// A key.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Reads `<ns>/<name>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split_once('/').map(|(namespace, name)| Self::new(namespace, name))
    }
}

/// The aggregate of a definition.
#[must_use]
pub fn definition_id(name: &str) -> AggregateId {
    AggregateId::global(Service::Addon, DEFINITION, name)
}

impl fmt::Display for AddOnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.name)
    }
}

impl fmt::Display for PlacementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
