//! Every no of the core service: a code, a sentence, an advice. `ops/runbooks` has a page per code.

use fleetlog_kernel::NameError;
use fleetlog_messages::common;
use fleetlog_rules::labels::{LabelError, SelectorError};

/// Why the core service says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A kind that this service does not keep.
    #[error("core keeps no objects of kind \"{kind}\"")]
    Kind {
        /// Its token.
        kind: String,
    },
    /// There is no such object.
    #[error("there is no \"{object}\"")]
    NotFound {
        /// Which object.
        object: String,
    },
    /// There is one already.
    #[error("there is a \"{object}\" already")]
    Exists {
        /// Which object.
        object: String,
    },
    /// The object changed since the asker read it, or it is another incarnation.
    #[error("\"{object}\" is at \"{current}\", not \"{given}\"")]
    Outdated {
        /// Which object.
        object: String,
        /// The resource version or uid that was asked for.
        given: String,
        /// The one it has.
        current: String,
    },
    /// The namespace does not exist.
    #[error("there is no namespace \"{namespace}\"")]
    NoNamespace {
        /// Its name.
        namespace: String,
    },
    /// The namespace is being emptied.
    #[error("namespace \"{namespace}\" is being deleted, nothing new is taken")]
    Terminating {
        /// Its name.
        namespace: String,
    },
    /// The object names another kind, namespace or name than the command is about.
    #[error("the object is \"{given}\", the command is about \"{addressed}\"")]
    Misaddressed {
        /// What the object says.
        given: String,
        /// What the command is about.
        addressed: String,
    },
    /// A value that no object of the kind has.
    #[error("{why}")]
    Invalid {
        /// Every place and what is wrong there.
        why: String,
    },
    /// A name that Kubernetes would refuse.
    #[error("{0}")]
    Name(NameError),
    /// A label or an annotation that no object can have.
    #[error("{0}")]
    Label(LabelError),
    /// Annotations that are too large together.
    #[error("the annotations have {size} bytes, at most {limit} are taken")]
    Annotations {
        /// Their size.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A finalizer without a domain.
    #[error("finalizer \"{finalizer}\" has no domain")]
    Finalizer {
        /// The finalizer.
        finalizer: String,
    },
    /// A finalizer that comes too late.
    #[error(
        "no new finalizers can be added if the object is being deleted, found new finalizers \
         \"{finalizer}\""
    )]
    Late {
        /// The finalizer.
        finalizer: String,
    },
    /// A field that stays as it was at first.
    #[error("\"{field}\" of \"{object}\" cannot be changed")]
    Immutable {
        /// Which object.
        object: String,
        /// The field.
        field: &'static str,
    },
    /// A namespace that a hub cannot be without.
    #[error("namespace \"{namespace}\" may not be deleted")]
    Protected {
        /// Its name.
        namespace: String,
    },
    /// The values of a secret came in the clear.
    #[error("the values of a secret are handed over sealed")]
    Unsealed,
    /// Something that only services tell.
    #[error("\"{command}\" is not for users")]
    NotForUsers {
        /// The command.
        command: &'static str,
    },
    /// Larger than what is kept.
    #[error("the object has {size} bytes, at most {limit} are kept")]
    TooLarge {
        /// Its size.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A label selector that cannot be parsed.
    #[error("{0}")]
    Selector(SelectorError),
    /// Keys cannot be kept or read just now.
    #[error("the keys are out of reach: {reason}")]
    OutOfReach {
        /// What failed.
        reason: String,
    },
}

impl Refusal {
    /// Its code, stable for ever.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "COR0001",
            Self::NotFound { .. } => "COR0002",
            Self::Exists { .. } => "COR0003",
            Self::Outdated { .. } => "COR0004",
            Self::NoNamespace { .. } => "COR0005",
            Self::Terminating { .. } => "COR0006",
            Self::Misaddressed { .. } => "COR0007",
            Self::Invalid { .. } => "COR0008",
            Self::Name(_) => "COR0009",
            Self::Label(_) => "COR0010",
            Self::Annotations { .. } => "COR0011",
            Self::Finalizer { .. } => "COR0012",
            Self::Late { .. } => "COR0013",
            Self::Immutable { .. } => "COR0014",
            Self::Protected { .. } => "COR0015",
            Self::Unsealed => "COR0016",
            Self::NotForUsers { .. } => "COR0017",
            Self::TooLarge { .. } => "COR0018",
            Self::Selector(_) => "COR0019",
            Self::OutOfReach { .. } => "COR0020",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "ask the service that decides on it; \"explain\" names it",
            Self::NotFound { .. } => "check namespace and name; \"get -A\" lists what there is",
            Self::Exists { .. } => "change the one that is there, or choose another name",
            Self::Outdated { .. } => {
                "read the object again and repeat the change on what it is now"
            }
            Self::NoNamespace { .. } => "create the namespace first",
            Self::Terminating { .. } => "wait until it is gone, then create it again",
            Self::Misaddressed { .. } => "send the object under its own kind, namespace and name",
            Self::Invalid { .. } => "correct the named fields and apply again",
            Self::Name(_) => "choose a name that Kubernetes takes",
            Self::Label(_) => "use up to 63 letters, digits, '-', '_' and '.'",
            Self::Annotations { .. } => "keep large values in a ConfigMap",
            Self::Finalizer { .. } => "write it as \"example.com/name\"",
            Self::Late { .. } => "leave it out; the object is on its way out",
            Self::Immutable { .. } => "delete the object and create it anew",
            Self::Protected { .. } => "delete what lies in it instead",
            Self::Unsealed => {
                "use \"kubectl\" or \"fleetlog apply\", which hand the values over sealed"
            }
            Self::NotForUsers { .. } => "apply or delete the object instead",
            Self::TooLarge { .. } => "spread it over several objects",
            Self::Selector(_) => "write it as kubectl does: \"key=value,other in (a, b)\"",
            Self::OutOfReach { .. } => "try again; if it persists, look at the server's disk",
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
