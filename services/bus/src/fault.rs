//! What fails outside of us: the step, the cause, and whether trying again can help.

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
}

impl Fault {
    /// A fault that may pass.
    pub fn passing(
        step: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { step: step.into(), cause: cause.into(), retry: Retry::MayHelp }
    }

    /// A fault that stays.
    pub fn lasting(
        step: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { step: step.into(), cause: cause.into(), retry: Retry::Useless }
    }
}
