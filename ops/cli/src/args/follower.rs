//! What can be typed after `fleetlog hub follower`.

use super::OutputArgs;
use clap::{Args, Subcommand};

/// `fleetlog hub follower`.
#[derive(Subcommand, Debug)]
pub enum FollowerCommand {
    /// Make a follower and print its credentials file; it is printed once and kept nowhere.
    ///
    /// Any NATS client reads the log with it, as the stream AUDIT. Nothing can be written with it.
    Create(FollowerArgs),
    /// List the followers.
    List(FollowerListArgs),
    /// Let a follower in no more; its connections are cut.
    Delete {
        /// Its name.
        name: String,
    },
}

/// `fleetlog hub follower create`.
///
/// Examples:
///   fleetlog hub follower create audit > audit.creds
///   fleetlog hub follower create billing --subjects 'fl.ev.work.>' 'fl.ev.addon.>'
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct FollowerArgs {
    /// Its name: lower-case letters, digits, '-' and '.'.
    pub name: String,
    /// What it may read: subjects of events, with `*` for a token and `>` for all that follow; the
    /// whole log when absent.
    #[arg(long, num_args = 1.., value_name = "SUBJECT")]
    pub subjects: Vec<String>,
}

/// `fleetlog hub follower list`.
#[derive(Args, Debug)]
pub struct FollowerListArgs {
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}
