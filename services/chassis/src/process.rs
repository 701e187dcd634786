//! A service as a process of its own: flags and environment, logs, metrics and health on one
//! port, signals (the first drains, the second aborts). A `main` is one call of [`run`].

use crate::context::{Bounds, Bus, Context, Ground};
use crate::machine::Machine;
use crate::{Clock, Ids, Tasks};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use fleetlog_bus::{Credentials, JetStream};
use fleetlog_kernel::Service;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What every process of Fleetlog can be told, by flag or by environment.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// URL of the nats-server.
    #[arg(long, env = "FLEETLOG_NATS", default_value = "nats://127.0.0.1:4222")]
    pub nats: String,
    /// Credentials file (`.creds`) of this process's user.
    #[arg(long, env = "FLEETLOG_CREDS")]
    pub creds: Option<PathBuf>,
    /// Address of `/metrics`, `/healthz` and `/readyz`; none when absent.
    #[arg(long, env = "FLEETLOG_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// How logs are written to standard error.
    #[arg(long, env = "FLEETLOG_LOG_FORMAT", value_enum, default_value_t = LogFormat::Plain)]
    pub log_format: LogFormat,
    /// Which logs are written: a level, or directives as `fleetlog_work=debug,info`.
    #[arg(long, env = "FLEETLOG_LOG", default_value = "info")]
    pub log: String,
    /// Print the configuration as it would be used, and end.
    #[arg(long)]
    pub print_config: bool,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Starts logging as `settings` say. A second call in one process changes nothing.
pub fn start_logs(settings: &Settings) {
    start_logging(&settings.log, settings.log_format);
}

/// Starts logging what `filter` lets through. A second call in one process changes nothing.
pub fn start_logging(filter: &str, format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(!plain && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Plain => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
}

/// Runs one service until it is told to stop: 0 after a clean end, 1 after a failure.
pub fn run<M, F>(service: Service, settings: &Settings, start: F) -> ExitCode
where
    M: Machine,
    F: AsyncFnOnce(Ground) -> anyhow::Result<Arc<Context<M>>>,
{
    if settings.print_config {
        println!("{settings:#?}\n{:#?}", Bounds::default());
        return ExitCode::SUCCESS;
    }
    start_logs(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(serve(service, settings, start)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{service} stops: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<M, F>(service: Service, settings: &Settings, start: F) -> anyhow::Result<()>
where
    M: Machine,
    F: AsyncFnOnce(Ground) -> anyhow::Result<Arc<Context<M>>>,
{
    let tasks = Tasks::default();
    let creds = settings.creds.as_ref().context("no credentials: give --creds FILE")?;
    let text = tokio::fs::read_to_string(creds).await;
    let text = text.with_context(|| format!("read the credentials \"{}\"", creds.display()))?;
    let credentials = Credentials::of_file(&text)
        .with_context(|| format!("\"{}\" is no credentials file", creds.display()))?;
    let broker = JetStream::connect(&settings.nats, credentials, service.token()).await?;
    let ground = Ground {
        bus: Bus::new(broker, &tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks: tasks.clone(),
        bounds: Bounds::default(),
    };
    let context = start(ground).await?;
    // Health outlives the service: one that stopped at a commit says so until it is ended.
    let probes = Tasks::default();
    if let Some(address) = settings.listen {
        let probe = context.clone();
        let ready = move || probe.ready();
        crate::health::serve(&probes, address, service, context.metrics.clone(), ready).await?;
    }
    let mut signals = Signals::listen();
    tokio::select! {
        biased;
        ended = tasks.join() => {
            if let (Some(why), Some(_)) = (context.halted(), settings.listen) {
                tracing::error!("{service} has stopped and waits to be ended: {why}");
                signals.next().await;
            }
            ended?;
        }
        () = signals.next() => {
            tracing::info!("draining; a second signal aborts");
            tokio::select! {
                biased;
                done = context.drain() => {
                    if !done { tracing::warn!("what is in hand is left to the next start"); }
                }
                () = signals.next() => tracing::warn!("aborted"),
            }
            tasks.abort();
        }
    }
    Ok(())
}

/// The interrupt and termination signals from the making of this value on; none is missed.
pub struct Signals {
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Listens from now on.
    #[must_use]
    pub fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let interrupt = signal(SignalKind::interrupt()).ok();
            Self { interrupt, terminate: signal(SignalKind::terminate()).ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Resolves at the next one. Cancel-safe.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            biased;
            () = came(&mut self.interrupt) => {}
            () = came(&mut self.terminate) => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(unix)]
async fn came(signal: &mut Option<tokio::signal::unix::Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Resolves at the next interrupt or termination signal.
pub async fn signal() {
    Signals::listen().next().await;
}
