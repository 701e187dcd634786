//! Member clusters that an agent in another process reaches by a kubeconfig: a real Kubernetes API,
//! or a simulated one behind a port of loopback.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use fleetlog_bus::Fault;
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_simcluster::{Options, SimCluster};
use fleetlog_test_support::KubeMember;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The longest body that is passed on.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A member cluster; a simulated one ends with this value.
pub struct Member {
    name: String,
    client: kube::Client,
    kubeconfig: PathBuf,
    _life: Life,
}

/// What a member lives by.
enum Life {
    Real { _member: KubeMember },
    Simulated { tasks: Tasks, _folder: TempDir },
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Self::Simulated { tasks, .. } = self {
            tasks.abort();
        }
    }
}

impl Member {
    /// The real one that the tests of a program share; `what` counts as skipped where none can be
    /// had.
    ///
    /// # Errors
    /// A kubeconfig that cannot be read.
    pub fn real(name: &str, what: &str) -> Result<Option<Self>> {
        let Some(member) = KubeMember::shared(what) else { return Ok(None) };
        let (client, kubeconfig) = (member.client()?, member.kubeconfig());
        let _life = Life::Real { _member: member };
        Ok(Some(Self { name: name.to_owned(), client, kubeconfig, _life }))
    }

    /// A simulated one.
    ///
    /// # Errors
    /// When no port of loopback can be listened on.
    pub async fn simulated(name: &str, seed: u64) -> Result<Self> {
        let epoch = Clock::System.now().whole_seconds();
        let client = SimCluster::new(Options { epoch, ..Options::new(name, seed) }).client();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = format!("http://{}", listener.local_addr()?);
        let app = Router::new().fallback(answer).with_state(client.clone());
        let tasks = Tasks::default();
        tasks.spawn("member", async move {
            let served = axum::serve(listener, app).await;
            served.map_err(|error| Fault::lasting("serve a member", error))
        });
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(&server).to_string())?;
        let _life = Life::Simulated { tasks, _folder: folder };
        Ok(Self { name: name.to_owned(), client, kubeconfig, _life })
    }

    /// Its name in the fleet.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its agent reaches it.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client of it.
    #[must_use]
    pub const fn client(&self) -> &kube::Client {
        &self.client
    }

    /// A plain read; nothing where there is nothing.
    ///
    /// # Errors
    /// An API that does not answer.
    pub async fn read(&self, path: &str) -> Result<Option<Value>> {
        let request = http::Request::get(path).body(vec![])?;
        match self.client.request::<Value>(request).await {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read \"{path}\" of {}", self.name)),
        }
    }

    /// The config maps with the label `load=LABEL`, whatever their namespace: `data.value` by name.
    ///
    /// # Errors
    /// An API that does not answer.
    pub async fn values(&self, label: &str) -> Result<BTreeMap<String, String>> {
        let found = self.read(&format!("/api/v1/configmaps?labelSelector=load%3D{label}")).await?;
        let items = found.as_ref().and_then(|list| list["items"].as_array());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pair = |map: &Value| (text(&map["metadata"]["name"]), text(&map["data"]["value"]));
        Ok(items.into_iter().flatten().map(pair).collect())
    }

    /// The works that a hub's agent has on record here: their names.
    ///
    /// # Errors
    /// An API that does not answer.
    pub async fn records(&self, hub_hash: &str) -> Result<Vec<String>> {
        let path = "/apis/work.open-cluster-management.io/v1/appliedmanifestworks";
        let found = self.read(path).await?;
        let items = found.as_ref().and_then(|list| list["items"].as_array());
        let own = items.into_iter().flatten().filter(|r| r["spec"]["hubHash"] == hub_hash);
        let name = |record: &Value| record["spec"]["manifestWorkName"].as_str().map(str::to_owned);
        Ok(own.filter_map(name).collect())
    }
}

async fn answer(State(client): State<kube::Client>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::from_parts(parts, kube::client::Body::from(body));
    match client.send(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn kubeconfig_of(server: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "member",
        "contexts": [{ "name": "member", "context": { "cluster": "member", "user": "agent" } }],
        "clusters": [{ "name": "member", "cluster": { "server": server } }],
        "users": [{ "name": "agent", "user": {} }],
    })
}
