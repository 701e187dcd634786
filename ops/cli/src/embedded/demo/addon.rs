//! The step of the demo that installs an add-on on the clusters of a placement, and removes it: it
//! is gone when nothing of it is left on any member.

use super::story::{STEP_WITHIN, Story, has_condition};
use crate::commands::delete::{delete, gone};
use crate::failure::{Done, Failure};
use crate::target::Target;
use fleetlog_kernel::Service;
use serde_json::Value;
use tokio::time::Instant;

const METRICS: &str = include_str!("../../../demo/metrics.yaml");
const ADD_ON: &str = "fleet-metrics";
/// The name of its work on each cluster.
const WORK: &str = "addon-fleet-metrics-deploy-0";

impl Story<'_> {
    /// Installs the add-on and removes it; answers how long it took until it was available on all
    /// the chosen clusters.
    ///
    /// # Errors
    /// A step that fails, or takes too long.
    pub(super) async fn add_on(&mut self) -> Result<f64, Failure> {
        self.view.heading("An add-on on every cluster of the placement: a template made a work");
        let placement = self.get(Service::Placement, "placement").await?;
        let chosen =
            placement.iter().find_map(|p| p["status"]["numberOfSelectedClusters"].as_u64());
        let chosen = usize::try_from(chosen.unwrap_or_default()).unwrap_or_default();
        let started = Instant::now();
        self.apply("metrics.yaml", METRICS).await?;
        let add_ons = self.until(Service::Addon, "clusteraddon", |add_ons| {
            add_ons.len() == chosen && add_ons.iter().all(is_available)
        });
        let add_ons = add_ons.await?;
        let took = started.elapsed().as_secs_f64();
        self.view.command("fleetlog get addons -A");
        self.table("clusteraddon", add_ons)?;
        self.remove().await?;
        Ok(took)
    }

    async fn remove(&mut self) -> Done {
        let target = Target::parse(&format!("clustermanagementaddon/{ADD_ON}"))?;
        self.view.command(&format!("fleetlog delete clustermanagementaddon {ADD_ON}"));
        let uid = delete(&self.hub, &target).await?;
        gone(&self.hub, &target, &uid, Instant::now() + STEP_WITHIN).await?;
        let left = self.get(Service::Work, "manifestwork").await?;
        if left.iter().any(|work| work["metadata"]["name"] == WORK) {
            let sentence = format!("a work of add-on \"{ADD_ON}\" is left");
            return Err(Failure::new("CLI0022", sentence, "see fleetlog log"));
        }
        self.view.block(&format!("{} deleted, with what it ran", target.full_name()));
        Ok(())
    }
}

fn is_available(add_on: &Value) -> bool {
    has_condition(add_on, "Available")
}
