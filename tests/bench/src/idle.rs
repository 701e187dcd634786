//! What a hub and an agent take while nothing happens, each as processes of their own.

use crate::figure::{Better, Figure, median};
use crate::memory::resident_mib;
use anyhow::{Context as _, Result, ensure};
use fleetlog_chassis::Tasks;
use fleetlog_cli::embedded::{EmbeddedHub, Fleet, FleetOptions};
use fleetlog_tools::{NatsConfig, NatsServer};
use fleetlog_topology::folder::{find, read_credentials};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tokio::time::{Duration, sleep};

/// Looks at resident memory: how many, and how far apart.
const LOOKS: u64 = 10;
const BETWEEN: Duration = Duration::from_millis(500);

/// A process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `hub_idle_mib`: the process of the five services and its nats-server.
///
/// # Errors
/// A hub that does not start.
pub async fn hub() -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let program = sibling("fleetlog")?;
    let dir = folder.path().to_string_lossy().into_owned();
    let mut hub = started(&program, &["dev", "--clusters", "0", "--data", &dir], "ready")?;
    let server = find(folder.path())?.nats_pid.context("hub.json names no server")?;
    let services = hub.0.id();
    let value = looked(|| Ok(resident_mib(services)? + resident_mib(server)?)).await?;
    ensure!(hub.0.try_wait()?.is_none(), "the hub ended");
    drop(hub);
    let plain = tempfile::tempdir()?;
    let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
    let alone = NatsServer::start(&NatsConfig::open(binary, plain.path().to_owned()))?;
    let baseline = looked(|| resident_mib(alone.pid())).await?;
    let setting = "registration, placement, work and addon in one process, and nats-server; \
                   baseline: a plain nats-server";
    Ok(Figure::new("hub_idle_mib", value, "MiB", Better::Lower)
        .measured(LOOKS, setting)
        .against(baseline)
        .wanted(100.0))
}

/// `agent_idle_mib`: a process with one agent that joined, and its simulated cluster.
///
/// # Errors
/// An agent that does not join.
pub async fn agent(hub: &EmbeddedHub) -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let token = folder.path().join("token.creds");
    std::fs::write(&token, hub.identity().boot_token(None)?.to_file())?;
    let token = token.to_string_lossy().into_owned();
    let program = std::env::current_exe()?;
    let arguments = ["agent", "--hub", hub.url(), "--token", &token];
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start an agent")?;
    let mut agent = Running(child);
    let admin = hub.admin().await?;
    fleetlog_cli::embedded::dev::accept(&admin, &["idle"], None).await?;
    wait_for_line(&mut agent.0, "connected")?;
    let process = agent.0.id();
    let value = looked(|| resident_mib(process)).await?;
    let own = resident_mib(std::process::id())?;
    let setting = "one agent that joined, its simulated cluster included, as a process; baseline: \
                   the benchmark's own process";
    Ok(Figure::new("agent_idle_mib", value, "MiB", Better::Lower)
        .measured(LOOKS, setting)
        .against(own)
        .wanted(20.0))
}

/// The process that [`agent`] looks at: one agent until it is killed.
///
/// # Errors
/// A task that fails.
pub async fn be_an_agent(url: &str, token: &Path) -> Result<()> {
    let tasks = Tasks::default();
    let options =
        FleetOptions { url: url.to_owned(), token: read_credentials(token)?, keys: None, seed: 1 };
    let mut fleet = Fleet::new(options, tasks.clone());
    fleet.start("idle", BTreeMap::new())?;
    fleet.connected().await;
    println!("connected");
    Ok(tasks.join().await?)
}

async fn looked(look: impl Fn() -> Result<f64>) -> Result<f64> {
    let mut found = vec![];
    for _ in 0..LOOKS {
        sleep(BETWEEN).await;
        found.push(look()?);
    }
    Ok(median(&mut found))
}

/// A program that was built beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    ensure!(path.is_file(), "\"{}\" is not built; run cargo xtask bench", path.display());
    Ok(path)
}

fn started(program: &Path, arguments: &[&str], line: &str) -> Result<Running> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let mut running = Running(child);
    wait_for_line(&mut running.0, line)?;
    Ok(running)
}

fn wait_for_line(child: &mut Child, wanted: &str) -> Result<()> {
    let output = child.stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    let found = lines.any(|line| line.is_ok_and(|line| line.contains(wanted)));
    ensure!(found, "it ended without saying \"{wanted}\"");
    // What it says later is read to nobody, so that it never waits.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(())
}
