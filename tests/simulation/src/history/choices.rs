//! What the log says of decisions: each revision is held against who could be chosen where its
//! inputs lie.

use crate::breach::{Breach, Invariant};
use crate::scenario::PICKY;
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{PlacementDecided, PlacementEvent, placement_event};
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// The record.
#[derive(Debug, Default)]
pub struct Choices {
    /// What each placement has chosen.
    pub decided: BTreeMap<AggregateId, BTreeSet<String>>,
    /// How many clusters were given up for others because of their taints, in all.
    pub moved: u64,
    /// The generation that each placement decided on last.
    generations: BTreeMap<AggregateId, i64>,
    /// Whether a placement is there that prefers some clusters.
    crowded: bool,
    /// The placements that tolerate every taint.
    tolerant: BTreeSet<AggregateId>,
}

impl Choices {
    /// A commit of a placement; `eligible` tells the clusters without a taint at a position.
    ///
    /// # Errors
    /// A revision that gives up what it should not (invariant 11).
    pub fn note(
        &mut self,
        commit: &Recorded,
        eligible: impl Fn(Position) -> BTreeSet<String>,
    ) -> Result<(), Breach> {
        for event in &commit.events {
            let event = PlacementEvent::decode(event.clone()).map_err(|error| error.to_string())?;
            match event.event {
                Some(placement_event::Event::Specified(specified)) => {
                    let spec = specified.placement.and_then(|placement| placement.spec);
                    if spec.is_some_and(|spec| !spec.tolerations.is_empty()) {
                        self.tolerant.insert(commit.aggregate.clone());
                    } else {
                        self.tolerant.remove(&commit.aggregate);
                    }
                }
                Some(placement_event::Event::Decided(revision)) => {
                    let fit = eligible(Position(revision.inputs));
                    self.revise(&commit.aggregate, &revision, &fit)?;
                }
                Some(placement_event::Event::Deleted(_)) => {
                    self.decided.remove(&commit.aggregate);
                    self.generations.remove(&commit.aggregate);
                    self.tolerant.remove(&commit.aggregate);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn revise(
        &mut self,
        placement: &AggregateId,
        revision: &PlacementDecided,
        fit: &BTreeSet<String>,
    ) -> Result<(), Breach> {
        let tolerant = self.tolerant.contains(placement);
        // What that one prefers, tolerates and selects by changes, and it crowds clusters that
        // others have: there the reference alone knows.
        let is_picky = placement.name == PICKY;
        self.crowded |= is_picky;
        let before = self.generations.insert(placement.clone(), revision.generation);
        let same_spec = before == Some(revision.generation);
        let decided = self.decided.entry(placement.clone()).or_default();
        let had = !decided.is_empty();
        for gone in &revision.removed {
            decided.remove(gone);
            if same_spec && !self.crowded && (tolerant || fit.contains(gone)) {
                let what = format!("\"{gone}\" is given up though nothing speaks against it");
                return Err(Breach::of(Invariant::SteadyChoice, what));
            }
        }
        if same_spec {
            self.moved += revision.removed.len().min(revision.added.len()) as u64;
        }
        decided.extend(revision.added.iter().map(|added| added.cluster.clone()));
        if had && !is_picky && decided.is_empty() && (tolerant || !fit.is_empty()) {
            let what = format!("it passes through nothing, {fit:?} could be chosen (invariant 11)");
            return Err(Breach::of(Invariant::NeverNothing, what));
        }
        Ok(())
    }
}
