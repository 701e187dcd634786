//! The gateway as a process of its own.

use anyhow::{Context as _, Result};
use clap::Parser;
use fleetlog_bus::{Credentials, JetStream};
use fleetlog_chassis::process::{LogFormat, Signals, start_logging};
use fleetlog_chassis::{Clock, Ids, Tasks};
use fleetlog_gateway::{
    Certificates, Gateway, Ground, Limits, Listener, certificates, kubeconfig, tls,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::time::{Duration, timeout};

/// How long requests in hand may take once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(35);

/// Serves the hub's Kubernetes API. Writes DIR/kubeconfig, by which kubectl is its administrator.
#[derive(Parser)]
#[command(name = "fleetlog-gateway", version)]
struct Flags {
    /// URL of the nats-server.
    #[arg(long, env = "FLEETLOG_NATS", default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// Credentials file of the role `gateway`: DIR/creds/gateway.creds of the hub.
    #[arg(long, env = "FLEETLOG_CREDS")]
    creds: PathBuf,
    /// Folder of its certificate authority and kubeconfig.
    #[arg(long, env = "FLEETLOG_GATEWAY_DIR")]
    dir: PathBuf,
    /// Address to serve at.
    #[arg(long, env = "FLEETLOG_LISTEN", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// A name or address that clients reach it by, beside the one it listens at; may be repeated.
    /// The first is in the URL that clients are told.
    #[arg(long)]
    name: Vec<String>,
    /// File with authorities (PEM) whose clients are let in too; may be repeated.
    #[arg(long)]
    client_ca: Vec<PathBuf>,
    /// Which logs are written to standard error.
    #[arg(long, env = "FLEETLOG_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    start_logging(&flags.log, LogFormat::Plain);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.context("start the runtime").and_then(|r| r.block_on(run(flags)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the gateway stops: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<()> {
    let text = tokio::fs::read_to_string(&flags.creds).await;
    let text = text.with_context(|| format!("read \"{}\"", flags.creds.display()))?;
    let credentials = Credentials::of_file(&text)
        .with_context(|| format!("\"{}\" is no credentials file", flags.creds.display()))?;
    let broker = JetStream::connect(&flags.nats, credentials, "gateway").await?;
    let (clock, tasks) = (Clock::System, Tasks::default());
    let listener = Listener::bind(flags.listen).await?;
    let own = Certificates::load_or_create(&flags.dir, clock.now())?;
    let mut names = vec![listener.address.ip().to_string(), "localhost".to_owned()];
    names.extend(flags.name.clone());
    let mut others = vec![];
    for file in &flags.client_ca {
        let read = std::fs::read_to_string(file);
        others.push(read.with_context(|| format!("read \"{}\"", file.display()))?);
    }
    let config = tls(&own, &names, &others, clock.now())?;
    let url = match flags.name.first() {
        Some(name) => format!("https://{name}:{}", listener.address.port()),
        None => format!("https://{}", listener.address),
    };
    let admin = kubeconfig(&own, &url, ("admin", &["system:masters"]), clock.now())?;
    certificates::write_secret(&flags.dir.join("kubeconfig"), &admin)?;
    let ids = Arc::new(Ids::Random);
    let ground = Ground {
        broker,
        clock,
        ids,
        tasks: tasks.clone(),
        certificates: own,
        url: url.clone(),
        limits: Limits::default(),
    };
    let gateway = Gateway::start(ground)?;
    listener.open(&gateway, config);
    tracing::info!("serving the hub API at {url}");
    let mut signals = Signals::listen();
    tokio::select! {
        biased;
        ended = tasks.join() => ended?,
        () = signals.next() => {
            tracing::info!("requests in hand are answered; a second signal ends them");
            tasks.stop();
            tokio::select! {
                biased;
                () = signals.next() => {}
                _ = timeout(DRAIN, tasks.join()) => {}
            }
        }
    }
    tasks.abort();
    Ok(())
}
