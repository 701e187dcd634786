//! What the hub API costs, measured beside a Kubernetes API on the same machine in the same run,
//! asked by the same client. Each group of figures has a file of its own and a line in [`GROUPS`].
#![allow(dead_code, reason = "the figures and the ground serve other benchmarks too")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is counted here is small"
)]

mod accept;
mod client;
mod clusters;
#[path = "../../log/src/cpu.rs"]
mod cpu;
mod crd;
#[path = "../../src/figure.rs"]
mod figure;
#[path = "../../log/src/ground.rs"]
mod ground;
mod hub;
mod idle;
mod lists;
#[path = "../../src/memory.rs"]
mod memory;
#[path = "../../log/src/past.rs"]
mod past;
mod server;
mod start;
mod table;
mod watches;
mod world;
mod writes;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use figure::Figure;
use futures::future::{BoxFuture, FutureExt as _};
use ground::Scale;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::time::Instant;
use world::World;

/// How some figures are measured.
type Measure = for<'a> fn(&'a mut World) -> BoxFuture<'a, Result<Vec<Figure>>>;

/// Some figures that are measured together: their names, and how.
struct Group(&'static [&'static str], Measure);

/// Every group, in the order in which they run.
const GROUPS: &[Group] = &[
    Group(&["ready_empty_s", "idle_mib"], |world| start::empty(world).boxed()),
    Group(&["ready_1m_events_s"], |world| start::million(world).boxed()),
    Group(&["create_accept_1000_s"], |world| accept::thousand(world).boxed()),
    Group(&["write_ratio", "write_p99_ms"], |world| writes::writes(world).boxed()),
    Group(&["list_10000_ratio", "table_10000_ratio"], |world| lists::lists(world).boxed()),
    Group(&["fanout_10000_watchers_ratio"], |world| watches::of_a_kind(world).boxed()),
    Group(&["fanout_10000_names_ratio"], |world| watches::by_name(world).boxed()),
    Group(&["idle_watches_40000_mib"], |world| idle::watches(world).boxed()),
];

/// Part of each size that is enough to see that everything runs.
const QUICK: f64 = 0.02;

/// Measures; exit 0 also when a goal is missed, 1 when something could not be measured.
#[derive(Parser)]
#[command(name = "fleetlog-gateway-bench", max_term_width = 100)]
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
    /// A fiftieth of each size: whether it runs at all.
    #[arg(long)]
    quick: bool,
    /// Beside a second hub instead of a Kubernetes API, which takes minutes to build.
    #[arg(long)]
    itself: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured as a process of its own.
#[derive(Subcommand)]
enum Part {
    /// A hub's server and services, without the hub API.
    #[command(hide = true)]
    Hub {
        #[arg(long)]
        data: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    fleetlog_tools::supervise::enter();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &cli.part {
        Some(Part::Hub { data }) => runtime.block_on(hub::run(data)).map(|()| ExitCode::SUCCESS),
        None => runtime.block_on(measure(&cli)),
    }
}

async fn measure(cli: &Cli) -> Result<ExitCode> {
    ensure!(cli.scale > 0.0, "a scale is more than 0");
    let scale = if cli.quick { QUICK } else { cli.scale };
    let wanted = |name: &str| cli.only.is_empty() || cli.only.iter().any(|o| name.starts_with(o));
    let groups: Vec<&Group> =
        GROUPS.iter().filter(|Group(names, _)| names.iter().any(|name| wanted(name))).collect();
    ensure!(!groups.is_empty(), "no figure begins with {}", cli.only.join(" or "));
    let mut world = World::new(Scale(scale), cli.itself);
    let (mut figures, mut failed) = (vec![], vec![]);
    for Group(names, measure) in groups {
        let since = Instant::now();
        eprintln!("{}", names.join(", "));
        match measure(&mut world).await {
            Ok(found) => figures.extend(found.into_iter().filter(|figure| wanted(&figure.name))),
            // The others are measured all the same.
            Err(why) => failed.push((names.join(", "), format!("{why:#}"))),
        }
        eprintln!("    {:.0} s", since.elapsed().as_secs_f64());
    }
    drop(world);
    if cli.json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        print!("{}", table::of(&figures));
    }
    failed.iter().for_each(|(names, why)| eprintln!("not measured: {names}: {why}"));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
