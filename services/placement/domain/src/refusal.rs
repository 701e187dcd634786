//! Every no of placement: a code, a sentence, an advice. `ops/runbooks` has a page per code.

use fleetlog_kernel::NameError;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::{LabelError, SelectorError};

/// Why placement says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A name that Kubernetes would refuse.
    #[error("{0}")]
    Name(NameError),
    /// There is no such placement.
    #[error("Placement \"{name}\" does not exist")]
    NotFound {
        /// Its namespace and name.
        name: String,
    },
    /// There are no such scores.
    #[error("AddOnPlacementScore \"{name}\" does not exist")]
    NoScore {
        /// Its cluster and name.
        name: String,
    },
    /// The placement changed since the asker read it.
    #[error("\"{name}\" stands at resource version \"{actual}\", not \"{expected}\"")]
    Conflict {
        /// Its name.
        name: String,
        /// What the asker expected.
        expected: String,
        /// Where it stands; 0 when it does not exist.
        actual: String,
    },
    /// The object says another name or namespace than the command.
    #[error("the object is named \"{given}\", the command is about \"{target}\"")]
    OtherName {
        /// The object's.
        given: String,
        /// The command's.
        target: String,
    },
    /// A label or annotation that no object can have.
    #[error("{0}")]
    Label(LabelError),
    /// A spec that breaks a rule of the schema; it keeps the code that it has there.
    #[error("{0}")]
    Object(fleetlog_objects::Refusal),
    /// An expression that may take longer than is allowed.
    #[error("\"{path}\": {why}")]
    TooCostly {
        /// Where it stands.
        path: String,
        /// The bound that it breaks.
        why: String,
    },
    /// A kind that placement does not serve.
    #[error("placement does not know the kind \"{kind}\"")]
    Kind {
        /// What was asked for.
        kind: String,
    },
    /// A label selector of a question that is none.
    #[error("{0}")]
    Selector(SelectorError),
    /// A resource version that is no number.
    #[error("\"{given}\" is not a resource version")]
    ResourceVersion {
        /// What was given.
        given: String,
    },
    /// Something is supposed of a cluster that is not there.
    #[error("the fleet has no cluster \"{cluster}\"")]
    NoCluster {
        /// Its name.
        cluster: String,
    },
    /// A question whose own part cannot be read.
    #[error("the question cannot be read: {why}")]
    Question {
        /// What is wrong with it.
        why: String,
    },
    /// Finalizers that come too late.
    #[error("{0}")]
    Late(Late),
    /// There is no such page.
    #[error("PlacementDecision \"{name}\" does not exist")]
    NoDecision {
        /// Its namespace and name.
        name: String,
    },
    /// A page that Fleetlog makes.
    #[error("\"{page}\" is a page of placement \"{placement}\", which Fleetlog writes")]
    OwnPage {
        /// The page.
        page: String,
        /// The placement.
        placement: String,
    },
    /// A command that placement tells itself only.
    #[error("\"{actor}\" cannot ask for scheduling")]
    NotTold {
        /// Who asked.
        actor: String,
    },
}

impl Refusal {
    /// Its code, stable for ever.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "PLC0001",
            Self::NotFound { .. } => "PLC0002",
            Self::Conflict { .. } => "PLC0003",
            Self::OtherName { .. } => "PLC0004",
            Self::Label(_) => "PLC0005",
            Self::Object(refusal) => refusal.code(),
            Self::TooCostly { .. } => "PLC0012",
            Self::Kind { .. } => "PLC0007",
            Self::Selector(_) => "PLC0008",
            Self::ResourceVersion { .. } => "PLC0009",
            Self::NotTold { .. } => "PLC0010",
            Self::NoScore { .. } => "PLC0011",
            Self::NoCluster { .. } => "PLC0013",
            Self::Question { .. } => "PLC0014",
            Self::Late(_) => "PLC0015",
            Self::NoDecision { .. } => "PLC0016",
            Self::OwnPage { .. } => "PLC0017",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Name(_) => "choose a name of lower-case letters, digits and '-'".into(),
            Self::NotFound { .. } => "look at what exists: fleetlog get placements -A".into(),
            Self::NoScore { .. } => {
                "look at what exists: fleetlog get addonplacementscores -A".into()
            }
            Self::Conflict { .. } => "read the object again and repeat the change on it".into(),
            Self::OtherName { target, .. } => format!("name the object \"{target}\""),
            Self::Label(_) => {
                "use letters, digits, '-', '_' and '.', at most 63, begun and ended by a letter \
                 or digit; a key may have a DNS prefix and '/'"
                    .into()
            }
            Self::Object(refusal) => refusal.advice(),
            Self::TooCostly { .. } => {
                "select by labelSelector or claimSelector first, and let the expression look at \
                 less: fewer nested lists, shorter patterns"
                    .into()
            }
            Self::Kind { .. } => "ask for placement, placementdecision or score".into(),
            Self::Selector(_) => "write it as kubectl takes it: a=b,c!=d,e in (f,g),!h".into(),
            Self::ResourceVersion { .. } => {
                "give metadata.resourceVersion as it was read, or leave it out".into()
            }
            Self::NoCluster { .. } => {
                "name a cluster of fleetlog get managedclusters, or describe it with --clusters \
                 FILE"
                    .into()
            }
            Self::Late(_) => "leave it out; the object is on its way out".into(),
            Self::NoDecision { .. } => {
                "look at what exists: fleetlog get placementdecisions -A".into()
            }
            Self::OwnPage { .. } => {
                "write a page of another name, or none: clusters are chosen by what the placement \
                 says"
                    .into()
            }
            Self::Question { .. } => "ask with a client of this hub's version".into(),
            Self::NotTold { .. } => {
                "change the placement or a cluster: scheduling follows by itself".into()
            }
        }
    }
}

impl From<Refusal> for common::Refusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code().to_owned(),
            sentence: refusal.to_string(),
            advice: refusal.advice(),
        }
    }
}
