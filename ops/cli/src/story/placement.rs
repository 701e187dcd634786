//! The events of placements as sentences.

use super::{count, creates, list, name, who};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::placement::{
    AddOnPlacementScore, DecisionEvent, PageDiscarded, Placement, PlacementDecided, PlacementEvent,
    PlacementJudged, ScoreEvent, decision_event, placement_event, score_event,
};
use prost::Message as _;

/// How many chosen clusters are named in a sentence.
const NAMED: usize = 5;

pub(super) fn placement(commit: &Recorded, event: &[u8]) -> Option<String> {
    use placement_event::Event;
    let name = name(commit);
    Some(match PlacementEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let placement = specified.placement.unwrap_or_default();
            let verb = creates(commit, placement.metadata.as_ref());
            format!("{} {verb} placement {name}: {}", who(commit), wanted(&placement))
        }
        Event::DeletionRequested(asked) => format!("{} wants placement {name} gone", asked.by),
        Event::Deleted(deleted) => format!("{} removes placement {name}", deleted.by),
        Event::Decided(decided) => format!("placement {name} {}", decision(&decided)),
        Event::Judged(judged) => format!("placement {name} {}", judgement(&judged)),
        Event::PageDiscarded(discarded) => {
            let PageDiscarded { by, page, .. } = discarded;
            format!("{by} deletes page {page} of placement {name}; an equal one takes its place")
        }
    })
}

pub(super) fn page(commit: &Recorded, event: &[u8]) -> Option<String> {
    use decision_event::Event;
    let name = name(commit);
    Some(match DecisionEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let page = specified.decision.unwrap_or_default();
            let decisions = page.status.map_or(0, |status| status.decisions.len());
            let verb = creates(commit, page.metadata.as_ref());
            format!("{} {verb} page {name}: {}", who(commit), count(decisions, "cluster"))
        }
        Event::DeletionRequested(asked) => format!("{} wants page {name} gone", asked.by),
        Event::Deleted(deleted) => format!("{} removes page {name}", deleted.by),
    })
}

pub(super) fn score(commit: &Recorded, event: &[u8]) -> Option<String> {
    use score_event::Event;
    let name = name(commit);
    Some(match ScoreEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let score = specified.score.unwrap_or_default();
            format!("{} scores {name}: {}", who(commit), given(&score))
        }
        Event::DeletionRequested(asked) => format!("{} wants the scores {name} gone", asked.by),
        Event::Deleted(deleted) => format!("{} removes the scores {name}", deleted.by),
    })
}

fn given(score: &AddOnPlacementScore) -> String {
    let status = score.status.clone().unwrap_or_default();
    let said = |item: &fleetlog_messages::placement::AddOnPlacementScoreItem| {
        format!("{} {}", item.name(), item.value())
    };
    let mut scores: Vec<String> = status.scores.iter().take(NAMED).map(said).collect();
    more(status.scores.len(), &mut scores);
    if scores.is_empty() { "nothing".to_owned() } else { list(&scores) }
}

fn wanted(placement: &Placement) -> String {
    let spec = placement.spec.clone().unwrap_or_default();
    let number = match spec.number_of_clusters {
        Some(number) => count(usize::try_from(number).unwrap_or_default(), "cluster"),
        None => "every cluster that fits".to_owned(),
    };
    match spec.cluster_sets.as_slice() {
        [] => number,
        sets => format!("{number} of {}", list(sets)),
    }
}

fn decision(decided: &PlacementDecided) -> String {
    let mut words = vec![];
    if !decided.added.is_empty() {
        let mut chosen: Vec<String> = decided
            .added
            .iter()
            .take(NAMED)
            .map(|c| format!("{} (score {})", c.cluster, c.score))
            .collect();
        more(decided.added.len(), &mut chosen);
        words.push(format!("chooses {}", list(&chosen)));
    }
    if !decided.removed.is_empty() {
        let mut removed: Vec<String> = decided.removed.iter().take(NAMED).cloned().collect();
        more(decided.removed.len(), &mut removed);
        words.push(format!("gives up {}", list(&removed)));
    }
    if words.is_empty() {
        let first = decided.revision <= 1;
        words.push(if first { "chooses no cluster" } else { "keeps its clusters" }.to_owned());
    }
    let mut text = words.join(" and ");
    if decided.rebalanced {
        text.push_str(" after a rebalance");
    }
    let dropped: Vec<String> = decided
        .dropped
        .iter()
        .map(|(rule, n)| format!("{} by {rule}", count(*n as usize, "cluster")))
        .collect();
    if !dropped.is_empty() {
        text.push_str(&format!("; passed over: {}", dropped.join(", ")));
    }
    if decided.unmet > 0 {
        text.push_str(&format!("; {} more wanted", decided.unmet));
    }
    if !decided.warnings.is_empty() {
        text.push_str(&format!("; {}", decided.warnings.join(", ")));
    }
    text
}

fn more(all: usize, named: &mut Vec<String>) {
    if all > NAMED {
        named.push(format!("{} more", all - NAMED));
    }
}

fn judgement(judged: &PlacementJudged) -> String {
    let conditions = judged.conditions.iter().map(|condition| {
        let reason = match condition.reason() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        format!("{} {}{reason}", condition.r#type(), condition.status())
    });
    let conditions: Vec<String> = conditions.collect();
    format!("is judged: {}", list(&conditions))
}

#[cfg(test)]
mod tests {
    use super::super::tell;
    use super::super::tests::commit;
    use super::*;
    use fleetlog_kernel::Service;
    use fleetlog_messages::common::Condition;
    use fleetlog_messages::placement::*;
    use fleetlog_messages::subject::AggregateId;

    #[test]
    fn every_event_of_scores_is_a_sentence() {
        use score_event::Event;
        let item = |name: &str, value| AddOnPlacementScoreItem {
            name: Some(name.to_owned()),
            value: Some(value),
        };
        let scores = vec![item("cpu", 90), item("memory", -5)];
        let status = AddOnPlacementScoreStatus { scores, ..Default::default() };
        let score = AddOnPlacementScore { status: Some(status), ..Default::default() };
        for (event, says) in [
            (
                Event::Specified(ScoreSpecified { score: Some(score) }),
                "admin scores c1/demo: cpu 90 and memory -5",
            ),
            (
                Event::DeletionRequested(ScoreDeletionRequested { by: "ben".into(), at: None }),
                "ben wants the scores c1/demo gone",
            ),
            (Event::Deleted(ScoreDeleted { by: "ben".into() }), "ben removes the scores c1/demo"),
        ] {
            let id = AggregateId::namespaced(Service::Placement, "score", "c1", "demo");
            let event = ScoreEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "ScoreEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn every_event_of_a_page_of_others_is_a_sentence() {
        use decision_event::Event;
        let by = || "ben".to_owned();
        for (event, says) in [
            (Event::Specified(DecisionSpecified::default()), "admin creates page t/d: 0 clusters"),
            (
                Event::DeletionRequested(DecisionDeletionRequested { by: by(), at: None }),
                "ben wants page t/d gone",
            ),
            (Event::Deleted(DecisionDeleted { by: by() }), "ben removes page t/d"),
        ] {
            let id = AggregateId::namespaced(Service::Placement, "placementdecision", "t", "d");
            let event = DecisionEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "DecisionEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn a_page_that_is_deleted_by_hand_is_told() {
        let page = "p-decision-1".to_owned();
        let discarded = PageDiscarded { by: "ann".into(), page, ..PageDiscarded::default() };
        let event =
            PlacementEvent { event: Some(placement_event::Event::PageDiscarded(discarded)) };
        let id = AggregateId::namespaced(Service::Placement, "placement", "t", "p");
        let says = "ann deletes page p-decision-1 of placement t/p; an equal one takes its place";
        assert_eq!(tell(&commit(id, "PlacementEvent", "X", &event))[0].says, says);
    }

    #[test]
    fn every_event_of_a_placement_is_a_sentence() {
        use placement_event::Event;
        let spec = PlacementSpec {
            cluster_sets: vec!["retail".into()],
            number_of_clusters: Some(2),
            ..PlacementSpec::default()
        };
        let placement = Placement { spec: Some(spec), ..Placement::default() };
        let chosen = |cluster: &str| DecidedCluster {
            cluster: cluster.into(),
            score: 100,
            ..DecidedCluster::default()
        };
        let decided = PlacementDecided {
            added: vec![chosen("c1"), chosen("c3")],
            removed: vec!["c2".into()],
            dropped: [("Predicate".to_owned(), 1)].into(),
            unmet: 1,
            ..PlacementDecided::default()
        };
        let condition = Condition {
            r#type: Some("PlacementSatisfied".into()),
            status: Some("False".into()),
            reason: Some("NotAllDecisionsScheduled".into()),
            ..Condition::default()
        };
        let cases = [
            (
                Event::Specified(PlacementSpecified { placement: Some(placement) }),
                "admin creates placement t/p: 2 clusters of retail",
            ),
            (
                Event::Specified(PlacementSpecified::default()),
                "admin creates placement t/p: every cluster that fits",
            ),
            (
                Event::DeletionRequested(PlacementDeletionRequested { by: "ann".into(), at: None }),
                "ann wants placement t/p gone",
            ),
            (Event::Deleted(PlacementDeleted { by: "ann".into() }), "ann removes placement t/p"),
            (
                Event::Decided(decided),
                "placement t/p chooses c1 (score 100) and c3 (score 100) and gives up c2; \
                 passed over: 1 cluster by Predicate; 1 more wanted",
            ),
            (
                Event::Decided(PlacementDecided { revision: 1, ..PlacementDecided::default() }),
                "placement t/p chooses no cluster",
            ),
            (
                Event::Decided(PlacementDecided { revision: 2, ..PlacementDecided::default() }),
                "placement t/p keeps its clusters",
            ),
            (
                Event::Judged(PlacementJudged {
                    conditions: vec![condition],
                    ..PlacementJudged::default()
                }),
                "placement t/p is judged: PlacementSatisfied False (NotAllDecisionsScheduled)",
            ),
        ];
        for (event, says) in cases {
            let id = AggregateId::namespaced(Service::Placement, "placement", "t", "p");
            let event = PlacementEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "PlacementEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn a_large_decision_names_a_few_clusters_and_counts_the_rest() {
        let added =
            (0..12).map(|n| DecidedCluster { cluster: format!("c{n}"), ..Default::default() });
        let decided = PlacementDecided { added: added.collect(), ..Default::default() };
        assert!(decision(&decided).ends_with("c4 (score 0) and 7 more"));
    }
}
