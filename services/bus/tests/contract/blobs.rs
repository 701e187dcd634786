//! BLOBS: content under its own hash, created once, cut when it is large.

use crate::hub::Hub;
use bytes::Bytes;
use fleetlog_bus::{Blobs, CHUNK, Publish, PublishError, Retry};
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::subject;

async fn blobs(hub: &Hub) -> Blobs {
    Blobs::new(hub.service(Service::Work).await)
}

fn content(size: usize) -> Bytes {
    (0..size).map(|n| (n / 251) as u8).collect::<Vec<_>>().into()
}

pub async fn content_is_kept_under_its_hash(hub: &mut Hub) {
    let blobs = blobs(hub).await;
    for size in [0, 1, CHUNK] {
        let content = content(size);
        let hash = blobs.put(content.clone()).await.unwrap();
        assert_eq!(hash, ContentHash::of(&content));
        assert_eq!(blobs.get(&hash).await.unwrap(), Some(content));
        assert_eq!(blobs.size(&hash).await.unwrap(), Some(size as u64));
    }
}

pub async fn content_kept_twice_is_kept_once(hub: &mut Hub) {
    let (blobs, broker) = (blobs(hub).await, hub.service(Service::Work).await);
    let hash = blobs.put(content(10)).await.unwrap();
    let first = broker.last("BLOBS", &subject::blob(&hash)).await.unwrap();
    assert_eq!(blobs.put(content(10)).await.unwrap(), hash);
    assert_eq!(broker.last("BLOBS", &subject::blob(&hash)).await.unwrap(), first);
    let subject = subject::blob(&hash).as_str().to_owned();
    let forged = Publish { subject, payload: content(3), ..Publish::default() };
    assert_eq!(broker.publish(forged).await, Err(PublishError::Full));
    assert_eq!(blobs.get(&hash).await.unwrap(), Some(content(10)));
}

pub async fn large_content_is_cut_and_joined(hub: &mut Hub) {
    let (blobs, large) = (blobs(hub).await, content(3 * CHUNK + 7));
    let hash = blobs.put(large.clone()).await.unwrap();
    assert_eq!(hash, ContentHash::of(&large));
    assert_eq!(blobs.get(&hash).await.unwrap(), Some(large.clone()));
    assert_eq!(blobs.size(&hash).await.unwrap(), Some(large.len() as u64));
    assert_eq!(blobs.put(large).await.unwrap(), hash);
}

pub async fn chunks_that_are_kept_can_be_joined_later(hub: &mut Hub) {
    let (blobs, whole) = (blobs(hub).await, content(CHUNK + 100));
    let mut chunks = vec![];
    for chunk in whole.chunks(CHUNK) {
        chunks.push(blobs.put(Bytes::copy_from_slice(chunk)).await.unwrap());
    }
    let hash = blobs.put_index(&chunks).await.unwrap();
    assert_eq!(hash, ContentHash::of(&whole));
    assert_eq!(blobs.get(&hash).await.unwrap(), Some(whole));
    chunks.push(ContentHash::of(b"never kept"));
    let fault = blobs.put_index(&chunks).await.unwrap_err();
    assert_eq!(fault.retry, Retry::Useless, "{fault}");
}

pub async fn unknown_content_is_none(hub: &mut Hub) {
    let (blobs, unknown) = (blobs(hub).await, ContentHash::of(b"never kept"));
    assert_eq!(blobs.get(&unknown).await.unwrap(), None);
    assert_eq!(blobs.size(&unknown).await.unwrap(), None);
}
