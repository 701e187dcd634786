//! Why a hub does not start or is not found: code, sentence, advice.

use std::path::PathBuf;
use std::time::Duration;

use fleetlog_bus::jwt::MintError;
use fleetlog_tools::ToolError;

use crate::plan::{Action, Change, Cost};
use crate::space::mib;

/// A hub's folder or server says no.
#[derive(Debug, thiserror::Error)]
pub enum HubRefusal {
    /// Somebody else works in the folder.
    #[error("the data folder \"{}\" is in use by process {pid}", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process that holds it, as far as it told.
        pid: String,
    },
    /// The folder was written by a later release.
    #[error(
        "the data folder \"{}\" has data version {found}, this program knows up to {known}",
        dir.display()
    )]
    Newer {
        /// The folder.
        dir: PathBuf,
        /// Its data version.
        found: u32,
        /// The newest version that is understood.
        known: u32,
    },
    /// A file in the folder cannot be read.
    #[error("\"{}\" cannot be read: {why}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A stream or queue is not what it should be.
    #[error("{what} is not as it should be: {}", fields.join(", "))]
    Differs {
        /// The stream or queue.
        what: String,
        /// Each field that differs.
        fields: Vec<String>,
    },
    /// A stream or queue could not be made.
    #[error("{what} could not be made: {why}")]
    NotMade {
        /// The stream or queue.
        what: String,
        /// The server's words.
        why: String,
    },
    /// A stream or queue was changed, and not all its servers have it yet.
    #[error("{what} is changed, but not all of its {servers} servers have it yet")]
    NotWhole {
        /// The stream or queue.
        what: String,
        /// How many there should be.
        servers: u32,
    },
    /// A change would cost data that nobody gave up.
    #[error("{what} would lose data: {why}")]
    WouldLose {
        /// The stream or queue.
        what: String,
        /// The stream whose data it is.
        stream: String,
        /// What would be lost by what.
        why: String,
    },
    /// A change that is never made.
    #[error("{what} is never changed like this: {why}")]
    Never {
        /// The stream.
        what: String,
        /// Why not.
        why: String,
    },
    /// The server does not answer or does not let us in.
    #[error("the server at \"{url}\" cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What came instead.
        why: String,
    },
    /// No hub runs on the folder.
    #[error("no hub runs on \"{}\"", dir.display())]
    NotRunning {
        /// The folder.
        dir: PathBuf,
    },
    /// There is no more space than what stays free.
    #[error(
        "{} free where \"{}\" lies, the hub keeps {} in reserve",
        mib(*free), dir.display(), mib(*reserve)
    )]
    NoSpace {
        /// The folder.
        dir: PathBuf,
        /// The free bytes.
        free: u64,
        /// The bytes that stay free.
        reserve: u64,
    },
    /// A follower cannot be given what is no event.
    #[error("\"{subject}\" is no subject of events")]
    NoSubject {
        /// What was asked for.
        subject: String,
    },
    /// The name is taken.
    #[error("there is a follower \"{name}\" already")]
    FollowerExists {
        /// Its name.
        name: String,
    },
    /// Nobody has the name.
    #[error("there is no follower \"{name}\"")]
    NoFollower {
        /// The name.
        name: String,
    },
    /// What followers read is not what the log holds.
    #[error("the mirror that followers read {}", mirror(*behind, *heard))]
    Mirror {
        /// How many commits it lacks, as far as it knows.
        behind: u64,
        /// How long ago it heard of the log; `None` for never.
        heard: Option<Duration>,
    },
    /// The server ends again and again.
    #[error("nats-server ended {times} times within {} s, at last: {why}", within.as_secs())]
    EndsAgain {
        /// How often.
        times: usize,
        /// Within how long.
        within: Duration,
        /// The last end, or why it could not be started again.
        why: String,
        /// Its log.
        log: PathBuf,
    },
    /// The operating system refused a step.
    #[error("cannot {step}: {source}")]
    Io {
        /// The step, as it completes "cannot ...".
        step: String,
        /// Its cause.
        source: std::io::Error,
    },
    /// A credential could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// nats-server is missing, too old, or did not start.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl HubRefusal {
    pub(crate) fn io(step: impl Into<String>) -> impl FnOnce(std::io::Error) -> HubRefusal {
        let step = step.into();
        move |source| HubRefusal::Io { step, source }
    }

    /// A thing that is not as it should be.
    #[must_use]
    pub fn differs(change: &Change) -> Self {
        let mut fields: Vec<String> = change.fields.iter().map(ToString::to_string).collect();
        match change.action {
            Action::Make => fields.push("it is missing".to_owned()),
            Action::Remove => fields.push("nobody asked for it".to_owned()),
            Action::Restart => fields.push("a start of the hub mends it".to_owned()),
            Action::Change | Action::Replace => {}
        }
        Self::Differs { what: change.key.to_string(), fields }
    }

    /// A change that may not be made.
    #[must_use]
    pub fn of_change(change: &Change) -> Self {
        let what = change.key.to_string();
        match &change.cost {
            Cost::Never(why) => Self::Never { what, why: why.clone() },
            Cost::Data(why) => {
                Self::WouldLose { what, stream: change.key.of.clone(), why: why.clone() }
            }
            Cost::Nothing => Self::differs(change),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "HUB0001",
            Self::Newer { .. } => "HUB0002",
            Self::Damaged { .. } => "HUB0003",
            Self::Differs { .. } => "HUB0004",
            Self::NotMade { .. } => "HUB0005",
            Self::Unreachable { .. } => "HUB0006",
            Self::NotRunning { .. } => "HUB0007",
            Self::Io { .. } => "HUB0008",
            Self::Mint(_) => "HUB0009",
            Self::EndsAgain { .. } => "HUB0010",
            Self::NoSpace { .. } => "HUB0012",
            Self::WouldLose { .. } => "HUB0013",
            Self::Never { .. } => "HUB0014",
            Self::NotWhole { .. } => "HUB0015",
            Self::NoSubject { .. } => "HUB0031",
            Self::FollowerExists { .. } => "HUB0032",
            Self::NoFollower { .. } => "HUB0033",
            Self::Mirror { .. } => "HUB0034",
            Self::Tool(tool) => tool.code(),
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub fn advice(&self) -> String {
        let advice = match self {
            Self::InUse { .. } => "end that process, or choose another folder",
            Self::Newer { .. } => "use the release that wrote the folder, or a newer one",
            Self::Damaged { .. } => "restore the file from a backup, or choose another folder",
            Self::Differs { .. } => {
                "see \"fleetlog topology plan\"; mend it with \"apply\", or restore a backup"
            }
            Self::WouldLose { stream, .. } => {
                return format!(
                    "save what is needed, then apply again with --yes-lose-data {stream}"
                );
            }
            Self::Never { .. } => "set up a new hub for it, or restore the folder from a backup",
            Self::NotMade { .. } => "the server's log in the data folder tells more",
            Self::NotWhole { .. } => "see that every server runs, and take none away meanwhile",
            Self::Unreachable { .. } => "see whether the hub still runs, and its log",
            Self::NoSpace { .. } => "make space there, or give a smaller --reserve",
            Self::NotRunning { .. } => "start it with \"fleetlog dev --data DIR\"",
            Self::Io { .. } => "check that the folder can be written and the disk is not full",
            Self::Mint(_) => "choose a name of lower-case letters, digits, '-' and '.'",
            Self::NoSubject { .. } => "give one that begins with fl.ev., such as fl.ev.work.>",
            Self::FollowerExists { .. } => "choose another name, or delete that one first",
            Self::NoFollower { .. } => "see \"fleetlog hub follower list\"",
            Self::Mirror { .. } => {
                "make it anew: \"fleetlog topology apply\"; followers get the rest once it goes on"
            }
            Self::EndsAgain { log, .. } => {
                return format!(
                    "see its log \"{}\" and whether something kills it; then start the hub again, \
                    the folder keeps everything",
                    log.display()
                );
            }
            Self::Tool(tool) => return tool.advice(),
        };
        advice.to_owned()
    }
}

fn mirror(behind: u64, heard: Option<Duration>) -> String {
    match heard {
        None => "has never heard of the log".to_owned(),
        Some(heard) => {
            format!("lacks {behind} commits and heard of the log {} s ago", heard.as_secs())
        }
    }
}
