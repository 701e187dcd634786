//! What `fleetlog apply` and `fleetlog delete` are told, and how far they go.

use super::{OutputArgs, WhatArgs, duration};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// How far a change goes, as kubectl has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// It is made.
    #[default]
    None,
    /// It is only checked here, and what there is looked at.
    Client,
    /// Whoever decides is asked what would come of it; nothing does.
    Server,
}

impl DryRun {
    /// What is put after what is said of an object.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// `--dry-run`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct DryRunArgs {
    /// Make no change: check it here (`client`), or ask the hub what would come of it (`server`).
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "client"
    )]
    pub dry_run: DryRun,
}

/// `fleetlog apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// A file, a folder (its .yaml, .yml and .json files), or `-` for standard input. Repeatable.
    #[arg(short, long = "filename", required = true, value_hint = ValueHint::AnyPath)]
    pub filename: Vec<PathBuf>,
    /// Namespace of namespaced objects that name none.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Whether it is only tried.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// The form of the answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog delete`.
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// What to remove.
    #[command(flatten)]
    pub what: WhatArgs,
    /// Whether it is only tried.
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Return at once instead of waiting until the objects are gone.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait, e.g. `30s`.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}
