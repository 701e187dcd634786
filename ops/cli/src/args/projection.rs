//! What can be typed after `projection`.

use super::{OutputArgs, duration};
use clap::{Args, Subcommand};
use std::time::Duration;

/// `fleetlog projection`: what each service has folded of the log.
#[derive(Subcommand, Debug)]
pub enum ProjectionCommand {
    /// List them: the position of each, how many events it is behind, and its last rebuild.
    List(OutputArgs),
    /// Fold a service's state anew from the whole log, beside the one in use, and use it; of
    /// `work`, what clusters are told is put right too. The log keeps who asked.
    Rebuild(RebuildArgs),
}

/// `fleetlog projection rebuild`.
#[derive(Args, Debug)]
pub struct RebuildArgs {
    /// The services: registration, placement, work, addon, core.
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// How long to wait for each, e.g. `30s`.
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
}
