//! The step of the demo in which a cluster goes silent: its lease runs out, another takes over, the
//! past is shown beside the present, and the cluster returns and is clean.

use super::progress::{self, Progress};
use super::story::{LOOK_EVERY, Story, WANTED, has_condition};
use crate::as_of::AsOf;
use crate::failure::{Done, Failure};
use crate::print::table::Rows;
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::common::Query;
use fleetlog_messages::subject;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::{Duration, Instant, sleep};

/// How often the lease is looked at: so much later than the last beat the line is cut, at most.
const BEAT_LOOK: Duration = Duration::from_millis(10);
const AVAILABLE: &str = "ManagedClusterConditionAvailable";
/// What an application is on a member, and the agent's record of it.
const TRACES: [&str; 4] = ["AppliedManifestWork", "Deployment", "Pod", "ReplicaSet"];

impl Story<'_> {
    /// Silences one of the clusters of `works`, waits for its replacement, lets it return; answers
    /// the replacement, and the time from the last beat until it was available and ready.
    ///
    /// # Errors
    /// A step that fails, or takes too long.
    pub(super) async fn failover(
        &mut self,
        works: &[Progress],
    ) -> Result<(Progress, f64), Failure> {
        self.view.heading("One of its clusters goes silent: its lease alone tells the hub");
        let silent = works.first().map(|work| work.cluster.clone()).unwrap_or_default();
        let before = self.position().await?;
        let last_beat = self.silence(&silent).await?;
        self.view.line(&format!("   {silent} is cut off right after a beat; its grace is 5 s"));
        let known: Vec<&str> = works.iter().map(|work| work.cluster.as_str()).collect();
        let replacement = loop {
            let all = self.progress().await?;
            self.view.table(&progress::table(&all));
            let new = |work: &&Progress| !known.contains(&work.cluster.as_str());
            if let Some(found) = all.iter().filter(new).find(|work| work.complete()) {
                break found.clone();
            }
            self.in_time(last_beat, "a replacement to be available")?;
            sleep(LOOK_EVERY).await;
        };
        let took = last_beat.elapsed().as_secs_f64();
        self.view.settle();
        let after = self.position().await?;
        self.side_by_side(before, after).await?;
        self.returns(&silent).await?;
        Ok((replacement, took))
    }

    async fn progress(&self) -> Result<Vec<Progress>, Failure> {
        Ok(self.get(Service::Work, "manifestwork").await?.iter().map(Progress::of).collect())
    }

    /// The position that the work service stands at.
    async fn position(&self) -> Result<u64, Failure> {
        let query = Query { kind: "manifestwork".to_owned(), ..Query::default() };
        let query = Query { without_bodies: true, ..query };
        Ok(self.hub.objects_at(Service::Work, query).await?.0)
    }

    /// Cuts the line right after a beat; answers a moment before that beat was seen.
    async fn silence(&mut self, cluster: &str) -> Result<Instant, Failure> {
        let name = ClusterName::parse(cluster).map_err(anyhow::Error::from)?;
        let broker = self.embedded.registration().ground.bus.broker.clone();
        let (started, mut seen) = (Instant::now(), None);
        loop {
            let looked = Instant::now();
            let lease = broker.last("LEASE", &subject::lease(&name)).await?;
            let lease = lease.map(|lease| lease.sequence);
            if seen.is_some() && seen != lease && self.fleet.set_line(cluster, false) {
                return Ok(looked);
            }
            seen = lease;
            self.in_time(started, &format!("a beat of {cluster}"))?;
            sleep(BEAT_LOOK).await;
        }
    }

    /// Each cluster before and after, as the services answer for those positions.
    async fn side_by_side(&mut self, before: u64, after: u64) -> Done {
        self.view.heading("Before and after, side by side: any object as it was at any position");
        for position in [before, after] {
            let what = "managedclusters,manifestworks -A";
            self.view.command(&format!("fleetlog get {what} --as-of {position}"));
        }
        let (then, now) = (self.standing(before).await?, self.standing(after).await?);
        let at = |position| format!("as of {position}");
        let mut rows = Rows::new(["cluster".to_owned(), at(before), at(after)]);
        for (cluster, stood) in &then {
            let stands = now.get(cluster).cloned().unwrap_or_default();
            rows.push(vec![cluster.clone(), stood.clone(), stands]);
        }
        self.view.block(&rows.render());
        Ok(())
    }

    /// How each cluster stood at a position, in words.
    async fn standing(&self, position: u64) -> Result<BTreeMap<String, String>, Failure> {
        let past = async |service, kind: &str| {
            let query = Query { kind: kind.to_owned(), without_bodies: true, ..Query::default() };
            self.hub.objects(service, AsOf::Position(position).of(query)).await
        };
        let clusters = past(Service::Registration, "cluster").await?;
        let works: Vec<Value> = past(Service::Work, "manifestwork").await?;
        let words = clusters.iter().map(|cluster| {
            let name = cluster["metadata"]["name"].as_str().unwrap_or_default();
            let work = works.iter().find(|work| work["metadata"]["namespace"] == name);
            (name.to_owned(), format!("{}, {}", presence(cluster), delivery(work)))
        });
        Ok(words.collect())
    }

    /// Lets the cluster return; holds once the hub and the member itself are clean.
    async fn returns(&mut self, cluster: &str) -> Done {
        self.view.heading("It returns: what it no longer should run is removed there");
        let started = Instant::now();
        let _ = self.fleet.set_line(cluster, true);
        let clusters = self.until(Service::Registration, "cluster", |clusters| {
            clusters.iter().all(|c| has_condition(c, AVAILABLE) && !is_tainted(c))
        });
        let clusters = clusters.await?;
        self.until(Service::Work, "manifestwork", |works| {
            let there = |work: &Value| work["metadata"]["namespace"] == cluster;
            works.len() == WANTED && !works.iter().any(there)
        })
        .await?;
        loop {
            let left = self.left_on(cluster);
            if left == 0 {
                break;
            }
            self.in_time(started, &format!("{left} objects to be removed from {cluster}"))?;
            sleep(LOOK_EVERY).await;
        }
        self.view.command("fleetlog get managedclusters");
        self.table("managedcluster", clusters)?;
        let clean =
            format!("   {cluster} itself: no Deployment, Pod or record of the work is left");
        self.view.line(&clean);
        Ok(())
    }

    /// What is left of applications on the member, by its own content.
    fn left_on(&self, cluster: &str) -> usize {
        let objects = self.fleet.cluster(cluster).map(|member| member.objects());
        let is_trace = |o: &&Value| TRACES.iter().any(|kind| o["kind"] == *kind);
        objects.map_or(usize::MAX, |objects| objects.iter().filter(is_trace).count())
    }
}

fn is_tainted(cluster: &Value) -> bool {
    let taints = cluster.pointer("/spec/taints").and_then(Value::as_array);
    taints.is_some_and(|taints| !taints.is_empty())
}

fn presence(cluster: &Value) -> &'static str {
    match (has_condition(cluster, AVAILABLE), is_tainted(cluster)) {
        (true, false) => "available",
        (true, true) => "available, tainted",
        (false, false) => "not available",
        (false, true) => "silent, tainted",
    }
}

fn delivery(work: Option<&Value>) -> String {
    let Some(work) = work else { return "no work".to_owned() };
    let Progress { applied, objects, .. } = Progress::of(work);
    match work.pointer("/metadata/deletionTimestamp") {
        Some(_) => "its work withdrawn".to_owned(),
        None => format!("{applied}/{objects} applied"),
    }
}
