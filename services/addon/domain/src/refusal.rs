//! Every no of the add-on service: a code, a sentence, an advice. `ops/runbooks` has a page per
//! code.

use fleetlog_kernel::NameError;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::{LabelError, SelectorError};

/// Why the add-on service says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The namespace of an add-on is not a managed cluster.
    #[error("namespace \"{cluster}\" is no managed cluster")]
    NoSuchCluster {
        /// The namespace.
        cluster: String,
    },
    /// An add-on that nobody defined.
    #[error("no ClusterManagementAddOn \"{name}\" says what the add-on is")]
    NoDefinition {
        /// The add-on's name.
        name: String,
    },
    /// A name that Kubernetes would refuse.
    #[error("{0}")]
    Name(NameError),
    /// The object changed since the asker read it.
    #[error("\"{object}\" is at resource version \"{current}\", not \"{given}\"")]
    Outdated {
        /// Which object.
        object: String,
        /// The resource version that was asked for.
        given: String,
        /// Where it stands.
        current: String,
    },
    /// It is on its way out.
    #[error("\"{object}\" is being deleted")]
    BeingDeleted {
        /// Which object.
        object: String,
    },
    /// There is no such object.
    #[error("there is no \"{object}\"")]
    NotFound {
        /// Which object.
        object: String,
    },
    /// Something that only the add-on service tells itself.
    #[error("\"{command}\" is not for users")]
    NotForUsers {
        /// The command.
        command: &'static str,
    },
    /// The object names another namespace or name than the command is about.
    #[error("the object is \"{given}\", the command is about \"{addressed}\"")]
    Misaddressed {
        /// What the object says.
        given: String,
        /// What the command is about.
        addressed: String,
    },
    /// A command without its object or spec.
    #[error("the command has no \"{missing}\"")]
    Incomplete {
        /// What is missing.
        missing: &'static str,
    },
    /// A label or an annotation that no object can have.
    #[error("{0}")]
    Label(LabelError),
    /// A label selector that cannot be parsed.
    #[error("{0}")]
    Selector(SelectorError),
    /// A kind that the add-on service does not keep.
    #[error("the add-on service keeps no objects of kind \"{kind}\"")]
    Kind {
        /// Its token.
        kind: String,
    },
    /// A kind of configuration that is not carried out.
    #[error("configuration by \"{resource}\" is not supported")]
    Config {
        /// `<resource>.<group>`, or the field.
        resource: String,
    },
    /// A rollout strategy that cannot be read.
    #[error("the rollout to placement \"{placement}\" cannot be read: {reason}")]
    Rollout {
        /// The placement.
        placement: String,
        /// The field, what it says, and what is wrong with that.
        reason: String,
    },
    /// Installation by placements, but none is named.
    #[error("the install strategy \"Placements\" names no placement")]
    NoPlacements,
    /// A template whose agent needs a credential of the hub.
    #[error("the template asks for registration \"{kind}\", which is not supported")]
    Registration {
        /// `KubeClient` or `CustomSigner`.
        kind: String,
    },
    /// A template with a manifest that runs before the add-on is removed.
    #[error("\"{manifest}\" is to run before removal, which is not supported")]
    PreDelete {
        /// The manifest.
        manifest: String,
    },
    /// An add-on that another cluster should host.
    #[error("add-on \"{add_on}\" is to be hosted by cluster \"{host}\", which is not supported")]
    Hosted {
        /// The add-on.
        add_on: String,
        /// The hosting cluster.
        host: String,
    },
    /// An install namespace, which templates do not honour.
    #[error("install namespace \"{namespace}\" has no effect on an add-on of a template")]
    InstallNamespace {
        /// The namespace.
        namespace: String,
    },
    /// A definition that a controller of its own would carry out.
    #[error("the add-on is managed by itself (lifecycle \"{lifecycle}\"), not by the hub")]
    Lifecycle {
        /// The annotation's value.
        lifecycle: String,
    },
    /// A template that runs nothing.
    #[error("the template has no manifests")]
    NoManifests,
    /// A manifest that cannot be delivered.
    #[error("\"spec.agentSpec.workload.manifests[{index}]\" {rule}")]
    Manifest {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        rule: String,
    },
    /// A template that is too large for one work.
    #[error("the template renders to {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Bytes as rendered for a cluster with a long name.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A finalizer that comes too late.
    #[error(transparent)]
    Late(#[from] Late),
    /// A status that is larger than an event may be.
    #[error("the status has {size} bytes, more than the {limit} allowed")]
    StatusTooLarge {
        /// Its size in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl Refusal {
    /// Its code, stable for ever.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCluster { .. } => "ADD0001",
            Self::NoDefinition { .. } => "ADD0002",
            Self::Name(_) => "ADD0003",
            Self::Outdated { .. } => "ADD0004",
            Self::BeingDeleted { .. } => "ADD0005",
            Self::NotFound { .. } => "ADD0006",
            Self::NotForUsers { .. } => "ADD0007",
            Self::Misaddressed { .. } => "ADD0008",
            Self::Incomplete { .. } => "ADD0009",
            Self::Label(_) => "ADD0010",
            Self::Selector(_) => "ADD0011",
            Self::Kind { .. } => "ADD0012",
            Self::Config { .. } => "ADD0013",
            Self::Rollout { .. } => "ADD0014",
            Self::NoPlacements => "ADD0015",
            Self::Registration { .. } => "ADD0016",
            Self::PreDelete { .. } => "ADD0017",
            Self::Hosted { .. } => "ADD0018",
            Self::InstallNamespace { .. } => "ADD0019",
            Self::Lifecycle { .. } => "ADD0020",
            Self::NoManifests => "ADD0021",
            Self::Manifest { .. } => "ADD0022",
            Self::TooLarge { .. } => "ADD0023",
            Self::Late(_) => "ADD0024",
            Self::StatusTooLarge { .. } => "ADD0025",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::NoSuchCluster { .. } => {
                "use the name of a managed cluster as namespace; \"get managedclusters\" lists them"
            }
            Self::NoDefinition { .. } => "apply the ClusterManagementAddOn of that name first",
            Self::Name(_) => "choose a name that Kubernetes takes",
            Self::Outdated { .. } => {
                "read the object again and repeat the change on what it is now"
            }
            Self::BeingDeleted { .. } => "wait until it is gone, then create it again",
            Self::NotFound { .. } => "check namespace and name; \"get -A\" lists what there is",
            Self::NotForUsers { .. } => "apply or delete the object instead",
            Self::Misaddressed { .. } => "send the object under its own namespace and name",
            Self::Incomplete { .. } => "send it with a client of this hub's version",
            Self::Label(_) => "use up to 63 letters, digits, '-', '_' and '.'",
            Self::Selector(_) => "write it as kubectl does: \"key=value,other in (a, b)\"",
            Self::Kind { .. } => "ask for \"definition\", \"clusteraddon\" or \"template\"",
            Self::Config { .. } => {
                "configure it by \"addontemplates\" of \"addon.open-cluster-management.io\""
            }
            Self::Rollout { .. } => {
                "correct the field, or leave the rollout strategy out: then all clusters go at once"
            }
            Self::NoPlacements => "name at least one placement, or use the strategy \"Manual\"",
            Self::Registration { .. } => {
                "use an add-on whose agent needs nothing of the hub, and leave \"registration\" out"
            }
            Self::PreDelete { .. } => "take the manifest out, or its annotation",
            Self::Hosted { .. } => "install it on its own cluster, without the annotation",
            Self::InstallNamespace { .. } => {
                "leave it out; the agent runs in the namespace of the template's manifests"
            }
            Self::Lifecycle { .. } => "set the lifecycle \"addon-manager\", or leave it out",
            Self::NoManifests => {
                "put at least one object into \"spec.agentSpec.workload.manifests\""
            }
            Self::Manifest { .. } => "correct the manifest and apply again",
            Self::TooLarge { .. } => "spread the objects over several add-ons",
            Self::Late(_) => "leave it out: the object is on its way out",
            Self::StatusTooLarge { .. } => "write shorter messages and fewer conditions",
        }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<&Refusal> for common::Refusal {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code().into(),
            sentence: refusal.to_string(),
            advice: refusal.advice().into(),
        }
    }
}
