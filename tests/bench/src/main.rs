//! The benchmarks from the command line; `cargo xtask bench` builds and runs them.

use anyhow::Result;
use clap::{Parser, Subcommand};
use fleetlog_bench::figure::Figure;
use fleetlog_bench::{decide, durable, failover, fleets, idle, members, restart};
use fleetlog_chassis::Clock;
use fleetlog_cli::embedded::EmbeddedHub;
use std::path::PathBuf;
use tempfile::TempDir;

/// Measures; exit 0 also when a goal is missed.
#[derive(Parser)]
#[command(name = "fleetlog-bench", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// The main job end to end.
    E2e {
        /// Print a JSON array of figures and nothing else.
        #[arg(long)]
        json: bool,
        /// How many clusters join in the figures of a large fleet.
        #[arg(long, default_value_t = 1_000)]
        clusters: usize,
    },
    /// What happens on bad days, and on real member clusters.
    Failover {
        /// Print a JSON array of figures and nothing else.
        #[arg(long)]
        json: bool,
        /// How many works one agent gets.
        #[arg(long, default_value_t = 1_000)]
        works: usize,
        /// How many works the log has on which the work service is started again.
        #[arg(long, default_value_t = 10_000)]
        logged: usize,
    },
    /// Placements from their command to their durable decision.
    Decide {
        /// Print a JSON array of figures and nothing else.
        #[arg(long)]
        json: bool,
        /// How many clusters there are to choose from.
        #[arg(long, default_value_t = 3_000)]
        clusters: usize,
    },
    /// One agent of a real member cluster until it is killed.
    #[command(hide = true)]
    MemberAgent {
        #[arg(long)]
        hub: String,
        #[arg(long)]
        token: PathBuf,
        #[arg(long)]
        kubeconfig: PathBuf,
    },
    /// One agent until it is killed; its memory is one of the figures.
    #[command(hide = true)]
    Agent {
        #[arg(long)]
        hub: String,
        #[arg(long)]
        token: PathBuf,
    },
}

fn main() -> Result<()> {
    fleetlog_tools::supervise::enter();
    let cli = Cli::parse();
    match cli.suite {
        Suite::E2e { json, clusters } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let figures = runtime.block_on(e2e(clusters))?;
            print(&figures, json)?;
        }
        Suite::Failover { json, works, logged } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let figures = runtime.block_on(bad_days(works, logged))?;
            print(&figures, json)?;
        }
        Suite::Decide { json, clusters } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            print(&runtime.block_on(decisions(clusters))?, json)?;
        }
        Suite::MemberAgent { hub, token, kubeconfig } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(members::be_an_agent(&hub, &token, &kubeconfig))?;
        }
        Suite::Agent { hub, token } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(idle::be_an_agent(&hub, &token))?;
        }
    }
    Ok(())
}

fn print(figures: &[Figure], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(figures)?);
    } else {
        println!("{}", today());
        figures.iter().for_each(|figure| println!("{}", figure.line()));
    }
    Ok(())
}

async fn bad_days(works: usize, logged: usize) -> Result<Vec<Figure>> {
    let mut figures = vec![];
    let (_folder, hub) = started().await?;
    eprintln!("a cluster falls silent");
    figures.push(failover::failover(&hub).await?);
    hub.stop().await;
    eprintln!("the work service starts again on {logged} works");
    figures.push(restart::restart_work_service(logged).await?);
    eprintln!("{works} works on a real kube-apiserver");
    figures.extend(members::works(works).await?);
    eprintln!("kube-prometheus on a real kube-apiserver");
    figures.push(members::kube_prometheus().await?);
    Ok(figures)
}

async fn decisions(clusters: usize) -> Result<Vec<Figure>> {
    let (_folder, hub) = started().await?;
    eprintln!("placements over {clusters} clusters");
    let figures = decide::decide(&hub, clusters).await?;
    hub.stop().await;
    Ok(figures)
}

/// The day and the machine, for the record.
fn today() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let seconds = Clock::System.now().seconds();
    let time = fleetlog_messages::common::Time { seconds, nanos: 0, text: String::new() };
    let day = time.render();
    format!("{}, {cores} cores, {}", day.get(..10).unwrap_or(&day), std::env::consts::ARCH)
}

async fn e2e(clusters: usize) -> Result<Vec<Figure>> {
    let mut figures = vec![];
    eprintln!("idle memory of a hub");
    figures.push(idle::hub().await?);
    let (_folder, hub) = started().await?;
    eprintln!("idle memory of an agent");
    figures.push(idle::agent(&hub).await?);
    eprintln!("commands until they are durable");
    figures.push(durable::command_durable(&hub).await?);
    hub.stop().await;
    let (_folder, hub) = started().await?;
    eprintln!("an application on two clusters");
    figures.push(fleets::boutique(&hub).await?);
    hub.stop().await;
    let (_folder, hub) = started().await?;
    eprintln!("{clusters} clusters");
    figures.extend(fleets::thousand(&hub, clusters).await?);
    hub.stop().await;
    Ok(figures)
}

async fn started() -> Result<(TempDir, EmbeddedHub)> {
    let folder = tempfile::tempdir()?;
    let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
    Ok((folder, hub))
}
