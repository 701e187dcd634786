//! Bodies that users hand over before the commands that name them: hashed here, kept in BLOBS.

use crate::machine::Running;
use bytes::Bytes;
use fleetlog_bus::{CHUNK, Fault, Headers, MAX_CHUNKS, Message, Retry};
use fleetlog_chassis::listen::{bury, listen, reply};
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::common::{self, BlobKept, BlobPut};
use fleetlog_messages::subject;
use fleetlog_work_domain::Refusal;
use prost::Message as _;

/// Answers `fl.put.work.*.*` until the tasks are asked to stop.
pub(crate) async fn puts(context: Running) -> Result<(), Fault> {
    let context = &context;
    listen(context, subject::puts_for(Service::Work), |message| put(context, message)).await
}

async fn put(context: &Running, message: Message) -> Result<(), Fault> {
    let kept = match read(&message) {
        Ok(put) => keep(context, put).await,
        Err(reason) => {
            bury(context, &message, reason.clone()).await?;
            Err(common::Refusal::from(&Refusal::BadBody { reason }))
        }
    };
    let answer =
        kept.unwrap_or_else(|refused| BlobKept { refused: Some(refused), ..BlobKept::default() });
    let Some(to) = message.reply.as_deref() else { return Ok(()) };
    reply(context, to, Headers::new(), answer.encode_to_vec().into()).await
}

fn read(message: &Message) -> Result<BlobPut, String> {
    let asked = subject::asked(&message.subject);
    let verb = asked.map(|(_, verb)| verb).ok_or("the subject names nobody")?;
    if verb != "blob" {
        return Err(format!("\"{verb}\" is nothing to hand over"));
    }
    BlobPut::decode(message.payload.clone()).map_err(|error| format!("it cannot be read: {error}"))
}

async fn keep(context: &Running, put: BlobPut) -> Result<BlobKept, common::Refusal> {
    let bad = |reason: String| common::Refusal::from(&Refusal::BadBody { reason });
    // Somebody waits for the answer: a full disk is told at once.
    let bounds = context.ground.bounds.without_space_wait();
    let blobs = &context.ground.bus.blobs;
    if put.chunks.is_empty() {
        let size = put.body.len();
        if size == 0 || size > CHUNK {
            return Err(bad(format!("it has {size} bytes, 1 to {CHUNK} are taken at once")));
        }
        let body = Bytes::from(put.body);
        let kept = bounds.patiently(|| blobs.put(body.clone())).await;
        let hash = kept.map_err(refused)?.to_string();
        return Ok(BlobKept { hash, size: size as u64, refused: None });
    }
    if !put.body.is_empty() {
        return Err(bad("it has a body and chunks".to_owned()));
    }
    if put.chunks.len() > MAX_CHUNKS {
        let many = put.chunks.len();
        return Err(bad(format!("it has {many} chunks, at most {MAX_CHUNKS} are taken")));
    }
    let hash = |text: &String| {
        ContentHash::parse(text).ok_or_else(|| bad(format!("chunk \"{text}\" is no hash")))
    };
    let chunks: Vec<ContentHash> = put.chunks.iter().map(hash).collect::<Result<_, _>>()?;
    let hash = bounds.patiently(|| blobs.put_index(&chunks)).await.map_err(refused)?;
    let size = bounds.patiently(|| blobs.size(&hash)).await.map_err(refused)?;
    Ok(BlobKept { hash: hash.to_string(), size: size.unwrap_or_default(), refused: None })
}

/// What failed, as the one who handed the body over is told.
fn refused(fault: Fault) -> common::Refusal {
    let reason = fault.to_string();
    let refusal = match fault.retry {
        Retry::Useless => Refusal::BadBody { reason },
        Retry::MayHelp | Retry::NobodyThere | Retry::NoSpace => Refusal::OutOfReach { reason },
    };
    fault.refusal().unwrap_or_else(|| common::Refusal::from(&refusal))
}
