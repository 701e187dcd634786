//! Every no of registration: a code, a sentence, an advice. `ops/runbooks` has a page per code.

use fleetlog_kernel::NameError;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::{LabelError, SelectorError};

/// Why registration says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A name that Kubernetes would refuse.
    #[error("{0}")]
    Name(NameError),
    /// There is no such object.
    #[error("{kind} \"{name}\" does not exist")]
    NotFound {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A client configuration whose URL is not https.
    #[error("url \"{url}\" is invalid in client configs")]
    InsecureUrl {
        /// The URL.
        url: String,
    },
    /// A taint that means nothing.
    #[error("the taint \"{key}\" is invalid: {rule}")]
    Taint {
        /// Its key.
        key: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The object changed since the asker read it.
    #[error("\"{name}\" stands at resource version \"{actual}\", not \"{expected}\"")]
    Conflict {
        /// Its name.
        name: String,
        /// What the asker expected.
        expected: String,
        /// Where it stands; 0 when it does not exist.
        actual: String,
    },
    /// Another agent asked first.
    #[error("another agent's key holds cluster \"{name}\"")]
    KeyHeld {
        /// The cluster.
        name: String,
    },
    /// A person said no.
    #[error("cluster \"{name}\" is denied")]
    Denied {
        /// The cluster.
        name: String,
    },
    /// Nobody accepted it yet.
    #[error("cluster \"{name}\" is not accepted")]
    NotAccepted {
        /// The cluster.
        name: String,
    },
    /// A binding is named after its set.
    #[error("the binding \"{name}\" names the set \"{set}\", but must have its name")]
    BindingName {
        /// The binding.
        name: String,
        /// The set.
        set: String,
    },
    /// A selector that selects by no rule.
    #[error("the selector is invalid: {0}")]
    Selector(SelectorError),
    /// A label or annotation that no object can have.
    #[error("{0}")]
    Label(LabelError),
    /// `timeAdded` is the hub's.
    #[error("the time of the taint \"{key}\" cannot be changed")]
    TaintTime {
        /// The taint's key.
        key: String,
    },
    /// The object says another name than the command.
    #[error("the object is named \"{given}\", the command is about \"{target}\"")]
    OtherName {
        /// The object's name.
        given: String,
        /// The command's.
        target: String,
    },
    /// A lease of no length.
    #[error("leaseDurationSeconds is {seconds}, but must be positive")]
    Lease {
        /// What was given.
        seconds: i32,
    },
    /// Facts that no cluster can have.
    #[error("the claim \"{name}\" is invalid: {rule}")]
    Claim {
        /// The claim.
        name: String,
        /// What is wrong with it.
        rule: &'static str,
    },
    /// A set that selects by no rule we know.
    #[error("\"{given}\" is not a selector type")]
    SelectorType {
        /// What was given.
        given: String,
    },
    /// A request to join that its key did not sign.
    #[error("the request to join as \"{name}\" is not signed by its key")]
    Signature {
        /// The cluster asked for.
        name: String,
    },
    /// A kind that registration does not serve.
    #[error("registration does not know the kind \"{kind}\"")]
    Kind {
        /// What was asked for.
        kind: String,
    },
    /// Something that only registration tells itself.
    #[error("\"{command}\" is nothing that \"{by}\" may ask for")]
    NotForUsers {
        /// The command.
        command: &'static str,
        /// Who asked.
        by: String,
    },
    /// A request that cannot be read.
    #[error("the request cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// The key is not this cluster's agent's.
    #[error("the key is not that of the agent of cluster \"{name}\"")]
    OtherKey {
        /// The cluster.
        name: String,
    },
    /// Finalizers that come too late.
    #[error("{0}")]
    Late(Late),
    /// A cluster that is leaving the fleet cannot be taken in.
    #[error("cluster \"{name}\" is on its way out")]
    Leaving {
        /// The cluster.
        name: String,
    },
    /// A lease that was said to have run out did not, or was renewed since.
    #[error("the lease of cluster \"{name}\" holds")]
    LeaseHolds {
        /// The cluster.
        name: String,
    },
}

impl Refusal {
    /// Its code, stable for ever.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "REG0001",
            Self::NotFound { .. } => "REG0002",
            Self::InsecureUrl { .. } => "REG0003",
            Self::Taint { .. } => "REG0004",
            Self::Conflict { .. } => "REG0005",
            Self::KeyHeld { .. } => "REG0006",
            Self::Denied { .. } => "REG0007",
            Self::NotAccepted { .. } => "REG0008",
            Self::BindingName { .. } => "REG0009",
            Self::Selector(_) => "REG0010",
            Self::Label(_) => "REG0011",
            Self::TaintTime { .. } => "REG0012",
            Self::OtherName { .. } => "REG0013",
            Self::Lease { .. } => "REG0014",
            Self::Claim { .. } => "REG0015",
            Self::SelectorType { .. } => "REG0016",
            Self::Signature { .. } => "REG0017",
            Self::Kind { .. } => "REG0018",
            Self::OtherKey { .. } => "REG0019",
            Self::NotForUsers { .. } => "REG0020",
            Self::Unreadable { .. } => "REG0021",
            Self::LeaseHolds { .. } => "REG0022",
            Self::Late(_) => "REG0023",
            Self::Leaving { .. } => "REG0024",
        }
    }

    /// The same refusal with the name that an aggregate which does not exist cannot know.
    #[must_use]
    pub fn about(self, target: &str) -> Self {
        match self {
            Self::NotFound { kind, name } if name.is_empty() => {
                Self::NotFound { kind, name: target.to_owned() }
            }
            other => other,
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Name(_) => "choose a name of lower-case letters, digits and '-'".into(),
            Self::NotFound { kind, .. } => format!("look at what exists: fleetlog get {kind}"),
            Self::InsecureUrl { .. } => "give a url that begins with https://".into(),
            Self::Taint { .. } => {
                "give key, value and one of NoSelect, PreferNoSelect, NoSelectIfNew".into()
            }
            Self::Conflict { .. } => "read the object again and repeat the change on it".into(),
            Self::KeyHeld { name } => format!(
                "choose another cluster name, or free it: fleetlog delete managedcluster {name}"
            ),
            Self::Denied { name } | Self::NotAccepted { name } => {
                format!("let an administrator accept it: fleetlog accept {name}")
            }
            Self::BindingName { set, .. } => format!("name the binding \"{set}\""),
            Self::Selector(_) => "use In, NotIn, Exists or DoesNotExist with fitting values".into(),
            Self::Label(_) => {
                "use letters, digits, '-', '_' and '.', at most 63, begun and ended by a letter \
                 or digit; a key may have a DNS prefix and '/'"
                    .into()
            }
            Self::TaintTime { .. } => "leave timeAdded out".into(),
            Self::OtherName { target, .. } => format!("name the object \"{target}\""),
            Self::Lease { .. } => "give a positive number of seconds, or none for 60".into(),
            Self::Claim { .. } => {
                "give a name of 1 to 253 and a value of 1 to 1024 characters".into()
            }
            Self::SelectorType { .. } => "use ExclusiveClusterSetLabel or LabelSelector".into(),
            Self::Signature { .. } => "let the agent sign with the key it asks for".into(),
            Self::Kind { .. } => "ask for cluster, clusterset or binding".into(),
            Self::NotForUsers { .. } => {
                "apply, accept, deny or delete it; the rest follows from its agent".into()
            }
            Self::Unreadable { .. } => "send it with an agent of this hub's version".into(),
            Self::Late(_) => "leave it out; the object is on its way out".into(),
            Self::Leaving { .. } => {
                "wait until it is gone, then let its agent join anew; what it waits for stands in \
                 metadata.finalizers"
                    .into()
            }
            Self::LeaseHolds { .. } => {
                "do nothing: should the cluster fall silent, its lease runs out again".into()
            }
            Self::OtherKey { name } => {
                format!("let the agent join again, after: fleetlog delete managedcluster {name}")
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
