//! What the log costs, measured: appends, outcomes, followers. Each group of figures has a file of
//! its own and a line in [`GROUPS`].
#![allow(dead_code, reason = "the figures serve other benchmarks too")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is counted here is small"
)]

mod append;
mod cpu;
#[path = "../../src/figure.rs"]
mod figure;
mod fleet;
mod ground;
mod leases;
#[path = "../../src/memory.rs"]
mod memory;
#[path = "../../src/orders.rs"]
mod orders;
mod outcome;
mod past;
mod reading;
mod subscribers;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use figure::Figure;
use fleetlog_chassis::process;
use fleetlog_kernel::Service;
use futures::future::{BoxFuture, FutureExt as _};
use ground::Scale;
use std::process::ExitCode;

/// Some figures that are measured together: their names, and how.
struct Group(&'static [&'static str], fn(Scale) -> BoxFuture<'static, Result<Vec<Figure>>>);

/// Every group, in the order in which they run.
const GROUPS: &[Group] = &[
    Group(&["append_always_per_s", "append_always_ratio", "append_always_p99_ms"], |scale| {
        append::always(scale).boxed()
    }),
    Group(&["append_1m_aggregates_per_s", "append_1m_aggregates_ratio"], |scale| {
        append::many_aggregates(scale).boxed()
    }),
    Group(&["command_outcome_p50_ms", "command_outcome_p99_ms"], |scale| {
        outcome::command(scale).boxed()
    }),
    Group(&["chain_3_hops_p50_ms"], |scale| outcome::chain(scale).boxed()),
    Group(&["as_of_object_ms", "as_of_first_object_ms", "as_of_list_10000_s"], |scale| {
        past::as_of(scale).boxed()
    }),
    Group(
        &[
            "replay_read_per_s",
            "replay_read_ratio",
            "replay_compare_per_s",
            "cold_start_1m_events_s",
            "cold_start_1m_snapshot_s",
        ],
        |scale| reading::reading(scale).boxed(),
    ),
    Group(&["lease_100k_expiry_s"], |scale| leases::expiry(scale).boxed()),
    Group(&["lease_100k_core_share"], |scale| leases::core_share(scale).boxed()),
    Group(&["slow_subscriber_cost_ratio"], |scale| subscribers::slow(scale).boxed()),
];

/// Measures; exit 0 also when a goal is missed.
#[derive(Parser)]
#[command(name = "fleetlog-log-bench", max_term_width = 100)]
struct Cli {
    /// Print a JSON array of figures and nothing else.
    #[arg(long)]
    json: bool,
    /// Only figures whose names begin so; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// A part of each size: 1 is what the goals are for.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured as a process of its own.
#[derive(Subcommand)]
enum Part {
    /// The registration service.
    #[command(hide = true)]
    Registration {
        #[command(flatten)]
        process: process::Settings,
        #[command(flatten)]
        registration: fleetlog_registration::Flags,
    },
}

fn main() -> Result<ExitCode> {
    fleetlog_tools::supervise::enter();
    let cli = Cli::parse();
    if let Some(Part::Registration { process, registration }) = cli.part {
        return Ok(process::run(Service::Registration, &process, async move |ground| {
            Ok(fleetlog_registration::start(ground, registration.settings()?).await?)
        }));
    }
    measure(&cli).map(|()| ExitCode::SUCCESS)
}

fn measure(cli: &Cli) -> Result<()> {
    ensure!(cli.scale > 0.0, "a scale is more than 0");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|o| name.starts_with(o));
    let groups = GROUPS.iter().filter(|Group(names, _)| names.iter().any(|name| wanted(name)));
    let mut figures: Vec<Figure> = vec![];
    for Group(names, measure) in groups {
        eprintln!("{}", names.join(", "));
        let measured = runtime.block_on(measure(Scale(cli.scale)))?;
        figures.extend(measured.into_iter().filter(|figure| wanted(&figure.name)));
    }
    ensure!(!figures.is_empty(), "no figure begins with {}", cli.only.join(" or "));
    if cli.json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        figures.iter().for_each(|figure| println!("{}", figure.line()));
    }
    Ok(())
}
