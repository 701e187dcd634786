//! What fails outside of us: the step, the cause, and whether trying again can help.

use fleetlog_messages::common::Refusal;
use std::error::Error;

/// Something outside failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {cause}")]
pub struct Fault {
    /// What was being done, naming the thing in quotes.
    pub step: String,
    /// What went wrong.
    pub cause: Box<dyn Error + Send + Sync>,
    /// Whether the same call may succeed later.
    pub retry: Retry,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The server is away or slow.
    MayHelp,
    /// The call or the configuration is wrong.
    Useless,
    /// The server said at once that nobody answers there.
    NobodyThere,
    /// The server's disk is full: nothing was stored, and nothing new is until there is space.
    NoSpace,
}

impl Fault {
    /// A fault that may pass.
    pub fn passing(
        step: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { step: step.into(), cause: cause.into(), retry: Retry::MayHelp }
    }

    /// What a person is told whose request failed because there is no space; `None` for any other
    /// fault.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        (self.retry == Retry::NoSpace).then(|| Refusal {
            code: "HUB0011".to_owned(),
            sentence: "the hub takes nothing new: its disk is full".to_owned(),
            advice: "make space where the hub's folder lies, it goes on by itself; then try again"
                .to_owned(),
        })
    }

    /// A fault that stays.
    pub fn lasting(
        step: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { step: step.into(), cause: cause.into(), retry: Retry::Useless }
    }
}
