//! How a program with one of the planted bugs would look from outside, put between it and its
//! broker.

mod failover;

pub(crate) use failover::{compare_at_once, rewritten, swallows};

use crate::bug::Bug;
use bytes::Bytes;
use fleetlog_bus::{Blobs, Fault, Memory, Message, Publish, SYNC_END, StoredMessage, signature};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::common::{BlobRequest, SyncEnd};
use fleetlog_messages::envelope::header;
use fleetlog_messages::work::Delivery;
use futures::stream::{self, BoxStream, StreamExt as _};
use nkeys::KeyPair;
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

type Answers = BoxStream<'static, Result<Message, Fault>>;

/// [`Bug::NoDeduplication`].
pub(crate) fn without_deduplication(bug: Option<Bug>, message: Publish) -> Publish {
    if bug != Some(Bug::NoDeduplication) || !message.subject.starts_with("fl.ev.") {
        return message;
    }
    let mut bare = Publish { id: None, expect_last: None, ..message.clone() };
    // A reader of the log still wants an id to be there; this one is no use to the server.
    let id = message.id.unwrap_or_default();
    let headers = &mut bare.headers;
    headers.insert(
        header::MESSAGE_ID.to_owned(),
        format!("{id}-{}", ONCE.fetch_add(1, Ordering::Relaxed)),
    );
    bare
}

static ONCE: AtomicI64 = AtomicI64::new(0);

/// [`Bug::ReactionReplayedInRebuild`].
pub(crate) fn without_checkpoint(
    bug: Option<Bug>,
    stream: &str,
    last: Option<StoredMessage>,
) -> Option<StoredMessage> {
    let forgets = bug == Some(Bug::ReactionReplayedInRebuild) && stream == "DO";
    last.map(|mut last| {
        if forgets {
            last.headers.insert(header::REACTED.to_owned(), "0".to_owned());
        }
        last
    })
}

/// [`Bug::DeleteBeforeFirstSync`]: an answer that breaks off, or none, counts as whole.
pub(crate) fn completed(answers: Answers) -> Answers {
    stream::unfold(Some((answers, 0_u32)), |state| async move {
        let (mut answers, works) = state?;
        match answers.next().await {
            Some(Ok(message)) if message.headers.contains_key(SYNC_END) => {
                Some((Ok(message), None))
            }
            Some(Ok(message)) => Some((Ok(message), Some((answers, works + 1)))),
            Some(Err(_)) | None => Some((Ok(end_of(works)), None)),
        }
    })
    .boxed()
}

/// [`Bug::OlderGenerationAccepted`]: such an agent would keep the manifests of older generations
/// too, which the hub gives to nobody any more.
pub(crate) async fn kept_blob(memory: &Arc<Memory>, payload: &Bytes) -> Result<Answers, Fault> {
    let asked = BlobRequest::decode(payload.clone()).ok();
    let hash = asked.and_then(|asked| ContentHash::parse(&asked.hash));
    let body = match hash {
        Some(hash) => Blobs::new(memory.clone()).get(&hash).await?,
        None => None,
    };
    let part = |payload| Message {
        subject: String::new(),
        headers: fleetlog_bus::Headers::new(),
        payload,
        reply: None,
    };
    Ok(stream::iter(body.map(part).map(Ok)).boxed())
}

fn end_of(works: u32) -> Message {
    let end = SyncEnd { position: u64::MAX, works };
    Message {
        subject: String::new(),
        headers: [(SYNC_END.to_owned(), "true".to_owned())].into(),
        payload: end.encode_to_vec().into(),
        reply: None,
    }
}

/// [`Bug::OlderGenerationAccepted`]: each delivery gets a generation above all that came before
/// it, under the hub's own signature, so that an agent which does compare takes it all the same.
pub struct Arrivals {
    key: KeyPair,
    count: AtomicI64,
}

impl Arrivals {
    /// Signed with the hub's key.
    #[must_use]
    pub const fn new(key: KeyPair) -> Self {
        Self { key, count: AtomicI64::new(1_000_000) }
    }

    pub(crate) fn renumber_live(
        self: &Arc<Self>,
        heard: BoxStream<'static, Message>,
    ) -> BoxStream<'static, Message> {
        let arrivals = self.clone();
        heard.map(move |message| arrivals.renumber(message)).boxed()
    }

    pub(crate) fn renumber_sync(self: &Arc<Self>, answers: Answers) -> Answers {
        let arrivals = self.clone();
        let renumber = move |answer: Result<Message, Fault>| {
            answer.map(|message| match message.headers.contains_key(SYNC_END) {
                true => message,
                false => arrivals.renumber(message),
            })
        };
        answers.map(renumber).boxed()
    }

    fn renumber(&self, message: Message) -> Message {
        let Ok(delivery) = Delivery::decode(message.payload.clone()) else { return message };
        let generation = self.count.fetch_add(1, Ordering::Relaxed);
        let delivery = Delivery { generation, ..delivery };
        let payload = Bytes::from(delivery.encode_to_vec());
        let (cluster, work) = (&delivery.cluster, &delivery.work);
        let signed = signature::sign(&self.key, cluster, work, generation, &payload);
        let Ok(signed) = signed else { return message };
        let mut headers = message.headers;
        headers.insert(header::SIGNATURE.to_owned(), signed);
        Message { headers, payload, ..message }
    }
}
