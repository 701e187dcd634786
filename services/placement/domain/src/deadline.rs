//! When time alone can change a decision: tolerations and scores end, scores may be shown again.

use crate::command::PlacementKey;
use crate::plan::{Order, Plan};
use crate::projection::{Placed, World};
use crate::schedule::standing;
use fleetlog_kernel::Timestamp;
use fleetlog_rules::taint::{self, Until};

impl World {
    /// The next moment after `after` at which time alone can change what a placement should
    /// decide: a toleration of a chosen cluster ends, scores run out, scores may be shown again.
    #[must_use]
    pub fn deadline(&self, key: &PlacementKey, after: Timestamp) -> Option<Timestamp> {
        let placed = self.placements.get(key)?;
        let Ok(plan) = &placed.plan else { return None };
        if placed.placement.is_left_alone() {
            return None;
        }
        let tolerations =
            plan.has_limits().then(|| self.tolerations_end((key, placed), plan, after));
        let scores = plan.weights.add_ons().filter_map(|name| self.scores_end(name, after));
        let shown = placed.placement.scores_shown();
        let shows = match plan.order {
            Order::Name => None,
            Order::Score(every) => shown.map(|at| at.plus(every)).filter(|at| *at > after),
        };
        tolerations.flatten().into_iter().chain(scores).chain(shows).min()
    }

    /// Of the chosen clusters; of all, where those that are not chosen count too.
    fn tolerations_end(
        &self,
        (key, placed): (&PlacementKey, &Placed),
        plan: &Plan,
        after: Timestamp,
    ) -> Option<Timestamp> {
        let decided = &placed.placement.0.decided;
        let ends = |name: &str| {
            let taints = &self.fleet.clusters().get(name)?.taints;
            match taint::until(&plan.tolerations, taints, standing(decided, name)) {
                Until::Moment(end) if end > after => Some(end),
                _ => None,
            }
        };
        if plan.compares() {
            let bound = self.fleet.bound(&key.namespace).filter(|set| plan.names(set));
            let names = bound.flat_map(|set| self.fleet.members(set)).map(|(name, _)| name);
            return names.filter_map(ends).min();
        }
        decided.keys().filter_map(|name| ends(name)).min()
    }

    /// They count at the last second of `validUntil` still.
    fn scores_end(&self, name: &str, after: Timestamp) -> Option<Timestamp> {
        let ends = self.scores.named(name).filter_map(|(_, held)| held.valid_until());
        let over = |end: Timestamp| end.whole_seconds().plus(std::time::Duration::from_secs(1));
        ends.map(over).filter(|end| *end > after).min()
    }
}
