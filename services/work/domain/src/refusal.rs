//! Why work says no: one case per reason, each with a code, a sentence and an advice. The words
//! are the same wherever a user meets them; a page of `ops/runbooks` tells each code.

use crate::manifests::Flaw;
use fleetlog_kernel::NameError;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::LabelError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The namespace of a work is not a managed cluster.
    NoSuchCluster {
        /// The namespace.
        cluster: String,
    },
    /// A work or template without manifests.
    NoManifests,
    /// The manifests are larger than a work may be.
    TooLarge {
        /// Bytes of all manifests.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A name that Kubernetes would refuse.
    BadName(NameError),
    /// The object changed since the asker read it.
    Outdated {
        /// Which object.
        object: String,
        /// The resource version that was asked for.
        given: String,
        /// Where it stands.
        current: String,
    },
    /// A user may not change what a replica set keeps.
    OwnedByReplicaSet {
        /// The work.
        work: String,
        /// The replica set; empty when the work is a user's and a replica set wants it.
        owner: String,
    },
    /// A user may not change what an add-on keeps.
    OwnedByAddOn {
        /// The work.
        work: String,
        /// The add-on, `<cluster>/<name>`.
        add_on: String,
    },
    /// It is on its way out.
    BeingDeleted {
        /// Which object.
        object: String,
    },
    /// There is no such object.
    NotFound {
        /// Which object.
        object: String,
    },
    /// A report about another generation than the current one.
    OtherGeneration {
        /// What the report speaks of.
        reported: i64,
        /// The work's.
        current: i64,
    },
    /// A command that only services or agents may send.
    NotForUsers {
        /// The command.
        command: &'static str,
    },
    /// The object names another namespace or name than the command is about.
    Misaddressed {
        /// What the object says.
        given: String,
        /// What the command is about.
        addressed: String,
    },
    /// The bundle was never handed over.
    NoBundle {
        /// Its hash.
        hash: String,
    },
    /// The bundle is not what the command says of it.
    OtherBundle {
        /// What differs.
        difference: String,
    },
    /// A manifest that cannot be delivered.
    BadManifest(Flaw),
    /// A replica set without placements.
    NoPlacements,
    /// A rollout strategy that cannot be read.
    BadRollout {
        /// The placement's name.
        placement: String,
        /// The field and what is wrong with it.
        reason: String,
    },
    /// A command without its object or spec.
    Incomplete {
        /// What is missing.
        missing: &'static str,
    },
    /// A label selector that cannot be parsed.
    BadSelector {
        /// The text.
        selector: String,
        /// What is wrong.
        reason: String,
    },
    /// A body handed over that cannot be kept.
    BadBody {
        /// What is wrong.
        reason: String,
    },
    /// A label or an annotation that no object can have.
    BadLabel(LabelError),
    /// An agent's report that is larger than an event may be.
    ReportTooLarge {
        /// Its size in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A command that is too large although its manifests are taken out.
    CommandTooLarge {
        /// Its size in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The manifests cannot be read at the moment.
    OutOfReach {
        /// What failed.
        reason: String,
    },
    /// A kind that work does not keep.
    UnknownKind {
        /// Its token.
        kind: String,
    },
    /// A finalizer that comes too late.
    Late(Late),
}

impl Refusal {
    /// The code, which never changes its meaning.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchCluster { .. } => "WRK0001",
            Self::NoManifests => "WRK0002",
            Self::TooLarge { .. } => "WRK0003",
            Self::BadName(_) => "WRK0004",
            Self::Outdated { .. } => "WRK0005",
            Self::OwnedByReplicaSet { .. } => "WRK0006",
            Self::BeingDeleted { .. } => "WRK0007",
            Self::NotFound { .. } => "WRK0008",
            Self::OtherGeneration { .. } => "WRK0009",
            Self::NotForUsers { .. } => "WRK0010",
            Self::Misaddressed { .. } => "WRK0011",
            Self::NoBundle { .. } => "WRK0012",
            Self::OtherBundle { .. } => "WRK0013",
            Self::BadManifest(_) => "WRK0014",
            Self::NoPlacements => "WRK0015",
            Self::BadRollout { .. } => "WRK0016",
            Self::Incomplete { .. } => "WRK0017",
            Self::BadSelector { .. } => "WRK0018",
            Self::BadBody { .. } => "WRK0019",
            Self::BadLabel(_) => "WRK0020",
            Self::ReportTooLarge { .. } => "WRK0021",
            Self::CommandTooLarge { .. } => "WRK0022",
            Self::OutOfReach { .. } => "WRK0023",
            Self::UnknownKind { .. } => "WRK0024",
            Self::OwnedByAddOn { .. } => "WRK0025",
            Self::Late(_) => "WRK0026",
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NoSuchCluster { cluster } => {
                format!("namespace \"{cluster}\" is no managed cluster")
            }
            Self::NoManifests => "the work has no manifests".into(),
            Self::TooLarge { size, limit } => {
                format!("the manifests have {size} bytes, more than the {limit} allowed")
            }
            Self::BadName(error) => error.to_string(),
            Self::Outdated { object, given, current } => {
                format!("\"{object}\" is at resource version \"{current}\", not \"{given}\"")
            }
            Self::OwnedByReplicaSet { work, owner } if owner.is_empty() => {
                format!("\"{work}\" was made by a user, no replica set may take it over")
            }
            Self::OwnedByReplicaSet { work, owner } => {
                format!("\"{work}\" is kept by the replica set \"{owner}\"")
            }
            Self::OwnedByAddOn { work, add_on } => {
                format!("\"{work}\" is kept by the add-on \"{add_on}\"")
            }
            Self::BeingDeleted { object } => format!("\"{object}\" is being deleted"),
            Self::NotFound { object } => format!("there is no \"{object}\""),
            Self::OtherGeneration { reported, current } => {
                format!("the report is about generation {reported}, the work is at {current}")
            }
            Self::NotForUsers { command } => format!("\"{command}\" is not for users"),
            Self::Misaddressed { given, addressed } => {
                format!("the object is \"{given}\", the command is about \"{addressed}\"")
            }
            Self::NoBundle { hash } => format!("no manifests are kept under \"{hash}\""),
            Self::OtherBundle { difference } => format!("the manifests kept {difference}"),
            Self::BadManifest(flaw) => flaw.to_string(),
            Self::NoPlacements => "the replica set names no placement".into(),
            Self::BadRollout { placement, reason } => {
                format!("the rollout to placement \"{placement}\" cannot be read: {reason}")
            }
            Self::Incomplete { missing } => format!("the command has no \"{missing}\""),
            Self::BadSelector { selector, reason } => {
                format!("label selector \"{selector}\" cannot be read: {reason}")
            }
            Self::BadBody { reason } => format!("the body cannot be kept: {reason}"),
            Self::BadLabel(error) => error.to_string(),
            Self::ReportTooLarge { size, limit } => {
                format!("the report has {size} bytes, more than the {limit} allowed")
            }
            Self::CommandTooLarge { size, limit } => format!(
                "the command has {size} bytes without its manifests, more than the {limit} allowed"
            ),
            Self::OutOfReach { reason } => format!("the manifests cannot be read now: {reason}"),
            Self::UnknownKind { kind } => format!("work keeps no objects of kind \"{kind}\""),
            Self::Late(late) => late.to_string(),
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::NoSuchCluster { .. } => {
                "use the name of a managed cluster as namespace; \"get managedclusters\" lists them"
            }
            Self::NoManifests => "put at least one object into \"spec.workload.manifests\"",
            Self::TooLarge { .. } => "spread the objects over several works",
            Self::BadName(_) => "choose a name that Kubernetes takes",
            Self::Outdated { .. } => {
                "read the object again and repeat the change on what it is now"
            }
            Self::OwnedByReplicaSet { .. } => {
                "change the replica set's template, or use another name"
            }
            Self::OwnedByAddOn { .. } => "change the add-on's template, or use another name",
            Self::BeingDeleted { .. } => "wait until it is gone, then create it again",
            Self::NotFound { .. } => "check namespace and name; \"get -A\" lists what there is",
            Self::OtherGeneration { .. } => "nothing is to be done: the agent reports again",
            Self::NotForUsers { .. } => "apply or delete the object instead",
            Self::Misaddressed { .. } => "send the object under its own namespace and name",
            Self::NoBundle { .. } => "hand the manifests over first, then send the command again",
            Self::OtherBundle { .. } => "hand the manifests over again with an unchanged client",
            Self::BadManifest(_) => "correct the manifest and apply again",
            Self::NoPlacements => "name at least one placement in \"spec.placementRefs\"",
            Self::BadRollout { .. } => "correct the field of rolloutStrategy, or leave it out",
            Self::Incomplete { .. } => "send it with a client of this hub's version",
            Self::BadSelector { .. } => "write it as kubectl does: \"key=value,other in (a, b)\"",
            Self::BadBody { .. } => "send at most 512 KiB at once, larger bodies in chunks",
            Self::BadLabel(_) => "use up to 63 letters, digits, '-', '_' and '.'",
            Self::ReportTooLarge { .. } => "spread the objects over several works",
            Self::CommandTooLarge { .. } => {
                "shorten labels, annotations and the options of manifests"
            }
            Self::OutOfReach { .. } => "send the command again in a moment",
            Self::UnknownKind { .. } => "ask for \"manifestwork\" or \"replicaset\"",
            Self::Late(_) => "leave it out: the object is on its way out",
        }
    }
}

impl From<Late> for Refusal {
    fn from(late: Late) -> Self {
        Self::Late(late)
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::BadName(error)
    }
}

impl From<&Refusal> for common::Refusal {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code().into(),
            sentence: refusal.sentence(),
            advice: refusal.advice().into(),
        }
    }
}
