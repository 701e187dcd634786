//! What can be typed after `fleetlog simulate`.

use super::OutputArgs;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `fleetlog simulate`.
#[derive(Subcommand, Debug)]
pub enum SimulateCommand {
    /// Which clusters a placement would gain and lose, and what would follow.
    ///
    /// Changes are applied in their order, e.g.:
    ///   fleetlog simulate placement team/web --change 'cluster/c1 label region=eu'
    ///   fleetlog simulate placement team/web --change 'cluster/c2 taint gpu=true:NoSelect'
    ///   fleetlog simulate placement -f placement.yaml --change 'cluster/c3 gone'
    #[command(verbatim_doc_comment)]
    Placement(SimulateArgs),
}

/// `fleetlog simulate placement`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// NAMESPACE/NAME of a placement.
    #[arg(required_unless_present = "filename")]
    pub placement: Option<String>,
    /// A file with the placement as it would be: a changed one, or a new one.
    #[arg(short, long, conflicts_with = "placement", value_hint = ValueHint::FilePath)]
    pub filename: Option<PathBuf>,
    /// A change to suppose: `cluster/NAME label KEY=VALUE`, `... label KEY-`,
    /// `... taint KEY=VALUE:EFFECT`, `... taint KEY:EFFECT-`, or `... gone`. Repeatable.
    #[arg(long = "change", value_name = "CHANGE")]
    pub changes: Vec<String>,
    /// A file with ManagedClusters, status included, that take the place of those of their names or
    /// stand beside the fleet.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub clusters: Option<PathBuf>,
    /// Start from what was: at a position of the log, at a time (RFC 3339), or so long ago.
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub as_of: Option<String>,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}
