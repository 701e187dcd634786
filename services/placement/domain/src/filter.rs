//! Which clusters fit a placement: predicates first, then taints, then topologies (spec,
//! registration and placement, sections 20.1 and 21).
//!
//! A `PreferNoSelect` taint keeps no cluster away and costs none a score, as in OCM.

use crate::cluster::Cluster;
use crate::held_scores::Scores;
use crate::names::rule;
use crate::plan::{Expression, Plan, Predicate};
use fleetlog_kernel::Timestamp;
use fleetlog_rules::cel::Subject;
use fleetlog_rules::taint::{self, Standing, Until};

/// When a cluster is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this moment.
    At(Timestamp),
    /// At any: a toleration with a limit counts as one that may not have ended yet.
    Ever,
}

/// A cluster with the scores that expressions may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is known of it.
    pub cluster: &'a Cluster,
    /// What add-ons give.
    pub scores: &'a Scores,
}

impl Seen<'_> {
    fn matches(&self, predicates: &[Predicate]) -> bool {
        let Cluster { labels, claims, .. } = self.cluster;
        let plain = predicates
            .iter()
            .filter(|predicate| predicate.labels.matches(labels))
            .filter(|predicate| predicate.claims.matches(claims));
        let mut subject = None;
        let mut dearest = plain.clone().filter(|predicate| !predicate.expressions.is_empty());
        plain.clone().any(|predicate| predicate.expressions.is_empty())
            || dearest.any(|predicate| {
                let subject = subject.get_or_insert_with(|| self.subject());
                // Without an answer it does not match, as in OCM.
                let holds = |e: &Expression| e.program.matches(subject).unwrap_or(false);
                predicate.expressions.iter().all(holds)
            })
    }

    fn subject(&self) -> Subject {
        let scores = self.scores.of_cluster(self.name);
        scores.fold(Subject::new(&self.cluster.object()), |subject, (name, held)| {
            subject.with_scores(name, held.items())
        })
    }
}

/// The rule that drops a cluster; `None` when it fits.
#[must_use]
pub fn dropped(
    plan: &Plan,
    seen: Seen<'_>,
    standing: Standing,
    when: When,
) -> Option<&'static str> {
    let cluster = seen.cluster;
    if !plan.predicates.is_empty() && !seen.matches(&plan.predicates) {
        return Some(rule::PREDICATE);
    }
    if !cluster.taints.is_empty() {
        let until = taint::until(&plan.tolerations, &cluster.taints, standing);
        let tolerated = match when {
            When::At(now) => until.lasts(now),
            When::Ever => until != Until::Never,
        };
        if !tolerated {
            return Some(rule::TAINTS);
        }
    }
    (!plan.spread.admits(cluster)).then_some(rule::SPREAD)
}

/// Whether a cluster fits.
#[must_use]
pub fn fits(plan: &Plan, seen: Seen<'_>, standing: Standing, when: When) -> bool {
    dropped(plan, seen, standing, when).is_none()
}
