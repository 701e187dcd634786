//! What must hold of add-ons once nothing goes wrong any more.

use super::Invariants;
use crate::scenario::PLACEMENT;
use std::collections::BTreeSet;

impl Invariants {
    /// Every chosen cluster has each add-on, available; no add-on's work outlives it.
    pub(super) fn add_ons_are_there(&self) -> Result<(), String> {
        let fleet = self.history.addon.machine().fleet();
        let decided = self.history.choices.decided.iter();
        let chosen: BTreeSet<&String> = decided
            .filter(|(placement, _)| placement.name == PLACEMENT)
            .flat_map(|(_, clusters)| clusters)
            .collect();
        for (name, definition) in fleet.definitions() {
            if definition.is_deleting() {
                return Err(format!("add-on {name} is still to be removed"));
            }
            for cluster in &chosen {
                let mut there = fleet.add_ons().keys();
                if !there.any(|key| key.cluster == **cluster && key.name == *name) {
                    return Err(format!("add-on {cluster}/{name} is not there"));
                }
            }
        }
        for (key, add_on) in fleet.add_ons() {
            if !chosen.contains(&key.cluster) || !fleet.definitions().contains_key(&key.name) {
                return Err(format!("nobody wants add-on {key}"));
            }
            let status = add_on.object().and_then(|object| object.status.as_ref());
            let mut conditions = status.iter().flat_map(|status| &status.conditions);
            if !conditions.any(|c| c.r#type() == "Available" && c.status() == "True") {
                return Err(format!("add-on {key} is not available"));
            }
        }
        for work in self.history.work.machine().fleet().works().values() {
            let of = &work.state().add_on;
            if !of.is_empty() && fleet.add_ons().keys().all(|key| key.to_string() != *of) {
                return Err(format!("the work of add-on {of} outlives it"));
            }
        }
        Ok(())
    }
}
