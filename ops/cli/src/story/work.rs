//! The events of manifest works and their replica sets as sentences.

use super::{count, creates, list, name, waits, who};
use fleetlog_messages::common::Condition;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::work::{
    Bundle, FanOutPlanned, FanOutTarget, ManifestWorkReplicaSetStatus, ManifestWorkStatus,
    ReplicaSetEvent, WorkEvent, replica_set_event, work_event,
};
use prost::Message as _;

/// How many clusters of a plan are named in a sentence.
const NAMED: usize = 5;

pub(super) fn work(commit: &Recorded, event: &[u8]) -> Option<String> {
    use work_event::Event;
    let name = name(commit);
    Some(match WorkEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let objects = objects(specified.bundle.as_ref());
            let meta = specified.work.as_ref().and_then(|work| work.metadata.as_ref());
            if let Some(waits) = waits(meta) {
                return Some(format!("work {name} {waits}"));
            }
            let verb = creates(commit, meta);
            let made = if verb == "creates" { "is made" } else { "changes" };
            match (specified.replica_set.as_str(), specified.add_on.split_once('/')) {
                (_, Some((_, add_on))) => {
                    format!("work {name} {made} for add-on {add_on}, {objects}")
                }
                ("", None) => format!("{} {verb} work {name} of {objects}", who(commit)),
                (set, None) => format!("work {name} {made} for replica set {set}, {objects}"),
            }
        }
        Event::StatusReported(reported) => {
            format!("work {name} is {}", state(&reported.status.unwrap_or_default()))
        }
        Event::DeletionRequested(asked) => match asked.by.split_once(':') {
            Some(("addon", _)) => format!("work {name} goes with its add-on"),
            _ => format!("{} removes work {name}", asked.by),
        },
        Event::Deleted(_) => format!("work {name} is gone"),
    })
}

pub(super) fn replica_set(commit: &Recorded, event: &[u8]) -> Option<String> {
    use replica_set_event::Event;
    let name = name(commit);
    Some(match ReplicaSetEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let object = specified.replica_set.unwrap_or_default();
            if let Some(waits) = waits(object.metadata.as_ref()) {
                return Some(format!("replica set {name} {waits}"));
            }
            let spec = object.spec.unwrap_or_default();
            let placements: Vec<String> =
                spec.placement_refs.iter().map(|p| p.name().to_owned()).collect();
            format!(
                "{} {} replica set {name} of {} for placement {}",
                who(commit),
                creates(commit, object.metadata.as_ref()),
                objects(specified.bundle.as_ref()),
                list(&placements)
            )
        }
        Event::FanOutPlanned(planned) => format!("replica set {name} {}", plan(&planned)),
        Event::Summarized(summarized) => {
            format!("replica set {name} has {}", summary(&summarized.status.unwrap_or_default()))
        }
        Event::DeletionRequested(asked) => format!("{} removes replica set {name}", asked.by),
        Event::Deleted(_) => format!("replica set {name} is gone"),
    })
}

fn objects(bundle: Option<&Bundle>) -> String {
    count(bundle.map_or(0, |bundle| bundle.count as usize), "object")
}

/// `applied, available, 12 of 12 replicas ready`.
fn state(status: &ManifestWorkStatus) -> String {
    let mut words: Vec<String> = status.conditions.iter().map(condition).collect();
    words.extend(replicas(status));
    if words.is_empty() { "reported without conditions".to_owned() } else { words.join(", ") }
}

fn condition(condition: &Condition) -> String {
    let kind = condition.r#type().to_lowercase();
    match condition.status() {
        "True" => kind,
        "False" => format!("not {kind} ({})", condition.reason()),
        _ => format!("perhaps {kind} ({})", condition.reason()),
    }
}

/// The sums of the replicas that status feedback tells of; `None` when it tells of none.
fn replicas(status: &ManifestWorkStatus) -> Option<String> {
    let sum = |name: &str| {
        let manifests = status.resource_status.iter().flat_map(|resources| &resources.manifests);
        let values = manifests.flat_map(|m| m.status_feedback.iter().flat_map(|f| &f.values));
        let numbers = values
            .filter(|value| value.name() == name)
            .filter_map(|value| value.field_value.as_ref().and_then(|field| field.integer));
        let numbers: Vec<i64> = numbers.collect();
        (!numbers.is_empty()).then(|| numbers.iter().sum::<i64>())
    };
    let all = sum("Replicas")?;
    Some(format!("{} of {all} replicas ready", sum("ReadyReplicas").unwrap_or_default()))
}

fn plan(planned: &FanOutPlanned) -> String {
    let clusters = |targets: &[FanOutTarget]| {
        let named = targets.iter().take(NAMED).map(|target| target.cluster.clone());
        let mut named: Vec<String> = named.collect();
        if targets.len() > NAMED {
            named.push(format!("{} more", targets.len() - NAMED));
        }
        list(&named)
    };
    let mut words = vec![];
    if !planned.deliver.is_empty() {
        words.push(format!("delivers to {}", clusters(&planned.deliver)));
    }
    if !planned.withdraw.is_empty() {
        words.push(format!("withdraws from {}", clusters(&planned.withdraw)));
    }
    if words.is_empty() {
        words.push("has nothing to change".to_owned());
    }
    format!("{} (plan {})", words.join(" and "), planned.plan)
}

fn summary(status: &ManifestWorkReplicaSetStatus) -> String {
    let Some(summary) = &status.summary else { return "no works".to_owned() };
    let works = count(usize::try_from(summary.total()).unwrap_or_default(), "work");
    format!("{works}: {} applied, {} available", summary.applied(), summary.available())
}

#[cfg(test)]
mod tests {
    use super::super::tell;
    use super::super::tests::commit;
    use super::*;
    use fleetlog_kernel::Service;
    use fleetlog_messages::common::{ObjectMeta, Time};
    use fleetlog_messages::subject::AggregateId;
    use fleetlog_messages::work::*;

    fn bundle() -> Option<Bundle> {
        Some(Bundle { hash: "h".into(), size: 9, count: 35 })
    }

    fn condition(kind: &str, status: &str) -> Condition {
        let text = |text: &str| Some(text.to_owned());
        let (r#type, status, reason) = (text(kind), text(status), text("Why"));
        Condition { r#type, status, reason, ..Condition::default() }
    }

    fn status() -> ManifestWorkStatus {
        let value = |name: &str, number| FeedbackValue {
            name: Some(name.into()),
            field_value: Some(FieldValue { integer: Some(number), ..FieldValue::default() }),
        };
        let values = vec![value("Replicas", 2), value("ReadyReplicas", 1)];
        let manifest = ManifestCondition {
            status_feedback: Some(StatusFeedbackResult { values }),
            ..ManifestCondition::default()
        };
        ManifestWorkStatus {
            conditions: vec![condition("Applied", "True"), condition("Available", "False")],
            resource_status: Some(ManifestResourceStatus { manifests: vec![manifest] }),
        }
    }

    #[test]
    fn every_event_of_a_work_is_a_sentence() {
        use work_event::Event;
        let meta = ObjectMeta {
            deletion_timestamp: Some(Time::default()),
            finalizers: vec!["example.com/a".to_owned()],
            ..ObjectMeta::default()
        };
        let held = ManifestWork { metadata: Some(meta), ..ManifestWork::default() };
        let held = WorkSpecified { work: Some(held), ..WorkSpecified::default() };
        let by_set = WorkSpecified {
            bundle: bundle(),
            replica_set: "shop/boutique".into(),
            ..WorkSpecified::default()
        };
        let cases = [
            (
                Event::Specified(WorkSpecified { bundle: bundle(), ..WorkSpecified::default() }),
                "admin creates work c1/w of 35 objects",
            ),
            (Event::Specified(held), "work c1/w waits for example.com/a"),
            (
                Event::Specified(by_set),
                "work c1/w is made for replica set shop/boutique, 35 objects",
            ),
            (
                Event::StatusReported(WorkStatusReported {
                    generation: 1,
                    status: Some(status()),
                    at: None,
                }),
                "work c1/w is applied, not available (Why), 1 of 2 replicas ready",
            ),
            (
                Event::DeletionRequested(WorkDeletionRequested {
                    by: "ann".into(),
                    ..WorkDeletionRequested::default()
                }),
                "ann removes work c1/w",
            ),
            (Event::Deleted(WorkDeleted {}), "work c1/w is gone"),
        ];
        for (event, says) in cases {
            let id = AggregateId::namespaced(Service::Work, "manifestwork", "c1", "w");
            let event = WorkEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "WorkEvent", "X", &event))[0].says, says);
        }
    }

    #[test]
    fn every_event_of_a_replica_set_is_a_sentence() {
        use replica_set_event::Event;
        let target =
            |cluster: &str| FanOutTarget { placement: "p".into(), cluster: cluster.into() };
        let spec = ManifestWorkReplicaSetSpec {
            placement_refs: vec![LocalPlacementReference {
                name: Some("p".into()),
                ..LocalPlacementReference::default()
            }],
            ..ManifestWorkReplicaSetSpec::default()
        };
        let object = ManifestWorkReplicaSet { spec: Some(spec), ..Default::default() };
        let planned = FanOutPlanned {
            plan: 2,
            deliver: vec![target("c1"), target("c3")],
            withdraw: vec![target("c2")],
            ..FanOutPlanned::default()
        };
        let summary = ManifestWorkReplicaSetSummary {
            total: Some(2),
            applied: Some(2),
            available: Some(1),
            ..ManifestWorkReplicaSetSummary::default()
        };
        let status = ManifestWorkReplicaSetStatus { summary: Some(summary), ..Default::default() };
        let cases = [
            (
                Event::Specified(ReplicaSetSpecified {
                    replica_set: Some(object),
                    bundle: bundle(),
                }),
                "admin creates replica set t/r of 35 objects for placement p",
            ),
            (
                Event::FanOutPlanned(planned),
                "replica set t/r delivers to c1 and c3 and withdraws from c2 (plan 2)",
            ),
            (
                Event::FanOutPlanned(FanOutPlanned { plan: 3, ..FanOutPlanned::default() }),
                "replica set t/r has nothing to change (plan 3)",
            ),
            (
                Event::Summarized(ReplicaSetSummarized { status: Some(status) }),
                "replica set t/r has 2 works: 2 applied, 1 available",
            ),
            (
                Event::DeletionRequested(ReplicaSetDeletionRequested {
                    by: "ann".into(),
                    ..ReplicaSetDeletionRequested::default()
                }),
                "ann removes replica set t/r",
            ),
            (Event::Deleted(ReplicaSetDeleted {}), "replica set t/r is gone"),
        ];
        for (event, says) in cases {
            let id = AggregateId::namespaced(Service::Work, "replicaset", "t", "r");
            let event = ReplicaSetEvent { event: Some(event) };
            assert_eq!(tell(&commit(id, "ReplicaSetEvent", "X", &event))[0].says, says);
        }
    }
}
