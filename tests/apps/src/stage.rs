//! A hub in this process, an agent that joined it, and the real member that the agent acts on.

use anyhow::{Context as _, Result, bail};
use fleetlog_agent::{Agent, MemoryKeys, Nats, Parts, Settings};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_cli::commands::apply::{apply_documents, prepare};
use fleetlog_cli::commands::delete::delete;
use fleetlog_cli::documents::{Source, targets};
use fleetlog_cli::embedded::{EmbeddedHub, dev};
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::common::Query;
use fleetlog_test_support::KubeMember;
use http::{Method, Request};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// The name of the member cluster.
pub const CLUSTER: &str = "member";

/// How long a condition may take: far more than it ever should.
const WITHIN: Duration = Duration::from_secs(180);
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// A hub, an agent and a member.
pub struct Stage {
    hub: EmbeddedHub,
    admin: Hub,
    client: kube::Client,
    /// The hub's folder; it goes with the stage.
    _folder: TempDir,
}

impl Stage {
    /// A hub with an agent of `member` that has joined.
    ///
    /// # Errors
    /// A hub that does not start, or does not take the agent in.
    pub async fn start(member: &KubeMember) -> Result<Self> {
        let stage = Self::without_agent(member).await?;
        let cluster = ClusterName::parse(CLUSTER)?;
        let token = Some(stage.hub.identity().boot_token(None)?);
        let parts = Parts {
            client: member.client()?,
            dialer: Arc::new(Nats::new(stage.hub.url(), cluster.clone(), token)),
            keys: Arc::new(MemoryKeys::fresh()?),
            clock: Clock::System,
            tasks: stage.tasks().clone(),
        };
        let agent = Agent::start(Settings::new(cluster), parts);
        stage.accept().await?;
        agent.connected().await;
        Ok(stage)
    }

    /// A hub of `member`; the agent is the caller's.
    ///
    /// # Errors
    /// A hub that does not start.
    pub async fn without_agent(member: &KubeMember) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
        let admin = hub.admin().await?;
        Ok(Self { hub, admin, client: member.client()?, _folder: folder })
    }

    /// The hub.
    #[must_use]
    pub const fn hub(&self) -> &EmbeddedHub {
        &self.hub
    }

    fn tasks(&self) -> &Tasks {
        self.hub.tasks()
    }

    /// Accepts the cluster, once it has asked.
    ///
    /// # Errors
    /// One that never asks.
    pub async fn accept(&self) -> Result<()> {
        Ok(dev::accept(&self.admin, &[CLUSTER], None).await?)
    }

    /// Applies a work as the command would; `spec` is what it says beside its manifests.
    ///
    /// # Errors
    /// What the hub refuses.
    pub async fn apply(&self, work: &str, manifests: &[Value], spec: &Value) -> Result<()> {
        self.apply_text(work_of(work, manifests, spec).to_string()).await
    }

    /// Applies documents as the command would.
    ///
    /// # Errors
    /// What the hub refuses.
    pub async fn apply_text(&self, text: String) -> Result<()> {
        let source = Source { name: "test".to_owned(), text };
        apply_documents(&self.admin, prepare(&[source], None)?, &mut |_| {}).await?;
        Ok(())
    }

    /// Deletes a work as the command would.
    ///
    /// # Errors
    /// What the hub refuses.
    pub async fn delete(&self, work: &str) -> Result<()> {
        let text = json!({
            "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
            "metadata": { "name": work, "namespace": CLUSTER },
        });
        let source = Source { name: work.to_owned(), text: text.to_string() };
        for target in targets(&[source], None)? {
            delete(&self.admin, &target).await?;
        }
        Ok(())
    }

    /// All works, without their manifests.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn works(&self) -> Result<Vec<Value>> {
        let kind = "manifestwork".to_owned();
        let query = Query { kind, without_bodies: true, ..Query::default() };
        Ok(self.admin.objects(Service::Work, query).await?)
    }

    /// One work, if there is one of this name.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn work(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.works().await?.into_iter().find(|work| work["metadata"]["name"] == name))
    }

    /// Waits until a work fits; `None` is no work of this name.
    ///
    /// # Errors
    /// The work as it is, when it does not come to fit.
    pub async fn until(&self, work: &str, fits: impl Fn(Option<&Value>) -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            let now = self.work(work).await?;
            if fits(now.as_ref()) {
                return Ok(());
            }
            if started.elapsed() > WITHIN {
                bail!("after {WITHIN:?} work \"{work}\" is still so: {:#}", short(now));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until a work is applied and available as it is wanted now.
    ///
    /// # Errors
    /// The work as it is, when it does not get there.
    pub async fn applied(&self, work: &str) -> Result<()> {
        let both = |work: &Value| condition(work, "Applied") && condition(work, "Available");
        self.until(work, |work| work.is_some_and(both)).await
    }

    /// Waits until a work and everything that it made are gone.
    ///
    /// # Errors
    /// The work as it is, when it stays.
    pub async fn gone(&self, work: &str) -> Result<()> {
        self.until(work, |work| work.is_none()).await
    }

    /// A plain read of the member; nothing when it is not there.
    pub async fn read(&self, path: &str) -> Option<Value> {
        self.send(Method::GET, path, &Value::Null).await.ok()
    }

    /// A plain request to the member.
    ///
    /// # Errors
    /// What the API refuses.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let sent = self.client.request(request.body(bytes)?).await;
        sent.with_context(|| format!("ask for \"{path}\""))
    }

    /// How many of these objects the member has.
    ///
    /// # Errors
    /// A kind that cannot be asked for.
    pub async fn there(&self, objects: &[Value]) -> Result<usize> {
        there(&self.client, objects).await
    }

    /// Ends the hub in order.
    pub async fn stop(self) {
        self.hub.stop().await;
    }
}

/// How many of these objects a cluster has, by plain reads.
///
/// # Errors
/// A kind that cannot be asked for.
pub async fn there(client: &kube::Client, objects: &[Value]) -> Result<usize> {
    let mut count = 0;
    for object in objects {
        let gvk = kube::core::GroupVersionKind::try_from(&types(object)?)?;
        let Ok((resource, capabilities)) = kube::discovery::pinned_kind(client, &gvk).await else {
            continue;
        };
        let name = object["metadata"]["name"].as_str().context("an object has no name")?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let base = match capabilities.scope {
            kube::discovery::Scope::Namespaced => resource_path(&resource, Some(namespace)),
            kube::discovery::Scope::Cluster => resource_path(&resource, None),
        };
        let request = Request::get(format!("{base}/{name}")).body(vec![])?;
        count += usize::from(client.request::<Value>(request).await.is_ok());
    }
    Ok(count)
}

/// A work of the member; `spec` is what it says beside its manifests.
#[must_use]
pub fn work_of(name: &str, manifests: &[Value], spec: &Value) -> Value {
    let mut whole = spec.clone();
    whole["workload"] = json!({ "manifests": manifests });
    json!({
        "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
        "metadata": { "name": name, "namespace": CLUSTER }, "spec": whole,
    })
}

/// Whether a condition is true of the newest generation.
#[must_use]
pub fn condition(work: &Value, kind: &str) -> bool {
    let conditions = work.pointer("/status/conditions").and_then(Value::as_array);
    let generation = &work["metadata"]["generation"];
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == kind
            && condition["status"] == "True"
            && condition["observedGeneration"] == *generation
    })
}

fn types(object: &Value) -> Result<kube::core::TypeMeta> {
    let text = |key: &str| object[key].as_str().map(str::to_owned).context("an untyped object");
    Ok(kube::core::TypeMeta { api_version: text("apiVersion")?, kind: text("kind")? })
}

fn resource_path(resource: &kube::core::ApiResource, namespace: Option<&str>) -> String {
    let root = if resource.group.is_empty() { "/api" } else { "/apis" };
    let within = namespace.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    format!("{root}/{}{within}/{}", resource.api_version, resource.plural)
}

/// A work for a message: without what is well.
fn short(work: Option<Value>) -> Value {
    let Some(mut work) = work else { return Value::Null };
    work["spec"].take();
    if let Some(all) = work.pointer_mut("/status/resourceStatus/manifests") {
        let manifests = all.as_array().cloned().unwrap_or_default();
        let is_bad = |m: &Value| m["conditions"][0]["status"] != "True";
        *all = manifests.into_iter().filter(is_bad).collect();
    }
    work
}
