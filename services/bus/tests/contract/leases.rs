//! LEASE: beats, the marker of a lease that ran out, leadership by expectation.

use crate::hub::Hub;
use crate::samples::{soon, stays_away};
use fleetlog_bus::{Fault, LeaseChange, LeaseKind, LeaseNews, Leases, Publish, PublishError};
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::subject;
use fleetlog_test_support::eventually;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

fn cluster(name: &str) -> ClusterName {
    ClusterName::parse(name).unwrap()
}

async fn leases(hub: &Hub) -> Leases {
    Leases::new(hub.service(Service::Registration).await)
}

/// The next change that is heard; marks are passed over.
async fn next(watch: &mut BoxStream<'static, Result<LeaseNews, Fault>>) -> LeaseChange {
    loop {
        if let LeaseNews::Changed(change) = watch.next().await.unwrap().unwrap() {
            return change;
        }
    }
}

pub async fn who_comes_by_a_mark_has_heard_every_change_before_it(hub: &mut Hub) {
    let leases = leases(hub).await;
    let mut watch = leases.watch().await.unwrap();
    let beaten = leases.beat(&cluster("c1"), LONG).await.unwrap();
    let mark = leases.mark().await.unwrap();
    assert!(mark > beaten);
    let first = soon("the beat", watch.next()).await.unwrap().unwrap();
    assert_eq!(first.sequence(), beaten);
    let second = soon("the mark", watch.next()).await.unwrap().unwrap();
    assert_eq!(second, LeaseNews::Marked(mark));
    assert_eq!(leases.current().await.unwrap(), [cluster("c1")], "a mark is no lease");
    let newer = leases.mark().await.unwrap();
    let mut later = leases.watch().await.unwrap();
    assert_eq!(soon("the beat", next(&mut later)).await.sequence, beaten);
    let last = soon("the newest mark", later.next()).await.unwrap().unwrap();
    assert_eq!(last, LeaseNews::Marked(newer), "a mark takes the place of older ones");
}

pub async fn a_lease_that_is_not_renewed_leaves_a_marker(hub: &mut Hub) {
    let leases = leases(hub).await;
    let mut changes = leases.watch().await.unwrap();
    let sequence = leases.beat(&cluster("c1"), SHORT).await.unwrap();
    let beat = soon("the beat", next(&mut changes)).await;
    let kind = LeaseKind::Beat;
    assert_eq!(beat, LeaseChange { cluster: cluster("c1"), kind, sequence, pending: 0 });
    let marker = soon("the marker", next(&mut changes)).await;
    assert_eq!((marker.cluster, marker.kind), (cluster("c1"), LeaseKind::Expired));
    assert_eq!(marker.sequence, sequence + 1);
    let mut later = leases.watch().await.unwrap();
    let kept = soon("the kept marker", next(&mut later)).await;
    assert_eq!((kept.kind, kept.sequence), (LeaseKind::Expired, marker.sequence));
    leases.beat(&cluster("c1"), LONG).await.unwrap();
    let back = soon("the new beat", next(&mut changes)).await;
    assert_eq!(back.kind, LeaseKind::Beat);
}

pub async fn a_renewed_lease_holds(hub: &mut Hub) {
    let leases = leases(hub).await;
    leases.beat(&cluster("c1"), SHORT).await.unwrap();
    leases.beat(&cluster("c2"), SHORT).await.unwrap();
    leases.beat(&cluster("c1"), LONG).await.unwrap();
    let mut changes = leases.watch().await.unwrap();
    let expired = async {
        loop {
            let change = next(&mut changes).await;
            if change.kind == LeaseKind::Expired {
                return change.cluster;
            }
        }
    };
    assert_eq!(soon("the marker", expired).await, cluster("c2"));
    assert!(stays_away(changes.next()).await);
    assert_eq!(leases.current().await.unwrap(), [cluster("c1")]);
}

pub async fn the_leases_that_hold_are_listed(hub: &mut Hub) {
    let leases = leases(hub).await;
    assert_eq!(leases.current().await.unwrap(), []);
    let names: Vec<ClusterName> = (0..50).map(|n| cluster(&format!("c{n}"))).collect();
    for name in &names {
        leases.beat(name, LONG).await.unwrap();
    }
    leases.beat(&cluster("brief"), SHORT).await.unwrap();
    assert_eq!(leases.current().await.unwrap().len(), 51);
    let gone = async || (leases.current().await.unwrap() == names).then_some(());
    eventually("the brief lease is off the list", gone).await.unwrap();
}

pub async fn a_lease_is_taken_over_only_by_who_knows_where_it_stands(hub: &mut Hub) {
    let broker = hub.service(Service::Work).await;
    let subject = subject::lead(Service::Work);
    let take = |expect_last: u64, ttl| Publish {
        subject: subject.as_str().to_owned(),
        expect_last: Some(expect_last),
        ttl: Some(ttl),
        ..Publish::default()
    };
    let first = broker.publish(take(0, SHORT)).await.unwrap().sequence;
    let refused = broker.publish(take(0, LONG)).await.unwrap_err();
    assert_eq!(refused, PublishError::WrongLast { actual: Some(first) });
    let second = broker.publish(take(first, SHORT)).await.unwrap().sequence;
    let ran_out = async || {
        let last = broker.last("LEASE", &subject).await.unwrap()?;
        last.headers.contains_key("Nats-Marker-Reason").then_some(last.sequence)
    };
    let marker = eventually("the leadership has run out", ran_out).await.unwrap();
    assert!(broker.publish(take(second, LONG)).await.is_err());
    broker.publish(take(marker, LONG)).await.unwrap();
}
