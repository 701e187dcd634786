//! The agent as a process of its own: flags and environment, logs, signals. What it does is the
//! library's.

use crate::{Agent, FileKeys, Nats, Parts, Settings};
use anyhow::Context as _;
use clap::Parser;
use fleetlog_bus::Credentials;
use fleetlog_chassis::process::{LogFormat, signal, start_logging};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ClusterName;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The agent of one member cluster: it pulls what the hub wants, applies it, and reports.
#[derive(Parser, Clone, Debug)]
#[command(name = "fleetlog-agent", version)]
pub struct Flags {
    /// URL of the hub's nats-server.
    #[arg(long, env = "FLEETLOG_HUB")]
    pub hub: String,
    /// Name of this cluster in the fleet.
    #[arg(long, env = "FLEETLOG_CLUSTER")]
    pub cluster: String,
    /// Join token, a credentials file (`.creds`); needed until the cluster has joined.
    #[arg(long, env = "FLEETLOG_TOKEN")]
    pub token: Option<PathBuf>,
    /// Labels wished for the new cluster, `key=value,key=value`.
    #[arg(long, env = "FLEETLOG_LABELS", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Kubeconfig of the member cluster; else the usual places, then the pod's own account.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Folder for the agent's key and credential.
    #[arg(long, env = "FLEETLOG_AGENT_DATA", default_value = "fleetlog-agent")]
    pub data: PathBuf,
    /// How logs are written to standard error.
    #[arg(long, env = "FLEETLOG_LOG_FORMAT", value_enum, default_value_t = LogFormat::Plain)]
    pub log_format: LogFormat,
    /// Which logs are written: a level, or directives as `fleetlog_agent=debug,info`.
    #[arg(long, env = "FLEETLOG_LOG", default_value = "info")]
    pub log: String,
    /// Print the configuration as it would be used, and end.
    #[arg(long)]
    pub print_config: bool,
}

/// Runs the agent until it is told to stop: 0 after a clean end, 1 after a failure.
#[must_use]
pub fn run() -> ExitCode {
    let flags = Flags::parse();
    if flags.print_config {
        println!("{flags:#?}\n{:#?}", fleetlog_agent_core::Pace::default());
        return ExitCode::SUCCESS;
    }
    start_logging(&flags.log, flags.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended =
        runtime.context("start the runtime").and_then(|runtime| runtime.block_on(serve(&flags)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the agent stops: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: &Flags) -> anyhow::Result<()> {
    let cluster = ClusterName::parse(&flags.cluster)?;
    let labels: Option<BTreeMap<String, String>> = flags
        .labels
        .iter()
        .map(|label| label.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
        .collect();
    let labels = labels.context("a label is not \"key=value\"; write --labels a=b,c=d")?;
    let token = match &flags.token {
        Some(path) => Some(token(path).await?),
        None => None,
    };
    let tasks = Tasks::default();
    let parts = Parts {
        client: client(flags.kubeconfig.as_ref()).await?,
        dialer: Arc::new(Nats::new(&flags.hub, cluster.clone(), token)),
        keys: Arc::new(FileKeys::new(&flags.data)),
        clock: Clock::System,
        tasks: tasks.clone(),
    };
    let agent = Agent::start(Settings { labels, ..Settings::new(cluster) }, parts);
    tracing::info!(cluster = %agent.cluster(), hub = flags.hub, "the agent runs");
    tokio::select! {
        ended = tasks.join() => ended?,
        () = signal() => tasks.abort(),
    }
    Ok(())
}

async fn token(path: &PathBuf) -> anyhow::Result<Credentials> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.with_context(|| format!("read the join token \"{}\"", path.display()))?;
    Credentials::of_file(&text)
        .with_context(|| format!("\"{}\" is no credentials file", path.display()))
}

async fn client(kubeconfig: Option<&PathBuf>) -> anyhow::Result<kube::Client> {
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("read the kubeconfig \"{}\"", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer().await.context("find the member cluster")?,
    };
    Ok(kube::Client::try_from(config)?)
}
