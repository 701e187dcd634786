//! What the user does where clusters fall silent: another placement tolerates that and keeps them
//! all; leases are edited.

use super::{CLUSTERS, Scenario};
use serde_json::json;

/// The placement that chooses every cluster and tolerates every taint.
pub const EVERYWHERE: &str = "everywhere";
/// Its replica set, and the config map that its works make.
const STAY: &str = "stay";
/// The leases that the user gives, in seconds; the grace is five times as long.
const LEASES: [u64; 4] = [2, 5, 10, 20];

impl Scenario {
    /// Sets the fleet up, with a second placement.
    pub async fn set_up_failover(&mut self) {
        self.apply_placement(EVERYWHERE, json!({"tolerations": [{"operator": "Exists"}]})).await;
        self.set_up().await;
        self.stay().await;
    }

    /// Another number of clusters is wanted.
    pub async fn scale(&mut self) {
        self.wanted = if self.wanted == 1 { 2 } else { 1 };
        self.place().await;
    }

    /// One of the replica sets changes.
    pub async fn template(&mut self) {
        match self.chance.below(3) {
            0 => self.stay().await,
            _ => self.apply_app().await,
        }
    }

    async fn stay(&mut self) {
        let bundle = self.bundle(STAY).await;
        self.apply_set(STAY, EVERYWHERE, bundle).await;
    }

    /// A cluster whose lease can get longer or shorter.
    pub fn editable(&self, longer: bool) -> Option<&'static str> {
        let end = if longer { LEASES.last() } else { LEASES.first() };
        let can = |name: &&&'static str| self.leases.get(**name) != end;
        let able: Vec<&'static str> = CLUSTERS.iter().filter(can).copied().collect();
        self.chance.pick(&able).copied()
    }

    /// The lease of a cluster gets longer or shorter.
    pub async fn edit_lease(&mut self, cluster: &'static str, longer: bool) {
        let now = self.leases.get(cluster).copied().unwrap_or_default();
        let fit = LEASES.into_iter().filter(|s| if longer { *s > now } else { *s < now });
        let fit: Vec<u64> = fit.collect();
        if let Some(seconds) = self.chance.pick(&fit).copied() {
            self.leases.insert(cluster, seconds);
            self.specify(cluster).await;
        }
    }
}
