//! What agents ask of work: everything their cluster should run, and the manifests of it. The
//! server vouches for the cluster by the subject; no agent gets another's manifests.

use crate::bodies::Bodies;
use crate::deliver::Publisher;
use crate::machine::Running;
use bytes::Bytes;
use fleetlog_bus::{CHUNK, Fault, Headers, Message, SYNC_END};
use fleetlog_chassis::listen::{bury, end, listen, reply};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::common::{BlobRequest, SyncEnd, SyncRequest};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject;
use fleetlog_messages::work::Delivery;
use fleetlog_work_domain::delivery;
use prost::Message as _;
use std::sync::Arc;

/// Answers `fl.a.*.sync` until the tasks are asked to stop.
pub(crate) async fn syncs(context: Running, publisher: Arc<Publisher>) -> Result<(), Fault> {
    let (context, publisher) = (&context, &publisher);
    listen(context, subject::asks("sync"), |message| sync(context, publisher, message)).await
}

async fn sync(context: &Running, publisher: &Publisher, message: Message) -> Result<(), Fault> {
    let Some(to) = message.reply.as_deref() else { return Ok(()) };
    let Some(cluster) = subject::asking_cluster(&message.subject) else {
        return bury(context, &message, "the subject names no cluster".to_owned()).await;
    };
    let request = match SyncRequest::decode(message.payload.clone()) {
        Ok(request) => request,
        Err(error) => {
            // An answer without its end is no complete one: the agent keeps what it has.
            bury(context, &message, error.to_string()).await?;
            return end(context, to).await;
        }
    };
    let (deliveries, position) = context.read(|hosted| {
        let works = hosted.machine().fleet().works_of(cluster.as_str());
        let deliveries: Vec<Delivery> = works
            .filter_map(|(key, work)| {
                let held = request.held.get(&key.name).copied();
                Some(delivery::against(delivery::of(key, work)?, held))
            })
            .collect();
        (deliveries, hosted.position())
    });
    for delivery in &deliveries {
        let signed = publisher.sign(delivery)?;
        let headers = Headers::from([(header::SIGNATURE.to_owned(), signed.signature)]);
        reply(context, to, headers, signed.payload).await?;
    }
    let works = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
    let last = SyncEnd { position: position.0, works };
    let headers = Headers::from([(SYNC_END.to_owned(), "true".to_owned())]);
    reply(context, to, headers, last.encode_to_vec().into()).await?;
    end(context, to).await
}

/// Answers `fl.a.*.blob` until the tasks are asked to stop.
pub(crate) async fn blobs(context: Running, bodies: Arc<Bodies>) -> Result<(), Fault> {
    let (context, bodies) = (&context, &bodies);
    listen(context, subject::asks("blob"), |message| blob(context, bodies, message)).await
}

async fn blob(context: &Running, bodies: &Bodies, message: Message) -> Result<(), Fault> {
    let Some(to) = message.reply.as_deref() else { return Ok(()) };
    let Some(cluster) = subject::asking_cluster(&message.subject) else {
        return bury(context, &message, "the subject names no cluster".to_owned()).await;
    };
    let asked = BlobRequest::decode(message.payload.clone()).map_err(|error| error.to_string());
    let hash = asked.and_then(|asked| {
        let hash = ContentHash::parse(&asked.hash);
        hash.ok_or_else(|| format!("\"{}\" is no hash", asked.hash))
    });
    let hash = match hash {
        Ok(hash) => hash,
        Err(reason) => {
            bury(context, &message, reason).await?;
            return end(context, to).await;
        }
    };
    let name = hash.to_string();
    let wants = context.read(|hosted| {
        let mut works = hosted.machine().fleet().works_of(cluster.as_str());
        works.any(|(_, work)| work.bundle().is_some_and(|bundle| bundle.hash == name))
    });
    let found = if wants { context.patiently(|| bodies.get(&hash)).await? } else { None };
    if let Some(body) = found {
        for start in (0..body.len()).step_by(CHUNK) {
            let part: Bytes = body.slice(start..(start + CHUNK).min(body.len()));
            reply(context, to, Headers::new(), part).await?;
        }
    }
    end(context, to).await
}
