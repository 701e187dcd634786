//! The planted bugs of silence and return.

use crate::bug::Bug;
use crate::hub::Hub;
use crate::line::Line;
use crate::scenario::CLUSTERS;
use bytes::Bytes;
use fleetlog_bus::{Broker as _, EventLog, NewCommit, Publish, StoredMessage};
use fleetlog_kernel::{ClusterName, CommandId, MessageId, Service, Timestamp};
use fleetlog_messages::common::Commit;
use fleetlog_messages::envelope::{CommitHeader, Recorded, header};
use fleetlog_messages::placement::{PlacementEvent, placement_event};
use fleetlog_messages::registration::{ClusterEvent, LeaseExpired, cluster_event};
use fleetlog_messages::subject::{self, AggregateId, Subject};
use fleetlog_messages::work::{WorkCommand, work_command};
use prost::Message as _;

/// How the server marks what ran out, and what it notes of how long a message lives.
const MARKER: &str = "Nats-Marker-Reason";
const TTL: &str = "Nats-TTL";

/// Whether a program with the bug would not have sent this at all.
pub(crate) async fn swallows(line: &Line, message: &Publish) -> bool {
    let leased = subject::of_lease(&message.subject);
    let beating = leased.as_ref().is_some_and(|c| line.pulse.is_beating(c.as_str()));
    match line.bug {
        Some(Bug::BeatRenewsNothing) => {
            // It was taken all the same.
            leased.iter().for_each(|cluster| line.pulse.leased(cluster.as_str()));
            beating
        }
        Some(Bug::EditKeepsExpiry) => leased.is_some() && !beating && is_edit(line, message).await,
        Some(Bug::WithdrawalForgotten) => {
            message.subject.starts_with("fl.do.work.work.manifestwork.") && withdraws(message)
        }
        Some(Bug::TaintStays) => {
            message.subject.starts_with("fl.do.registration.registration.cluster.")
                && is_available(line, &message.subject).await
        }
        _ => false,
    }
}

/// Whether this writes a lease that holds anew, for another time.
async fn is_edit(line: &Line, message: &Publish) -> bool {
    let last = line.memory.last("LEASE", &Subject::raw(&message.subject)).await;
    let Ok(Some(last)) = last else { return false };
    let ttl = message.ttl.map(|ttl| format!("{}s", ttl.as_secs()));
    !last.headers.contains_key(MARKER) && last.headers.get(TTL) != ttl.as_ref()
}

fn withdraws(message: &Publish) -> bool {
    let command = WorkCommand::decode(message.payload.clone()).ok();
    matches!(command.and_then(|c| c.command), Some(work_command::Command::Withdraw(_)))
}

/// Whether a cluster's last commit says that it is available.
async fn is_available(line: &Line, told: &str) -> bool {
    let Some(cluster) = told.rsplit('.').next() else { return false };
    let to = AggregateId::global(Service::Registration, "cluster", cluster);
    let last = line.memory.last("EVENTS", &to.event()).await;
    let types = |last: &StoredMessage| last.headers.get(header::TYPES).cloned();
    let types = last.ok().flatten().as_ref().and_then(types);
    types.is_some_and(|types| types.contains("ClusterBecameAvailable"))
}

/// What a program with the bug would have sent instead.
pub(crate) fn rewritten(bug: Option<Bug>, message: Publish) -> Publish {
    match bug {
        Some(Bug::TaintStays) if message.subject.starts_with("fl.ev.registration.cluster.") => {
            keeping_taint(message)
        }
        Some(Bug::DecidesInTwo) if message.subject.starts_with("fl.ev.placement.") => {
            giving_up_first(message)
        }
        Some(Bug::ChoosesAnother) if message.subject.starts_with("fl.ev.placement.") => {
            choosing_another(message)
        }
        _ => message,
    }
}

fn keeping_taint(mut message: Publish) -> Publish {
    let types = message.headers.get(header::TYPES).cloned().unwrap_or_default();
    let types: Vec<&str> = types.split(',').collect();
    if !types.contains(&"ClusterBecameAvailable") {
        return message;
    }
    let Ok(commit) = Commit::decode(message.payload.clone()) else { return message };
    let kept: Vec<_> =
        types.into_iter().zip(commit.events).filter(|(kind, _)| *kind != "TaintRemoved").collect();
    let (types, events): (Vec<&str>, Vec<Bytes>) = kept.into_iter().unzip();
    message.headers.insert(header::TYPES.to_owned(), types.join(","));
    message.payload = Commit { events }.encode_to_vec().into();
    message
}

fn giving_up_first(mut message: Publish) -> Publish {
    let Ok(mut commit) = Commit::decode(message.payload.clone()) else { return message };
    for bytes in &mut commit.events {
        let Ok(mut event) = PlacementEvent::decode(&**bytes) else { continue };
        match &mut event.event {
            Some(placement_event::Event::Decided(revision)) if !revision.removed.is_empty() => {
                revision.added.clear();
            }
            _ => {}
        }
        *bytes = event.encode_to_vec().into();
    }
    message.payload = Bytes::from(commit.encode_to_vec());
    message
}

/// The one chosen cluster of three becomes the next one.
fn choosing_another(mut message: Publish) -> Publish {
    let Ok(mut commit) = Commit::decode(message.payload.clone()) else { return message };
    for bytes in &mut commit.events {
        let Ok(mut event) = PlacementEvent::decode(&**bytes) else { continue };
        if let Some(placement_event::Event::Decided(revision)) = &mut event.event
            && let [added] = revision.added.as_mut_slice()
        {
            let at = CLUSTERS.iter().position(|name| *name == added.cluster).unwrap_or_default();
            CLUSTERS[(at + 1) % CLUSTERS.len()].clone_into(&mut added.cluster);
        }
        *bytes = event.encode_to_vec().into();
    }
    message.payload = Bytes::from(commit.encode_to_vec());
    message
}

/// [`Bug::ComparesAtOnce`]: registration starts, and who has no lease is Unknown at once.
pub(crate) async fn compare_at_once(hub: &Hub) {
    if hub.bug != Some(Bug::ComparesAtOnce) {
        return;
    }
    for name in CLUSTERS {
        let Ok(cluster) = ClusterName::parse(name) else { continue };
        let lease = hub.memory.last("LEASE", &subject::lease(&cluster)).await.ok().flatten();
        if lease.is_some_and(|lease| !lease.headers.contains_key(MARKER)) {
            continue;
        }
        let aggregate = AggregateId::global(Service::Registration, "cluster", name);
        let log = EventLog::new(hub.memory.clone()).0;
        let Ok(Some(last)) = log.last(&aggregate).await else { continue };
        if !last.header.types.iter().any(|kind| kind == "LeaseExpired") {
            let _ = log.append_all(vec![expired(&last, hub.clock.now())]).await;
        }
    }
}

/// A cluster's lease runs out after its last commit.
fn expired(last: &Recorded, at: Timestamp) -> NewCommit {
    let event = cluster_event::Event::LeaseExpired(LeaseExpired::default());
    let once = format!("at-once-{}-{}", last.aggregate.name, last.position);
    let header = CommitHeader {
        id: MessageId::new(once.as_str()),
        types: vec!["LeaseExpired".to_owned()],
        schema: last.header.schema.clone(),
        version: last.header.version + 1,
        cause: last.position,
        cause_index: 2,
        command: CommandId::new(once.as_str()),
        correlation: once,
        actor: "service:registration".to_owned(),
        time: at,
        service: Service::Registration,
    };
    let events = vec![ClusterEvent { event: Some(event) }.encode_to_vec().into()];
    NewCommit { aggregate: last.aggregate.clone(), expected: last.position, header, events }
}
