//! What can be typed: the commands, their flags and what `--help` teaches.

mod change;
mod dev;
mod diff;
mod follower;
mod projection;
mod simulate;
mod topology;

pub use change::{ApplyArgs, DeleteArgs, DryRun};
pub use dev::{DevArgs, KubeconfigArgs};
pub use diff::DiffArgs;
pub use follower::{FollowerArgs, FollowerCommand, FollowerListArgs};
pub use projection::{ProjectionCommand, RebuildArgs};
pub use simulate::{SimulateArgs, SimulateCommand};
pub use topology::{SiteArgs, TopologyApplyArgs, TopologyCommand};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Runs a fleet of Kubernetes clusters from an event log.
///
/// Start with `fleetlog demo`, or keep a hub with simulated clusters running with
/// `fleetlog dev --data DIR` and look at it from a second terminal.
#[derive(Parser, Debug)]
#[command(name = "fleetlog", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Folder of the hub to talk to.
    #[arg(long, global = true, env = "FLEETLOG_DATA", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Logs to standard error: a level or directives, e.g. `debug`.
    #[arg(long, global = true, env = "FLEETLOG_LOG", default_value = "warn", hide = true)]
    pub log: String,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show the main job, end to end, on a hub and four clusters made for it.
    Demo(DemoArgs),
    /// Run a hub and simulated clusters in this process until it is stopped.
    Dev(DevArgs),
    /// Create or change objects from YAML or JSON.
    Apply(ApplyArgs),
    /// Show objects.
    Get(GetArgs),
    /// Show one object with its conditions and its last events.
    Describe(DescribeArgs),
    /// Remove objects.
    Delete(DeleteArgs),
    /// Wait until objects have a condition.
    Wait(WaitArgs),
    /// Set or take away labels.
    Label(LabelArgs),
    /// Take clusters into the fleet.
    Accept(ClustersArgs),
    /// Refuse clusters, or take their acceptance back.
    Deny(ClustersArgs),
    /// Let placements choose afresh, as if they had chosen nothing yet.
    Rebalance(RebalanceArgs),
    /// What only those who run the hub do.
    Hub {
        /// What to do.
        #[command(subcommand)]
        command: HubCommand,
    },
    /// Print a kubeconfig of the hub API.
    Kubeconfig(KubeconfigArgs),
    /// Cut a simulated cluster off, or let it return (hubs of `fleetlog dev`).
    Sim(SimArgs),
    /// Show the event log as people read it.
    Log(LogArgs),
    /// Show what changed in an object between two moments, and what happened to it.
    Diff(DiffArgs),
    /// Tell why an object is as it is: the chain of events behind it, and of a placement why each
    /// cluster is chosen or not.
    Explain(ExplainArgs),
    /// Show what would come of a change, without making it.
    #[command(subcommand)]
    Simulate(SimulateCommand),
    /// Look at what could not be handled, try it again, or drop it.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Plan, apply and verify the streams, consumers, accounts and permissions of a hub.
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Look how far each service has folded the log, or have it folded anew while it runs.
    #[command(subcommand)]
    Projection(ProjectionCommand),
    /// Fold the log again in a fresh process and compare with the running services, and with what
    /// clusters are told.
    Replay(ReplayArgs),
    /// Print the versions of this command and of the hub.
    Version(OutputArgs),
    /// Print a completion script for a shell.
    Completion {
        /// Which shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// `kind/name`, one a line.
    Name,
}

/// `-o`.
#[derive(Args, Clone, Debug, Default)]
pub struct OutputArgs {
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// `fleetlog demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Print one line of JSON with the figures, and nothing else on standard output.
    #[arg(long)]
    pub json: bool,
    /// Keep the hub's data in this folder instead of a temporary one.
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

/// Which namespace to look in.
#[derive(Args, Clone, Debug, Default)]
pub struct ScopeArgs {
    /// The namespace; `default` when absent.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
}

/// What a command is about.
#[derive(Args, Clone, Debug, Default)]
pub struct WhatArgs {
    /// KIND, KIND NAME.., KIND/NAME.., in any of the kind's names: `mcl`, `managedclusters`, ...
    #[arg(required_unless_present = "filename")]
    pub what: Vec<String>,
    /// What these files name.
    #[arg(short, long, conflicts_with = "what", value_hint = ValueHint::AnyPath)]
    pub filename: Vec<PathBuf>,
    /// Labels to select by, as `kubectl -l` takes them.
    #[arg(short = 'l', long)]
    pub selector: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// `fleetlog get`.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// What to show.
    #[command(flatten)]
    pub what: WhatArgs,
    /// Print again whenever an object changes, until interrupted.
    #[arg(short, long)]
    pub watch: bool,
    /// As it was: at a position of the log, at a time (RFC 3339), or so long ago (`8s-ago`).
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub as_of: Option<String>,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog describe`.
#[derive(Args, Debug)]
pub struct DescribeArgs {
    /// What to describe.
    #[command(flatten)]
    pub what: WhatArgs,
    /// As it was: at a position of the log, at a time (RFC 3339), or so long ago (`8s-ago`).
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub as_of: Option<String>,
}

/// `fleetlog wait`.
#[derive(Args, Debug)]
pub struct WaitArgs {
    /// What to wait for; a KIND alone is all that are there.
    #[command(flatten)]
    pub what: WhatArgs,
    /// `condition=TYPE`, `condition=TYPE=STATUS`, or `delete`.
    #[arg(long = "for", value_name = "CONDITION")]
    pub until: String,
    /// How long to wait, e.g. `30s`.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

/// `fleetlog label`.
#[derive(Args, Debug)]
pub struct LabelArgs {
    /// KIND NAME.. (or KIND/NAME..), and `key=value` to set, `key-` to take away.
    #[arg(required = true)]
    pub words: Vec<String>,
    /// What these files name.
    #[arg(short, long, value_hint = ValueHint::AnyPath)]
    pub filename: Vec<PathBuf>,
    /// Labels to select by, with a KIND alone.
    #[arg(short = 'l', long)]
    pub selector: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Change labels that have another value.
    #[arg(long)]
    pub overwrite: bool,
}

/// `fleetlog accept` and `deny`.
#[derive(Args, Debug)]
pub struct ClustersArgs {
    /// The clusters' names.
    #[arg(required = true)]
    pub clusters: Vec<String>,
}

/// `fleetlog rebalance`.
#[derive(Args, Debug)]
pub struct RebalanceArgs {
    /// The placements' names, or NAMESPACE/NAME.
    #[arg(required = true)]
    pub placements: Vec<String>,
    /// The namespace; `default` when absent.
    #[arg(short, long)]
    pub namespace: Option<String>,
}

/// `fleetlog hub`.
#[derive(Subcommand, Debug)]
pub enum HubCommand {
    /// Tokens that let clusters ask to join.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Other people's services that read the log.
    Follower {
        /// What to do.
        #[command(subcommand)]
        command: FollowerCommand,
    },
}

/// `fleetlog hub token`.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Make a token and print the command with which a cluster joins.
    ///
    /// Whoever has the token may ask to join with it, for any cluster, until it expires; each
    /// cluster still has to be accepted.
    Create(TokenArgs),
}

/// `fleetlog hub token create`.
#[derive(Args, Debug)]
pub struct TokenArgs {
    /// How long it is good for, e.g. `30m`.
    #[arg(long, default_value = "24h", value_parser = duration)]
    pub ttl: Duration,
    /// The cluster's name, for the command that is printed.
    #[arg(long)]
    pub cluster: Option<String>,
    /// Where the cluster reaches the hub, when that is another address than the hub's own, e.g.
    /// `tls://hub.example.com:4443`.
    #[arg(long)]
    pub url: Option<String>,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog sim`.
#[derive(Args, Debug)]
pub struct SimArgs {
    /// What happens to it.
    #[arg(value_enum)]
    pub action: SimAction,
    /// The cluster.
    pub cluster: String,
}

/// What `fleetlog sim` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimAction {
    /// Cut it off from the hub: no beats, no traffic; it keeps running what it has.
    Silence,
    /// Let it return.
    Resume,
}

/// `fleetlog log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Only this object: KIND/NAMESPACE/NAME, or KIND/NAME when cluster-scoped.
    pub object: Option<String>,
    /// From this position on.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Go on with new events until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// Up to a moment: a position of the log, a time (RFC 3339), or so long ago (`8s-ago`).
    #[arg(long, value_name = "SEQ|TIME|AGO", conflicts_with = "follow")]
    pub as_of: Option<String>,
    /// `table`, or `json` for one object a line.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// KIND/NAMESPACE/NAME, or KIND/NAME when cluster-scoped.
    pub object: String,
    /// Of a placement: only this cluster.
    #[arg(long)]
    pub cluster: Option<String>,
    /// As it was: at a position of the log, at a time (RFC 3339), or so long ago (`8s-ago`).
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub as_of: Option<String>,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog dlq`: the dead letters, messages that no service could handle. Every use is recorded.
#[derive(Subcommand, Debug)]
pub enum DlqCommand {
    /// List them: who gave up on what, and why.
    List(OutputArgs),
    /// Show one whole: its subject, headers and content.
    Show {
        /// Its number, as `fleetlog dlq list` shows it.
        number: u64,
        /// The form of the answer.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Have them handled again; what has an outcome now leaves the list.
    Retry(LettersArgs),
    /// Take them out for good, unhandled.
    Drop(LettersArgs),
    /// What was done with them: every use of this command in the last 30 days.
    Uses(OutputArgs),
}

/// Which dead letters.
#[derive(Args, Debug)]
pub struct LettersArgs {
    /// Their numbers, as `fleetlog dlq list` shows them.
    #[arg(required_unless_present = "all")]
    pub numbers: Vec<u64>,
    /// All that there are now.
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
}

/// `fleetlog replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Compare with the running services; exit 1 when one differs.
    #[arg(long, required_unless_present = "fold")]
    pub verify: bool,
    /// Fold one service's state up to `--to` and print its rows (used by `--verify`).
    #[arg(long, hide = true, requires = "to")]
    pub fold: Option<String>,
    /// The position to fold to.
    #[arg(long, hide = true)]
    pub to: Option<u64>,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Bytes, with or without one of Kubernetes' binary units.
fn bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 =
        number.parse().map_err(|_| "give a number and a unit, as 256Mi".to_owned())?;
    let shift = match unit {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        _ => return Err(format!("\"{unit}\" is no unit of size: use Ki, Mi or Gi")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than there can be".to_owned())
}

/// Reads `90s`, `2m`, `500ms`, `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "give a number and a unit, as 30s".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3_600))),
        _ => Err(format!("\"{unit}\" is no unit of time: use ms, s, m or h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("soon").is_err());
        assert!(duration("3w").is_err());
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes("256Mi"), Ok(256 << 20));
        assert_eq!(bytes("12"), Ok(12));
        assert!(bytes("1TB").is_err() && bytes("much").is_err());
        assert!(bytes("99999999999999Gi").is_err());
    }
}
