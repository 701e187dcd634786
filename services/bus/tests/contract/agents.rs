//! An agent and its hub: reports, join, beat, renew, sync, blobs.

use crate::hub::{Hub, run};
use crate::samples::{soon, stays_away};
use bytes::Bytes;
use fleetlog_bus::signature::sign;
use fleetlog_bus::{
    AgentLink, Headers, MAX_REPORT, Message, Retry, SYNC_END, SharedBroker, SignatureError, Signed,
    Works,
};
use fleetlog_kernel::{ClusterName, ContentHash, Service};
use fleetlog_messages::common::{
    Beat, BeatAnswer, JoinAnswer, JoinPending, JoinRequest, RenewRequest, SyncEnd, SyncRequest,
    join_answer,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, Report, Subject};
use fleetlog_messages::work::Delivery;
use futures::StreamExt as _;
use nkeys::KeyPair;
use prost::Message as _;

fn cluster() -> ClusterName {
    ClusterName::parse("c1").unwrap()
}

async fn link(hub: &Hub) -> AgentLink {
    AgentLink::new(hub.agent("c1").await, cluster())
}

/// Answers every request on `filter` with these messages.
async fn answer(service: &SharedBroker, filter: Subject, parts: Vec<(Headers, Bytes)>) {
    let mut asked = service.subscribe(&filter, Some("group")).await.unwrap();
    let service = service.clone();
    run(async move {
        while let Some(request) = asked.next().await {
            for (headers, payload) in parts.clone() {
                let subject = request.reply.clone().unwrap();
                service.send(Message { subject, headers, payload, reply: None }).await.unwrap();
            }
        }
    });
}

fn part(message: &impl prost::Message) -> (Headers, Bytes) {
    (Headers::new(), message.encode_to_vec().into())
}

fn end() -> (Headers, Bytes) {
    (Headers::new(), Bytes::new())
}

pub async fn the_newest_report_of_each_thing_reaches_its_service(hub: &mut Hub) {
    let link = link(hub).await;
    let shop = Report::Work("shop.v1".to_owned());
    for text in ["old", "new"] {
        link.report(&shop, Bytes::from(text)).await.unwrap();
    }
    link.report(&Report::Cluster, Bytes::from_static(b"facts")).await.unwrap();
    let cases = [
        (Service::Work, "status-work", shop, "new"),
        (Service::Registration, "status-registration", Report::Cluster, "facts"),
    ];
    for (service, durable, about, text) in cases {
        let mut queue = hub.service(service).await.queue("STATUS", durable).await.unwrap();
        let delivery = soon("the report", queue.next()).await.unwrap();
        let message = delivery.message();
        assert_eq!(subject::of_report(&message.subject), Some((cluster(), about)));
        assert_eq!(message.payload, Bytes::from(text));
        delivery.ack().await.unwrap();
        assert!(stays_away(queue.next()).await);
    }
}

pub async fn a_report_that_is_too_large_is_refused_and_harms_nothing(hub: &mut Hub) {
    let link = link(hub).await;
    let large = Bytes::from(vec![b'x'; MAX_REPORT + 1]);
    let fault = link.report(&Report::Cluster, large.clone()).await.unwrap_err();
    assert_eq!(fault.retry, Retry::Useless, "{fault}");
    link.report(&Report::Cluster, large.slice(1..)).await.unwrap();
}

pub async fn an_agent_joins_beats_and_renews(hub: &mut Hub) {
    let service = hub.service(Service::Registration).await;
    let pending = JoinAnswer {
        answer: Some(join_answer::Answer::Pending(JoinPending { sentence: "wait".to_owned() })),
    };
    let beaten = BeatAnswer { lease_duration_seconds: 1, refused: None };
    answer(&service, subject::joins(), vec![part(&pending)]).await;
    answer(&service, subject::asks("beat"), vec![part(&beaten)]).await;
    answer(&service, subject::asks("renew"), vec![part(&pending)]).await;
    let (boot, key) = hub.boot().await;
    let joined = AgentLink::new(boot, cluster()).join(&key, &JoinRequest::default()).await;
    assert_eq!(joined.unwrap(), pending);
    let link = link(hub).await;
    assert_eq!(link.beat(&Beat { count: 1 }).await.unwrap(), beaten);
    assert_eq!(link.renew(&RenewRequest::default()).await.unwrap(), pending);
}

fn delivery(work: &str) -> Delivery {
    let (cluster, work) = ("c1".to_owned(), work.to_owned());
    Delivery { cluster, work, generation: 3, ..Delivery::default() }
}

fn signed(key: &KeyPair, delivery: &Delivery) -> Signed {
    let payload = Bytes::from(delivery.encode_to_vec());
    let Delivery { cluster, work, generation, .. } = delivery;
    let signature = sign(key, cluster, work, *generation, &payload).unwrap();
    Signed { payload, signature, generation: *generation }
}

fn sync_part(signed: Signed) -> (Headers, Bytes) {
    (Headers::from([(header::SIGNATURE.to_owned(), signed.signature)]), signed.payload)
}

fn sync_end(works: u32) -> (Headers, Bytes) {
    let end = SyncEnd { position: 8, works };
    (Headers::from([(SYNC_END.to_owned(), "1".to_owned())]), end.encode_to_vec().into())
}

pub async fn a_sync_answer_is_complete_or_an_error(hub: &mut Hub) {
    let (service, key) = (hub.service(Service::Work).await, KeyPair::new_user());
    let works = ["a", "b"].map(|work| sync_part(signed(&key, &delivery(work))));
    let whole = [works.to_vec(), vec![sync_end(2), end()]].concat();
    let short = [works.to_vec(), vec![sync_end(3), end()]].concat();
    let endless = [works.to_vec(), vec![end()]].concat();
    let link = link(hub).await;
    for (parts, complete) in [(whole, true), (short, false), (endless, false)] {
        let filter = subject::asks("sync");
        let mut asked = service.subscribe(&filter, None).await.unwrap();
        let answering = async {
            let request = asked.next().await.unwrap();
            for (headers, payload) in parts {
                let subject = request.reply.clone().unwrap();
                service.send(Message { subject, headers, payload, reply: None }).await.unwrap();
            }
        };
        let request = SyncRequest::default();
        let (answer, ()) = tokio::join!(link.sync(&request), answering);
        match answer {
            Ok((deliveries, end)) => {
                assert!(complete);
                assert_eq!((deliveries.len(), end.position), (2, 8));
                let public = key.public_key();
                assert_eq!(deliveries[1].verified(&public), Ok(delivery("b")));
            }
            Err(fault) => assert!(!complete, "{fault}"),
        }
    }
}

pub async fn a_delivery_counts_only_with_the_hubs_signature(hub: &mut Hub) {
    let works = Works::new(hub.service(Service::Work).await);
    let link = link(hub).await;
    let mut live = link.live().await.unwrap();
    let (ours, theirs) = (KeyPair::new_user(), KeyPair::new_user());
    let good = signed(&ours, &delivery("shop"));
    let cases = [
        ("shop", good.clone(), Ok(delivery("shop"))),
        ("shop", signed(&theirs, &delivery("shop")), Err(SignatureError::Wrong)),
        ("bank", good.clone(), Err(SignatureError::Astray("c1/shop".to_owned()))),
        ("shop", Signed { signature: String::new(), ..good }, Err(SignatureError::Wrong)),
    ];
    for (work, signed, verdict) in cases {
        works.publish("c1", work, signed).await.unwrap();
        let heard = soon("the delivery", live.next()).await.unwrap();
        assert_eq!(heard.verified(&ours.public_key()), verdict);
    }
}

pub async fn a_blob_is_fetched_in_parts(hub: &mut Hub) {
    let (service, link) = (hub.service(Service::Work).await, link(hub).await);
    let content = Bytes::from(vec![b'x'; 700_000]);
    let parts = content.chunks(200_000).map(|part| (Headers::new(), Bytes::copy_from_slice(part)));
    let parts = parts.chain([end()]).collect();
    answer(&service, subject::asks("blob"), parts).await;
    let hash = ContentHash::of(&content);
    assert_eq!(link.blob(&hash).await.unwrap(), Some(content));
    let other = ContentHash::of(b"other");
    assert!(link.blob(&other).await.unwrap_err().to_string().contains("another hash"));
}
