//! The gateway as a process of its own at one address, and whoever speaks Kubernetes to it.

use crate::{Fleetlog, Process, Programs, until_well};
use anyhow::{Context as _, Result, ensure};
use http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::net::TcpListener;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// A gateway of a hub; it ends with this value.
pub struct Face {
    process: Mutex<Process>,
    folder: PathBuf,
}

impl Face {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// One that cannot be run or does not come up.
    pub async fn start(whole: &Fleetlog, programs: Programs) -> Result<Self> {
        let hub = whole.hub();
        let folder = hub.dir().join("gateway");
        std::fs::create_dir_all(&folder)?;
        // Free now, and the gateway's over all its lives.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let creds = hub.dir().join("creds/gateway.creds").display().to_string();
        let words = [
            ("--nats", hub.url().to_owned()),
            ("--creds", creds),
            ("--dir", folder.display().to_string()),
            ("--listen", address.to_string()),
        ];
        let words = words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        let logs = hub.dir().join("logs");
        let process = Process::start("gateway", programs.gateway, words, &logs)?;
        let face = Self { process: Mutex::new(process), folder };
        face.ready().await?;
        Ok(face)
    }

    /// Waits until it answers everything.
    ///
    /// # Errors
    /// One that does not come up.
    pub async fn ready(&self) -> Result<()> {
        until_well("the gateway is ready", async || {
            let said = self.process.lock().await.said();
            let (code, _) = send(&self.client()?, "GET", "/readyz", &Value::Null).await?;
            ensure!(code == 200, "it is not: {said}");
            Ok(())
        })
        .await
    }

    /// SIGKILL, and a start right after.
    ///
    /// # Errors
    /// One that cannot be run again.
    pub async fn kill_and_start_again(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        process.kill();
        process.start_again()
    }

    /// A client of its administrator, with a connection of its own.
    ///
    /// # Errors
    /// A kubeconfig that is not there yet.
    pub fn client(&self) -> Result<kube::Client> {
        let file = Kubeconfig::read_from(self.folder.join("kubeconfig"))?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options);
        // Nothing in it waits: all that it names is in the file.
        let mut config = futures::executor::block_on(config).context("take the kubeconfig")?;
        // What has no answer is the caller's to try again.
        config.default_retry = false;
        Ok(kube::Client::try_from(config)?)
    }
}

/// The code and the body of an answer; the body of a PATCH is a merge patch.
///
/// # Errors
/// No answer: whether it was done is not known.
pub async fn send(
    client: &kube::Client,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<(u16, Value)> {
    let kind = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let response = client.send(request.body(Body::from(bytes))?).await?;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await?;
    Ok((code, serde_json::from_slice(&bytes).unwrap_or_default()))
}
