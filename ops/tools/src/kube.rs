//! A running Kubernetes API as a value: etcd and kube-apiserver on free ports of loopback with an
//! authority of their own, waited for until the API is ready, gone with their folder when dropped.
//!
//! No controller manager, scheduler or kubelet runs: workloads stay without status and namespaces
//! do not finish terminating unless somebody acts that out.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;

use crate::error::ToolError;
use crate::kube_certificates::Certificates;
use crate::kube_ready::Asker;
use crate::resolve::{Progress, etcd, kube_apiserver};
use crate::supervise::{Supervised, poll, tail_of};

/// How long the API may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A free port may be taken by somebody else between its choice and the start.
const TRIES: u32 = 3;

/// An API server and its store, for as long as this value lives.
#[derive(Debug)]
pub struct KubeServer {
    // Dropped in this order: the store's supervisor removes the folder.
    api: Supervised,
    etcd: Supervised,
    folder: PathBuf,
    url: String,
}

impl KubeServer {
    /// Obtains both servers, starts them in a temporary folder and waits until they are ready.
    ///
    /// # Errors
    /// A server that cannot be had, or a start that failed, with the end of its log.
    pub fn start(progress: Progress<'_>) -> Result<Self, ToolError> {
        let (etcd, api) = (etcd(progress)?, kube_apiserver(progress)?);
        let mut tries = 1;
        loop {
            match Self::start_with(&etcd, &api) {
                Err(ToolError::NotStarted { tail, .. })
                    if tries < TRIES && tail.contains("address already in use") => {}
                ended => return ended,
            }
            tries += 1;
        }
    }

    fn start_with(etcd: &Path, api: &Path) -> Result<Self, ToolError> {
        let none = |said: String| ToolError::NoCertificates { tool: "kube-apiserver", said };
        let certificates = Certificates::new().map_err(|error| none(error.to_string()))?;
        let asker = Asker::new(&certificates).ok_or_else(|| none("unreadable".to_owned()))?;
        let folder = tempfile::Builder::new().prefix("fleetlog-kube-").tempdir();
        let folder = folder.map_err(ToolError::io("make a folder for kube-apiserver"))?.keep();
        write(&folder, &certificates)?;
        let [client, peer, port] = free_ports()?;
        let log = folder.join("etcd.log");
        let args = etcd_arguments(&folder, client, peer);
        let etcd = Supervised::start_in("etcd", etcd, &args, &log, Some(&folder))?;
        let log = folder.join("kube-apiserver.log");
        let args = api_arguments(&folder, client, port);
        let mut api = Supervised::start("kube-apiserver", api, &args, &log)?;
        let ready = poll(READY_WITHIN, || match api.exited() {
            Some(status) => Some(Err(format!("it ended at once, {status}"))),
            None => asker.is_ready(port).then_some(Ok(())),
        });
        let url = format!("https://127.0.0.1:{port}");
        fs::write(folder.join("kubeconfig"), kubeconfig(&url, &certificates))
            .map_err(ToolError::io("write the kubeconfig"))?;
        match ready.unwrap_or_else(|| Err(format!("not ready after {READY_WITHIN:?}"))) {
            Ok(()) => Ok(Self { api, etcd, folder, url }),
            Err(reason) => {
                let tail = format!("{}\n{}", tail_of(&folder.join("etcd.log")), tail_of(&log));
                Err(ToolError::NotStarted { tool: "kube-apiserver", reason, log, tail })
            }
        }
    }

    /// A kubeconfig of an administrator, all in one file.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Where the API is: `https://127.0.0.1:6443`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process ids of the API server and its store.
    #[must_use]
    pub fn pids(&self) -> [u32; 2] {
        [self.api.pid(), self.etcd.pid()]
    }
}

fn write(folder: &Path, certificates: &Certificates) -> Result<(), ToolError> {
    let files = [
        ("ca.pem", &certificates.authority),
        ("server.pem", &certificates.server.shown),
        ("server-key.pem", &certificates.server.key),
        ("accounts.pem", &certificates.accounts.shown),
        ("accounts-key.pem", &certificates.accounts.key),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).map_err(ToolError::io(format!("write \"{name}\"")))?;
    }
    Ok(())
}

fn free_ports<const N: usize>() -> Result<[u16; N], ToolError> {
    let step = || ToolError::io("find a free port");
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(step())?;
        *port = listener.local_addr().map_err(step())?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn etcd_arguments(folder: &Path, client: u16, peer: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_arguments(folder: &Path, etcd: u16, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", folder.display()),
        format!("--tls-cert-file={}", file("server.pem")),
        format!("--tls-private-key-file={}", file("server-key.pem")),
        format!("--client-ca-file={}", file("ca.pem")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-signing-key-file={}", file("accounts-key.pem")),
        format!("--service-account-key-file={}", file("accounts.pem")),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
    ]
}

/// JSON, which is YAML too.
fn kubeconfig(url: &str, certificates: &Certificates) -> String {
    let encoded = |pem: &str| BASE64.encode(pem.as_bytes());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "member",
        "clusters": [{ "name": "member", "cluster": {
            "server": url, "certificate-authority-data": encoded(&certificates.authority),
        }}],
        "users": [{ "name": "admin", "user": {
            "client-certificate-data": encoded(&certificates.admin.shown),
            "client-key-data": encoded(&certificates.admin.key),
        }}],
        "contexts": [{ "name": "member", "context": { "cluster": "member", "user": "admin" } }],
    });
    config.to_string()
}
