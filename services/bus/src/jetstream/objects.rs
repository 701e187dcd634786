//! Objects of any size in a bucket, as every NATS client keeps them.

use super::link::Link;
use crate::fault::Fault;
use async_nats::jetstream;
use async_nats::jetstream::object_store::{GetErrorKind, ObjectStore};
use bytes::Bytes;
use std::future::Future;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// How long one object may take.
const WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn put(
    link: &Link,
    bucket: &str,
    name: &str,
    content: Bytes,
) -> Result<(), Fault> {
    let step = format!("keep object \"{name}\" in bucket \"{bucket}\"");
    bounded(&step, async {
        let store = open(link, bucket).await?;
        let put = store.put(name, &mut content.as_ref()).await;
        put.map(|_| ()).map_err(|error| Fault::passing(step.as_str(), error))
    })
    .await
}

pub(super) async fn get(link: &Link, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
    let step = format!("fetch object \"{name}\" of bucket \"{bucket}\"");
    bounded(&step, async {
        let store = open(link, bucket).await?;
        let mut object = match store.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::passing(step.as_str(), error)),
        };
        let mut content = Vec::with_capacity(object.info().size);
        let read = object.read_to_end(&mut content).await;
        read.map_err(|error| Fault::passing(step.as_str(), error))?;
        Ok(Some(content.into()))
    })
    .await
}

async fn open(link: &Link, bucket: &str) -> Result<ObjectStore, Fault> {
    let opened = jetstream::new(link.client.clone()).get_object_store(bucket).await;
    opened.map_err(|error| Fault::lasting(format!("open bucket \"{bucket}\""), error))
}

async fn bounded<T>(step: &str, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = || Fault::passing(step, format!("not done within {WITHIN:?}"));
    tokio::time::timeout(WITHIN, call).await.map_err(|_| late())?
}
