//! The two servers: the hub API with its services and their log, each a process, and a Kubernetes
//! API with its store.

use crate::client::{Ask, Line, Way};
use crate::clusters::PATH;
use crate::cpu::cpu_seconds;
use crate::crd;
use crate::hub::READY;
use anyhow::{Context as _, Result, ensure};
use fleetlog_tools::{KubeServer, quiet};
use fleetlog_topology::folder::find;
use http::Method;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tokio::time::{Duration, Instant, sleep, timeout};

/// How long a server may take to be there.
const WITHIN: Duration = Duration::from_secs(300);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(2);

/// A process that ends with this value.
pub struct Running(Child);

impl Running {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("start {name}"))?))
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// A process that does not end.
    pub fn stop(mut self) -> Result<()> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that was built beside this one.
fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    ensure!(path.is_file(), "\"{}\" is not built; run cargo xtask bench", path.display());
    Ok(path)
}

/// The server and the services of a hub on a folder.
///
/// # Errors
/// A hub that does not start.
pub fn services(dir: &Path) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["hub", "--data"]).arg(dir).stdout(Stdio::piped());
    let mut hub = Running::start(command)?;
    let said = hub.0.stdout.take().context("a hub says something")?;
    let ready = BufReader::new(said).lines().any(|line| line.is_ok_and(|line| line == READY));
    ensure!(ready, "the hub does not start");
    Ok(hub)
}

/// The gateway of a hub, and how long it took from its start until it was ready.
///
/// # Errors
/// A gateway that does not start.
pub async fn gateway(dir: &Path) -> Result<(Running, f64)> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let (own, listen) = (dir.join("gateway"), format!("127.0.0.1:{port}"));
    let url = find(dir)?.nats_url.context("the hub has no address")?;
    let mut command = Command::new(sibling("fleetlog-gateway")?);
    command.args(["--log", "warn", "--listen", &listen, "--nats", &url]);
    command.arg("--creds").arg(dir.join("creds").join("gateway.creds"));
    command.arg("--dir").arg(&own).stdout(Stdio::null());
    // What an earlier one left says nothing of this one.
    let kubeconfig = own.join("kubeconfig");
    let _ = std::fs::remove_file(&kubeconfig);
    let since = Instant::now();
    let mut running = Running::start(command)?;
    loop {
        if let Ok(way) = Way::of(&kubeconfig)
            && is_ready(&way).await
        {
            return Ok((running, since.elapsed().as_secs_f64()));
        }
        ensure!(running.0.try_wait()?.is_none(), "the gateway ended");
        ensure!(since.elapsed() < WITHIN, "the gateway is not ready");
        sleep(LOOK).await;
    }
}

async fn is_ready(way: &Way) -> bool {
    let Ok(mut line) = way.connect().await else { return false };
    loop {
        match line.ask(Ask::get("/readyz")).await {
            Ok((status, _)) if status.is_success() => return true,
            Ok(_) => sleep(LOOK).await,
            Err(_) => return false,
        }
    }
}

/// What a server is made of; it ends with this value.
enum Held {
    Hub { gateway: Running, services: Running, dir: tempfile::TempDir },
    Kube(KubeServer),
}

/// A server.
pub struct Server {
    /// How clients reach it.
    pub way: Way,
    /// Its processes.
    pids: Vec<u32>,
    held: Held,
}

impl Server {
    /// A new hub.
    ///
    /// # Errors
    /// One that does not start.
    pub async fn hub() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let services = services(dir.path())?;
        let (gateway, _) = gateway(dir.path()).await?;
        let way = Way::of(&dir.path().join("gateway").join("kubeconfig"))?;
        let nats = find(dir.path())?.nats_pid.context("the hub names no server")?;
        let pids = vec![gateway.id(), services.id(), nats];
        Ok(Self { way, pids, held: Held::Hub { gateway, services, dir } })
    }

    /// A new Kubernetes API that serves clusters.
    ///
    /// # Errors
    /// One that cannot be had, or does not start.
    pub async fn kube() -> Result<Self> {
        let kube = tokio::task::spawn_blocking(|| KubeServer::start(&quiet)).await??;
        let way = Way::of(&kube.kubeconfig())?;
        let mut line = way.connect().await?;
        let place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let body = crd::definition()?.to_string();
        line.done(Ask::with(Method::POST, place, body)).await?;
        let served = async {
            loop {
                if let Ok((status, _)) = line.ask(Ask::get(PATH)).await
                    && status.is_success()
                {
                    return;
                }
                sleep(LOOK * 50).await;
            }
        };
        timeout(WITHIN, served).await.context("clusters are not served")?;
        Ok(Self { way, pids: kube.pids().to_vec(), held: Held::Kube(kube) })
    }

    /// A new connection.
    ///
    /// # Errors
    /// As [`Way::connect`].
    pub async fn line(&self) -> Result<Line> {
        self.way.connect().await
    }

    /// The process that clients talk to.
    #[must_use]
    pub fn front(&self) -> u32 {
        self.pids[0]
    }

    /// The seconds that all its processes have spent on all cores so far.
    ///
    /// # Errors
    /// A process that is gone.
    pub fn spent(&self) -> Result<f64> {
        self.pids.iter().map(|pid| cpu_seconds(*pid)).sum()
    }

    /// The same, process by process.
    ///
    /// # Errors
    /// A process that is gone.
    pub fn shares(&self) -> Result<Vec<f64>> {
        self.pids.iter().map(|pid| cpu_seconds(*pid)).collect()
    }
}
