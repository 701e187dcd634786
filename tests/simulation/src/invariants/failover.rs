//! What must hold of silence and return: who may become Unknown and when, who returns, and what
//! is left of a failover once all is quiet.

use super::Invariants;
use crate::breach::{Breach, Invariant};
use crate::history::Expiry;
use crate::pulse::Pulse;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::registration::Taint;
use std::collections::BTreeSet;
use std::time::Duration;

/// Leases are kept in whole seconds, and a server looks for those that ran out now and then.
const ROUNDING: Duration = Duration::from_secs(1);
/// What the keys of the hub's own taints begin with.
const OF_HUB: &str = "cluster.open-cluster-management.io/";
/// How long a beat may be under way until it is taken.
const UNDER_WAY: Duration = Duration::from_secs(15);

impl Invariants {
    /// Invariants 5 and 13, exactly: of every lease that ran out, and of every return.
    pub(super) fn silences(&self, pulse: &Pulse) -> Result<(), Breach> {
        for expiry in &self.history.liveness.expired {
            judge(expiry, pulse)?;
        }
        for back in &self.history.liveness.returned {
            let beat = pulse.sent_by(&back.cluster, back.at);
            let before = |beat: Timestamp, since| beat < since && since.since(beat) > UNDER_WAY;
            if beat.is_none_or(|beat| back.silent_since.is_some_and(|since| before(beat, since))) {
                let what = format!("\"{}\" is available, its last beat was {beat:?}", back.cluster);
                return Err(Breach::of(Invariant::ReturnNeedsABeat, what));
            }
        }
        Ok(())
    }

    /// Every set has one work on each cluster that its placements chose, and on no other.
    pub(super) fn works_follow_decisions(&self) -> Result<(), Breach> {
        let fleet = self.history.work.machine().fleet();
        for (key, set) in fleet.sets() {
            if set.is_deleting() {
                return Err(format!("replica set {key} is still to be removed").into());
            }
            let decided = self.history.choices.decided.iter();
            let means = |name: &str, scope: Option<&str>| {
                scope == Some(key.namespace.as_str()) && set.placements().contains(&name)
            };
            let chosen: BTreeSet<&String> = decided
                .filter(|(placement, _)| means(&placement.name, placement.scope.as_deref()))
                .flat_map(|(_, clusters)| clusters)
                .collect();
            let has: BTreeSet<&String> =
                fleet.works_made_by(key).map(|work| &work.cluster).collect();
            if has != chosen {
                let what = format!("replica set {key} has works on {has:?}, chosen are {chosen:?}");
                return Err(Breach::of(Invariant::WorksFollowDecisions, what));
            }
        }
        Ok(())
    }

    /// Who is available has no taint of the hub any more.
    pub(super) fn returned_are_untainted(&self) -> Result<(), Breach> {
        let clusters = self.history.registration.machine().fleet().clusters();
        for (name, cluster) in clusters {
            let of_hub = |taint: &&Taint| taint.key().starts_with(OF_HUB);
            if cluster.available() && cluster.taints().iter().any(|taint| of_hub(&taint)) {
                let what = format!("\"{name}\" is available and has {:?}", cluster.taints());
                return Err(Breach::of(Invariant::ReturnedIsUntainted, what));
            }
        }
        Ok(())
    }
}

fn judge(expiry: &Expiry, pulse: &Pulse) -> Result<(), Breach> {
    let Expiry { cluster, at, grace, edited } = expiry;
    let too_early = |invariant, since: Option<Timestamp>, what: &str| match since {
        Some(since) if at.since(since) + ROUNDING < *grace => {
            let after = at.since(since);
            let what = format!("\"{cluster}\" is Unknown {after:?} after {what}, of {grace:?}");
            Err(Breach::of(invariant, what))
        }
        _ => Ok(()),
    };
    let (beat, there) = (pulse.taken_before(cluster, *at), pulse.there_since(*at));
    too_early(Invariant::AbsenceMovesNothing, there, "the hub was away")?;
    too_early(Invariant::EditExpiresNobody, *edited, "its lease was edited")?;
    too_early(Invariant::HeardIsAvailable, beat, "a beat")
}
