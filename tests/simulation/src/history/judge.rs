//! Every revision of every placement, held against the reference scheduler: it is what that one
//! chooses of what the log says up to the revision's inputs, at the moment that the revision names.

use crate::breach::{Breach, Invariant};
use crate::reference::{Answer, Asked, Facts, answer_of};
use bytes::Bytes;
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    PlacementDecided, PlacementEvent, PlacementSpec, ScoreEvent, placement_event, score_event,
};
use fleetlog_messages::registration::{ClusterEvent, ClusterSetEvent, cluster_set_event};
use fleetlog_messages::registration_v2::{BindingEvent, binding_event};
use fleetlog_messages::subject::AggregateId;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// A placement as the log has it.
#[derive(Clone, Debug, Default)]
struct Placed {
    spec: PlacementSpec,
    chosen: BTreeSet<String>,
}

/// What the log says up to a position.
#[derive(Clone, Debug, Default)]
struct Known {
    facts: Facts,
    placements: BTreeMap<AggregateId, Placed>,
}

impl Known {
    /// What the reference says of a placement, at a moment in seconds.
    fn answer(&self, of: &AggregateId, now: i64, afresh: bool) -> Option<Answer> {
        let placed = self.placements.get(of)?;
        let others = self.placements.iter().filter(|(other, _)| *other != of);
        let asked = Asked {
            namespace: of.scope.as_deref().unwrap_or_default(),
            spec: &placed.spec,
            chosen: placed.chosen.clone(),
            others: others.map(|(_, other)| other.chosen.clone()).collect(),
            now,
            afresh,
        };
        Some(answer_of(&self.facts, &asked))
    }
}

/// The record.
#[derive(Debug, Default)]
pub struct Judge {
    now: Known,
    past: BTreeMap<Position, Known>,
    /// How many revisions were compared.
    pub compared: u64,
}

impl Judge {
    /// The next commit.
    ///
    /// # Errors
    /// A revision that the reference would not have made.
    pub fn note(&mut self, commit: &Recorded) -> Result<(), Breach> {
        let of = &commit.aggregate;
        if ![Service::Registration, Service::Placement].contains(&of.service) {
            return Ok(());
        }
        for event in &commit.events {
            match (of.service, of.kind.as_str()) {
                (Service::Placement, "placement") => self.placement(of, event)?,
                (Service::Placement, "score") => self.score(of, event)?,
                (Service::Placement, _) => {}
                _ => self.fact(of, event)?,
            }
        }
        self.past.insert(commit.position, self.now.clone());
        Ok(())
    }

    /// How many clusters the reference would choose now, for a placement that is there.
    #[must_use]
    pub fn wanted(&self, of: &AggregateId, now: i64) -> Option<usize> {
        Some(clusters(&self.now.answer(of, now, false)?).len())
    }

    fn fact(&mut self, of: &AggregateId, bytes: &Bytes) -> Result<(), String> {
        let (facts, name) = (&mut self.now.facts, of.name.clone());
        match of.kind.as_str() {
            "cluster" => {
                if let Some(event) = read::<ClusterEvent>(bytes)?.event {
                    facts.cluster(&name, &event);
                }
            }
            "clusterset" => match read::<ClusterSetEvent>(bytes)?.event {
                Some(cluster_set_event::Event::Specified(specified)) => {
                    facts.sets.insert(name, specified.set.unwrap_or_default());
                }
                Some(cluster_set_event::Event::Deleted(_)) => drop(facts.sets.remove(&name)),
                _ => {}
            },
            "binding" => {
                let binding = (of.scope.clone().unwrap_or_default(), name);
                match read::<BindingEvent>(bytes)?.event {
                    Some(binding_event::Event::Specified(_)) => facts.bindings.insert(binding),
                    Some(binding_event::Event::Deleted(_)) => facts.bindings.remove(&binding),
                    _ => false,
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn score(&mut self, of: &AggregateId, bytes: &Bytes) -> Result<(), String> {
        let scores = &mut self.now.facts.scores;
        let key = (of.scope.clone().unwrap_or_default(), of.name.clone());
        match read::<ScoreEvent>(bytes)?.event {
            Some(score_event::Event::Specified(specified)) => {
                scores.insert(key, specified.score.unwrap_or_default());
            }
            Some(score_event::Event::Deleted(_)) => drop(scores.remove(&key)),
            Some(score_event::Event::DeletionRequested(_)) | None => {}
        }
        Ok(())
    }

    fn placement(&mut self, of: &AggregateId, bytes: &Bytes) -> Result<(), Breach> {
        match read::<PlacementEvent>(bytes)?.event {
            Some(placement_event::Event::Specified(specified)) => {
                let spec = specified.placement.and_then(|placement| placement.spec);
                self.now.placements.entry(of.clone()).or_default().spec = spec.unwrap_or_default();
            }
            Some(placement_event::Event::Deleted(_)) => drop(self.now.placements.remove(of)),
            Some(placement_event::Event::Decided(revision)) => {
                let placed = self.now.placements.entry(of.clone()).or_default();
                placed.chosen.retain(|name| !revision.removed.contains(name));
                placed.chosen.extend(revision.added.iter().map(|added| added.cluster.clone()));
                self.compare(of, &revision)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn compare(&mut self, of: &AggregateId, revision: &PlacementDecided) -> Result<(), Breach> {
        self.compared += 1;
        let inputs = self.past.range(..=Position(revision.inputs)).next_back();
        let now = revision.at.as_ref().map_or(0, |at| at.seconds);
        let answer = inputs.and_then(|(_, known)| known.answer(of, now, revision.rebalanced));
        let chosen = self.now.placements.get(of).map(|placed| &placed.chosen);
        let (Some(answer), Some(chosen)) = (answer, chosen) else {
            let what = format!("it decides at {} before it was there", revision.inputs);
            return Err(Breach::of(Invariant::AsTheReference, what));
        };
        let same = *chosen == clusters(&answer)
            && match &answer {
                Answer::Chosen { unmet, dropped, .. } => {
                    (*unmet, dropped) == (revision.unmet, &revision.dropped)
                }
                Answer::Misconfigured(_) | Answer::Broken(_) => true,
            };
        if same {
            return Ok(());
        }
        let what = format!("it has {chosen:?} by {revision:?}, the reference says {answer:?}");
        Err(Breach::of(Invariant::AsTheReference, what))
    }
}

/// The clusters of an answer.
fn clusters(answer: &Answer) -> BTreeSet<String> {
    match answer {
        Answer::Misconfigured(kept) | Answer::Broken(kept) => kept.clone(),
        Answer::Chosen { decision, .. } => decision.keys().cloned().collect(),
    }
}

fn read<M: Message + Default>(bytes: &Bytes) -> Result<M, String> {
    M::decode(bytes.clone()).map_err(|error| error.to_string())
}
