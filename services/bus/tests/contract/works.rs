//! WORK: one newest delivery of each work, heard by its cluster's agent as it is stored.

use crate::hub::Hub;
use crate::samples::{soon, stays_away};
use bytes::Bytes;
use fleetlog_bus::{AgentLink, Signed, Works};
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_test_support::eventually;
use futures::StreamExt as _;
use std::time::Duration;

fn signed(text: &str, generation: i64) -> Signed {
    let payload = Bytes::from(text.to_owned());
    Signed { payload, signature: "c2lnbmVk".to_owned(), generation }
}

async fn works(hub: &Hub) -> Works {
    Works::new(hub.service(Service::Work).await)
}

async fn link(hub: &Hub, cluster: &str) -> AgentLink {
    AgentLink::new(hub.agent(cluster).await, ClusterName::parse(cluster).unwrap())
}

pub async fn an_agent_hears_what_is_published_for_it_and_nothing_else(hub: &mut Hub) {
    let (works, c1) = (works(hub).await, link(hub, "c1").await);
    let mut live = c1.live().await.unwrap();
    works.publish("c2", "shop", signed("of c2", 1)).await.unwrap();
    works.publish("c1", "shop.v1", signed("of c1", 2)).await.unwrap();
    let delivery = soon("the delivery", live.next()).await.unwrap();
    assert_eq!(delivery.payload, Bytes::from_static(b"of c1"));
    assert_eq!(delivery.cluster, "c1");
    assert_eq!(delivery.work.as_deref(), Some("shop.v1"));
    assert_eq!(delivery.signature.as_deref(), Some("c2lnbmVk"));
    assert!(stays_away(live.next()).await);
}

pub async fn a_work_holds_its_newest_delivery_only(hub: &mut Hub) {
    let works = works(hub).await;
    assert_eq!(works.all().await.unwrap(), []);
    for generation in 1..=3 {
        works.publish("c1", "shop", signed("old", generation)).await.unwrap();
    }
    for cluster in ["c1", "c2", "c3"] {
        works.publish(cluster, "other", signed(cluster, 9)).await.unwrap();
    }
    works.publish("c1", "shop", signed("new", 10)).await.unwrap();
    let all = works.all().await.unwrap();
    let told = |d: &fleetlog_bus::Desired| (d.cluster.clone(), d.work.clone(), d.generation);
    let own = |cluster: &str, work: &str, g| (cluster.to_owned(), work.to_owned(), g);
    let others = ["c1", "c2", "c3"].map(|cluster| own(cluster, "other", 9));
    assert_eq!(all.iter().take(3).map(told).collect::<Vec<_>>(), others);
    assert_eq!(told(&all[3]), own("c1", "shop", 10));
    assert_eq!(all[3].message.payload, Bytes::from_static(b"new"));
    assert_eq!(all.len(), 4);
}

pub async fn a_removal_is_heard_and_runs_out_without_a_trace(hub: &mut Hub) {
    let (works, c1) = (works(hub).await, link(hub, "c1").await);
    works.publish("c1", "shop", signed("there", 1)).await.unwrap();
    let mut live = c1.live().await.unwrap();
    let gone = signed("gone", 2);
    works.tombstone("c1", "shop", gone, Duration::from_secs(1)).await.unwrap();
    let delivery = soon("the removal", live.next()).await.unwrap();
    assert_eq!(delivery.payload, Bytes::from_static(b"gone"));
    assert!(works.all().await.unwrap()[0].deleted);
    let empty = async || works.all().await.unwrap().is_empty().then_some(());
    eventually("the removal has run out", empty).await.unwrap();
    assert!(stays_away(live.next()).await);
}
