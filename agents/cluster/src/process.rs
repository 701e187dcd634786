//! The agent as a process of its own: flags and environment, logs, signals. What it does is the
//! library's.

use crate::membership::Membership;
use crate::{
    Agent, Caller, Dialer as _, FileKeys, Kept, KeyStore, Nats, Parts, Place, Refusal, SecretKeys,
    Settings, Standing,
};
use anyhow::Context as _;
use clap::Parser;
use fleetlog_bus::{Credentials, JoinToken, Retry, is_stranger};
use fleetlog_chassis::process::{LogFormat, signal, start_logging};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ClusterName;
use fleetlog_messages::common::Credential;
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
    /// Join token, as `fleetlog hub token create` prints it, or a file that holds it; needed until
    /// the cluster has joined.
    #[arg(long, env = "FLEETLOG_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Labels wished for the new cluster, `key=value,key=value`.
    #[arg(long, env = "FLEETLOG_LABELS", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Kubeconfig of the member cluster; else the usual places, then the pod's own account.
    #[arg(long, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Secret of the member cluster for the agent's key and credential, made when missing.
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "fleetlog-agent/fleetlog-agent")]
    pub key_secret: String,
    /// Folder for the agent's key and credential, instead of a Secret.
    #[arg(long, env = "FLEETLOG_AGENT_DATA", conflicts_with = "key_secret")]
    pub data: Option<PathBuf>,
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
        let flags = Flags { token: flags.token.map(|_| "(hidden)".into()), ..flags };
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
            match error.downcast_ref::<Refusal>() {
                Some(refusal) => {
                    let (code, advice) = (refusal.code(), refusal.advice());
                    eprintln!("error {code}: {refusal}\n  try: {advice}");
                }
                None => tracing::error!("the agent stops: {error:#}"),
            }
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
    let token = flags.token.as_deref().map(token).transpose()?;
    let client = client(flags.kubeconfig.as_ref()).await?;
    let (place, keys) = keys(flags, &client)?;
    let dialer = Arc::new(let_in(flags, &cluster, token, place.as_ref(), keys.as_ref()).await?);
    let tasks = Tasks::default();
    let parts = Parts { client, dialer, keys, clock: Clock::System, tasks: tasks.clone() };
    let agent = Agent::start(Settings { labels, ..Settings::new(cluster) }, parts);
    tracing::info!(cluster = %agent.cluster(), hub = flags.hub, "the agent runs");
    let told = tell(&agent);
    tokio::select! {
        biased;
        ended = tasks.join() => ended?,
        () = told => {}
        () = signal() => tasks.abort(),
    }
    Ok(())
}

/// Says how the agent stands whenever that changes.
async fn tell(agent: &Agent) {
    let mut said = None;
    loop {
        let now = agent.changed(said.as_ref()).await;
        match &now {
            Standing::Joining(sentence) if sentence.is_empty() => {}
            Standing::Joining(sentence) => tracing::info!("not joined yet: {sentence}"),
            Standing::Connecting => tracing::info!("connecting"),
            Standing::Connected => tracing::info!("connected"),
        }
        said = Some(now);
    }
}

type Keys = (Arc<dyn Place>, Arc<dyn KeyStore>);

fn keys(flags: &Flags, client: &kube::Client) -> anyhow::Result<Keys> {
    if let Some(folder) = &flags.data {
        let keys = Arc::new(FileKeys::new(folder));
        return Ok((keys.clone(), keys));
    }
    let named = flags.key_secret.split_once('/');
    let (namespace, name) = named.context("write --key-secret NAMESPACE/NAME")?;
    let keys = Arc::new(SecretKeys::new(client.clone(), namespace, name));
    Ok((keys.clone(), keys))
}

/// Sees that the hub is the cluster's own and takes it, or its token; waits for one that is away.
async fn let_in(
    flags: &Flags,
    cluster: &ClusterName,
    token: Option<JoinToken>,
    place: &dyn Place,
    keys: &dyn KeyStore,
) -> anyhow::Result<Nats> {
    let (url, own) = (flags.hub.clone(), || cluster.to_string());
    let kept = Membership::load(place).await?;
    let known = kept.is_some();
    let membership = Membership::settle(kept, &place.described(), cluster, token.as_ref())?;
    let now = Clock::System.now();
    let Kept { seed, credential } = keys.load().await?;
    let credential = credential.filter(|c| known && c.expires_seconds > now.seconds());
    let caller = match (credential, &token) {
        (Some(Credential { jwt, .. }), _) => Caller::Agent(Credentials { jwt, seed }),
        (None, None) => return Err(Refusal::NoToken { cluster: own() }.into()),
        (None, Some(token)) => {
            if let Some(at) = token.expires().filter(|at| *at <= now) {
                let seconds = now.seconds() - at.seconds();
                return Err(Refusal::Expired { seconds }.into());
            }
            Caller::Newcomer
        }
    };
    let dialer = Nats::new(&url, cluster.clone(), token.map(|token| token.credentials))
        .trusting(membership.authority.clone());
    let mut tries = 0_u32;
    loop {
        if membership.meets_other(&url).await {
            let what = format!("the hub at \"{url}\"");
            return Err(Refusal::OtherHub { what, cluster: own() }.into());
        }
        match dialer.dial(&caller).await {
            Ok(_) => break,
            Err(fault) if is_stranger(&fault) => {
                let what = format!("the server at \"{url}\", by its certificate,");
                return Err(Refusal::OtherHub { what, cluster: own() }.into());
            }
            Err(fault) if fault.retry == Retry::Useless => {
                let why = fault.to_string();
                return Err(Refusal::NotLetIn { url, cluster: own(), why }.into());
            }
            Err(fault) => tracing::warn!("the hub cannot be reached yet: {fault}"),
        }
        tries += 1;
        tokio::time::sleep(fleetlog_agent_core::Pace::default().backoff(tries)).await;
    }
    membership.keep(place).await?;
    Ok(dialer)
}

/// The token itself, or what the file of that name holds.
fn token(text: &str) -> Result<JoinToken, Refusal> {
    let read = || JoinToken::of_text(&std::fs::read_to_string(text).ok()?);
    JoinToken::of_text(text).or_else(read).ok_or(Refusal::Token)
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
