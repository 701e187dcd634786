//! How a command of the CLI fails: what is wrong, what would help, and the exit code.

use fleetlog_bus::{ClientError, Fault};
use fleetlog_messages::common::Refusal;
use fleetlog_tools::ToolError;
use fleetlog_topology::HubRefusal;
use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what was asked. Exit codes: 1 refused or failed, 2 misused, 3 timed
/// out.
#[derive(Debug)]
pub struct Failure {
    /// The code of the refusal, `CLI0003`, `REG0001`, ...
    pub code: String,
    /// One sentence.
    pub sentence: String,
    /// What would make it succeed; may be empty.
    pub advice: String,
    /// The process's exit code.
    pub exit: u8,
    /// What else is wrong.
    pub also: Vec<Failure>,
}

impl Failure {
    /// The hub or the CLI says no.
    pub fn new(code: &str, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        let (code, sentence, advice) = (code.into(), sentence.into(), advice.into());
        Self { code, sentence, advice, exit: 1, also: vec![] }
    }

    /// Nothing but an exit code: what it stands for is on standard output already.
    pub fn said(exit: u8) -> Self {
        Self { exit, ..Self::new("", "", "") }
    }

    /// Whether nothing is left to be said.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        self.code.is_empty()
    }

    /// Several as one, the first before the others; `None` when there is none.
    #[must_use]
    pub fn all(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(Self { also: failures.collect(), ..first })
    }

    /// The same with words before the sentence that say where.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self { sentence: format!("{place}: {}", self.sentence), ..self }
    }

    /// The command line makes no sense.
    pub fn usage(sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { exit: 2, ..Self::new("CLI0001", sentence, advice) }
    }

    /// It took too long.
    pub fn timeout(sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { exit: 3, ..Self::new("CLI0002", sentence, advice) }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(&refusal.code, refusal.sentence, refusal.advice)
    }
}

impl From<fleetlog_objects::Refusal> for Failure {
    fn from(refusal: fleetlog_objects::Refusal) -> Self {
        Refusal::from(&refusal).into()
    }
}

impl From<HubRefusal> for Failure {
    fn from(refusal: HubRefusal) -> Self {
        Self::new(refusal.code(), refusal.to_string(), refusal.advice())
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        Self::new(error.code(), error.to_string(), error.advice())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let advice = "run it again with --log debug to see more";
        Self::new("CLI0009", format!("{error:#}"), advice)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        if let Some(refusal) = fault.refusal() {
            return refusal.into();
        }
        let advice = "see whether the hub still runs, and its log; then try again";
        Self::new("CLI0010", fault.to_string(), advice)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let sentence = error.to_string();
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::Fault(fault) => fault.into(),
            ClientError::TooLarge { .. } => {
                Self::new("CLI0014", sentence, "take large annotations and lists out")
            }
            ClientError::TooMuch { .. } => {
                Self::new("CLI0014", sentence, "try fewer manifests at once, or apply it")
            }
            ClientError::NobodyThere(_) => {
                let advice = "see whether the hub still runs, and its log; then try again";
                Self::new("CLI0010", sentence, advice)
            }
            ClientError::NoOutcome(_) => {
                let advice = "the hub is slow: look with fleetlog get whether it was done";
                Self::timeout(sentence, advice)
            }
            ClientError::Unreadable(_) => {
                Self::new("CLI0011", sentence, "use a fleetlog of the hub's version")
            }
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}", self.code, self.sentence)?;
        if !self.advice.is_empty() {
            write!(f, "\n  try: {}", self.advice)?;
        }
        self.also.iter().try_for_each(|failure| write!(f, "\n{failure}"))
    }
}

/// What every command answers.
pub type Done = Result<(), Failure>;
