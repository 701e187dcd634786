//! The steps of the demo, in order; failover and add-on have files of their own. Each does what a
//! user's command does, and waits for what it shows.

use super::figures::Figures;
use super::progress::{self, Progress};
use super::view::View;
use crate::args::Output;
use crate::commands::apply::{apply_documents, prepare};
use crate::documents::Source;
use crate::embedded::fleet::{Fleet, FleetOptions};
use crate::embedded::hub::EmbeddedHub;
use crate::embedded::{dev, replay};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::print::objects::{Layout, Listing, render};
use crate::print::paint::Paint;
use crate::target::Target;
use crate::{explain, kinds, log};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::Query;
use fleetlog_messages::subject;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

/// How long a step may take before the demo gives up.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(60);
/// How often the screen looks at the hub.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(40);
/// On how many clusters the placement wants the application.
pub(super) const WANTED: usize = 2;
const CLUSTERS: [&str; 4] = ["cluster1", "cluster2", "cluster3", "cluster4"];
const FLEET: &str = include_str!("../../../demo/fleet.yaml");
const LABELS: &str = include_str!("../../../demo/clusters.yaml");
const BOUTIQUE: &str = include_str!("../../../demo/boutique.yaml");

/// The demo's hub, its clusters, and its screen.
pub struct Story<'a> {
    pub(super) embedded: &'a EmbeddedHub,
    pub(super) hub: Hub,
    pub(super) fleet: Fleet,
    pub(super) view: &'a mut View,
}

impl<'a> Story<'a> {
    /// A story about a hub that runs.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn new(embedded: &'a EmbeddedHub, view: &'a mut View) -> Result<Self, Failure> {
        let hub = embedded.admin().await?.with_operator(embedded.operator().await?);
        let options = FleetOptions {
            url: embedded.url().to_owned(),
            token: embedded.identity().boot_token(None)?,
            keys: None,
            seed: 2026,
        };
        let fleet = Fleet::new(options, embedded.tasks().clone());
        Ok(Self { embedded, hub, fleet, view })
    }

    /// Tells it; the total time is the caller's to add.
    ///
    /// # Errors
    /// The first step that fails.
    pub async fn tell(mut self) -> Result<Figures, Failure> {
        self.clusters().await?;
        self.placement().await?;
        let (works, apply_to_available_s) = self.application().await?;
        let (replacement, failover_s) = self.failover(&works).await?;
        let addon_s = self.add_on().await?;
        let events = self.log(&replacement.cluster).await?;
        let (replay_events_per_s, replay_equal) = self.replay().await?;
        Ok(Figures {
            clusters: CLUSTERS.len() as u64,
            objects: works.iter().map(|work| work.applied as u64).sum(),
            events,
            apply_to_available_s,
            failover_s,
            addon_s,
            replay_events_per_s,
            replay_equal,
            total_s: 0.0,
        })
    }

    async fn clusters(&mut self) -> Done {
        self.view
            .heading("Four member clusters: each agent asks to join, is accepted, and reports");
        for name in CLUSTERS {
            self.fleet.start(name, Default::default())?;
        }
        dev::accept(&self.hub, &CLUSTERS, Some(dev::LEASE_SECONDS)).await?;
        self.view.command(&format!("fleetlog accept {}", CLUSTERS.join(" ")));
        let clusters = self.until(Service::Registration, "cluster", |clusters| {
            clusters.len() == CLUSTERS.len() && clusters.iter().all(has_reported)
        });
        let clusters = clusters.await?;
        self.view.command("fleetlog get managedclusters");
        self.table("managedcluster", clusters)
    }

    async fn placement(&mut self) -> Done {
        self.view.heading("A set, its binding, and a placement that wants two production clusters");
        for (file, text) in [("clusters.yaml", LABELS), ("fleet.yaml", FLEET)] {
            self.apply(file, text).await?;
        }
        let placements = self.until(Service::Placement, "placement", |placements| {
            placements.iter().any(|p| has_condition(p, "PlacementSatisfied"))
        });
        let placements = placements.await?;
        self.view.command("fleetlog get placement -n shop");
        self.table("placement", placements)
    }

    /// Applies the application; answers its works, and how long it took until all was ready.
    async fn application(&mut self) -> Result<(Vec<Progress>, f64), Failure> {
        self.view.heading("A published application of 35 objects, on every cluster decided on");
        let started = Instant::now();
        self.apply("boutique.yaml", BOUTIQUE).await?;
        let works = loop {
            let works: Vec<Progress> =
                self.get(Service::Work, "manifestwork").await?.iter().map(Progress::of).collect();
            self.view.table(&progress::table(&works));
            if works.len() == WANTED && works.iter().all(Progress::complete) {
                break works;
            }
            self.in_time(started, "the application to be available")?;
            sleep(LOOK_EVERY).await;
        };
        let took = started.elapsed().as_secs_f64();
        self.view.settle();
        Ok((works, took))
    }

    /// Shows the log and why one work is there; answers how many commits there are.
    async fn log(&mut self, cluster: &str) -> Result<u64, Failure> {
        self.view.heading("The event log of it all, as people read it");
        self.view.command("fleetlog log");
        let history = self.hub.history().await?;
        let entries = history.entries(&subject::events(), Position::START).await?;
        let paint = Paint::of_stdout();
        let lines = entries.iter().flat_map(log::lines_of);
        let text: String = lines.map(|line| line.text(paint) + "\n").collect();
        self.view.block(&text);
        self.view.heading("Why one of the works is there: one chain, each step with its position");
        let names = self.get(Service::Work, "manifestwork").await?;
        let name = names.iter().find(|work| work["metadata"]["namespace"] == cluster);
        let name = name.and_then(|work| work["metadata"]["name"].as_str()).unwrap_or_default();
        let target = format!("manifestwork/{cluster}/{name}");
        self.view.command(&format!("fleetlog explain {target}"));
        let chain = explain::explain(&self.hub, &Target::parse(&target)?).await?;
        self.view.block(&chain.text(paint));
        Ok(entries.len() as u64)
    }

    async fn replay(&mut self) -> Result<(u64, bool), Failure> {
        self.view.heading("The whole log replayed in a fresh process, against the live services");
        self.view.command("fleetlog replay --verify");
        let verdicts = replay::verify(&self.hub, self.embedded.dir()).await?;
        for verdict in &verdicts {
            self.view.block(&replay::sentence(verdict));
        }
        replay::all_equal(&verdicts)?;
        let slowest = verdicts.iter().map(|verdict| verdict.events_per_second).min();
        Ok((slowest.unwrap_or_default(), verdicts.iter().all(|verdict| verdict.equal)))
    }

    /// What `fleetlog apply -f FILE` does and says.
    pub(super) async fn apply(&mut self, file: &str, text: &str) -> Done {
        self.view.command(&format!("fleetlog apply -f ops/cli/demo/{file}"));
        let source = Source { name: file.to_owned(), text: text.to_owned() };
        let orders = prepare(&[source], None)?;
        let view = &*self.view;
        let mut told = |applied: &crate::commands::apply::Applied| view.block(&applied.to_string());
        apply_documents(&self.hub, orders, &mut told).await?;
        Ok(())
    }

    pub(super) fn table(&self, kind: &str, objects: Vec<Value>) -> Done {
        let listing = Listing { info: kinds::find(kind)?, objects };
        let layout = Layout::default();
        let text = render(&[listing], Output::Table, false, layout, self.hub.now());
        self.view.block(&text);
        Ok(())
    }

    pub(super) async fn get(&self, service: Service, kind: &str) -> Result<Vec<Value>, Failure> {
        let kind = kind.to_owned();
        let query = Query { kind, without_bodies: true, ..Query::default() };
        self.hub.objects(service, query).await
    }

    /// The objects of a kind, once they are as they should be.
    pub(super) async fn until(
        &self,
        service: Service,
        kind: &str,
        holds: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let started = Instant::now();
        loop {
            let objects = self.get(service, kind).await?;
            if holds(&objects) {
                return Ok(objects);
            }
            self.in_time(started, &format!("every {kind} to be ready"))?;
            sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn in_time(&self, started: Instant, what: &str) -> Done {
        if started.elapsed() < STEP_WITHIN {
            return Ok(());
        }
        let sentence = format!("waited {STEP_WITHIN:?} for {what}");
        let advice = "keep the folder with --keep DIR and look with fleetlog log --data DIR";
        Err(Failure::timeout(sentence, advice))
    }
}

pub(super) fn has_condition(object: &Value, condition: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is = |c: &Value| c["type"] == condition && c["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(is))
}

/// Joined, available, and its version, capacity and claims are known.
fn has_reported(cluster: &Value) -> bool {
    let known = |pointer: &str| cluster.pointer(pointer).is_some();
    has_condition(cluster, "ManagedClusterJoined")
        && has_condition(cluster, "ManagedClusterConditionAvailable")
        && known("/status/version/kubernetes")
        && known("/status/capacity/cpu")
        && known("/status/clusterClaims/0")
}
