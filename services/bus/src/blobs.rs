//! BLOBS: content under its own hash, created once. Large content is cut into chunks that an index
//! names; readers see only whole, verified content.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Publish, PublishError, StoredMessage};
use bytes::{Bytes, BytesMut};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::subject;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// The largest content kept in one message.
pub const CHUNK: usize = 512 * 1024;
/// How many chunks an index may name: 256 MiB.
pub const MAX_CHUNKS: usize = 512;
/// Marks an index and says how many chunks it names.
const CHUNKS: &str = "Fl-Chunks";
/// The size of the whole content, in an index.
const SIZE: &str = "Fl-Size";
const STREAM: &str = "BLOBS";
/// How many chunks are on their way at once.
const AT_ONCE: usize = 8;

/// BLOBS.
#[derive(Clone)]
pub struct Blobs {
    broker: SharedBroker,
}

impl Blobs {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Keeps content; durable and read back when this returns.
    ///
    /// # Errors
    /// A server that does not take it, or content that is too large.
    pub async fn put(&self, content: Bytes) -> Result<ContentHash, Fault> {
        let hash = ContentHash::of(&content);
        if content.len() <= CHUNK {
            self.keep(hash, Headers::new(), content).await?;
            return Ok(hash);
        }
        let starts = (0..content.len()).step_by(CHUNK);
        let chunks = starts.map(|at| content.slice(at..(at + CHUNK).min(content.len())));
        let kept = stream::iter(chunks).map(|chunk| async move {
            let hash = ContentHash::of(&chunk);
            self.keep(hash, Headers::new(), chunk).await.map(|()| hash)
        });
        let chunks: Vec<ContentHash> = kept.buffered(AT_ONCE).try_collect().await?;
        self.keep_index(hash, content.len(), &chunks).await?;
        Ok(hash)
    }

    /// Joins chunks that are kept already into one content; answers its hash.
    ///
    /// # Errors
    /// A chunk that is missing, too many chunks, or a server that does not answer.
    pub async fn put_index(&self, chunks: &[ContentHash]) -> Result<ContentHash, Fault> {
        let whole = self.join(chunks).await?;
        let hash = ContentHash::of(&whole);
        self.keep_index(hash, whole.len(), chunks).await?;
        Ok(hash)
    }

    /// The content of this hash, whole and verified.
    ///
    /// # Errors
    /// A server that does not answer, or content that is damaged.
    pub async fn get(&self, hash: &ContentHash) -> Result<Option<Bytes>, Fault> {
        let Some(message) = self.broker.last(STREAM, &subject::blob(hash)).await? else {
            return Ok(None);
        };
        let content = match chunks_of(&message)? {
            Some(chunks) => self.join(&chunks).await?,
            None => message.payload,
        };
        if ContentHash::of(&content) != *hash {
            return Err(Fault::lasting(format!("read blob \"{hash}\""), "it is damaged"));
        }
        Ok(Some(content))
    }

    /// How large the content of this hash is, if it is kept.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn size(&self, hash: &ContentHash) -> Result<Option<u64>, Fault> {
        let message = self.broker.last(STREAM, &subject::blob(hash)).await?;
        Ok(message.map(|message| {
            let whole = message.headers.get(SIZE).and_then(|size| size.parse().ok());
            whole.unwrap_or(message.payload.len() as u64)
        }))
    }

    async fn join(&self, chunks: &[ContentHash]) -> Result<Bytes, Fault> {
        if chunks.is_empty() || chunks.len() > MAX_CHUNKS {
            let many = format!("it has {} chunks, 1 to {MAX_CHUNKS} are taken", chunks.len());
            return Err(Fault::lasting("join chunks", many));
        }
        let parts = stream::iter(chunks.to_vec()).map(|hash| async move {
            let step = || format!("read chunk \"{hash}\"");
            let found = self.broker.last(STREAM, &subject::blob(&hash)).await?;
            let found = found.ok_or_else(|| Fault::lasting(step(), "it is missing"))?;
            if ContentHash::of(&found.payload) != hash {
                return Err(Fault::lasting(step(), "it is damaged"));
            }
            Ok(found.payload)
        });
        let mut whole = BytesMut::new();
        let mut parts = parts.buffered(AT_ONCE).boxed();
        while let Some(part) = parts.try_next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    async fn keep_index(
        &self,
        hash: ContentHash,
        size: usize,
        chunks: &[ContentHash],
    ) -> Result<(), Fault> {
        if chunks.len() > MAX_CHUNKS {
            let large = format!("it has {size} bytes, at most {} are taken", CHUNK * MAX_CHUNKS);
            return Err(Fault::lasting(format!("keep blob \"{hash}\""), large));
        }
        let names: Vec<String> = chunks.iter().map(ContentHash::to_string).collect();
        let headers = Headers::from([
            (CHUNKS.to_owned(), chunks.len().to_string()),
            (SIZE.to_owned(), size.to_string()),
        ]);
        self.keep(hash, headers, names.join("\n").into()).await
    }

    /// Creates one message; success is what lies there afterwards, whoever put it.
    async fn keep(&self, hash: ContentHash, headers: Headers, payload: Bytes) -> Result<(), Fault> {
        let (subject, step) = (subject::blob(&hash), || format!("keep blob \"{hash}\""));
        let is_index = headers.contains_key(CHUNKS);
        let stored = self.broker.publish(Publish {
            subject: subject.as_str().to_owned(),
            headers,
            payload: payload.clone(),
            ..Publish::default()
        });
        match stored.await {
            Ok(_) | Err(PublishError::Full) => {}
            Err(error) => return Err(error.into_fault(step())),
        }
        let kept = self.broker.last(STREAM, &subject).await?;
        let kept = kept.ok_or_else(|| Fault::passing(step(), "the server did not keep it"))?;
        let whole = kept.headers.contains_key(CHUNKS) == is_index && kept.payload == payload;
        // Content may lie there whole or cut otherwise: both are the content of that hash.
        if whole || self.get(&hash).await?.is_some() {
            return Ok(());
        }
        Err(Fault::passing(step(), "it was not found again"))
    }
}

fn chunks_of(message: &StoredMessage) -> Result<Option<Vec<ContentHash>>, Fault> {
    if !message.headers.contains_key(CHUNKS) {
        return Ok(None);
    }
    let bad =
        || Fault::lasting(format!("read blob \"{}\"", message.subject), "its index is damaged");
    let text = std::str::from_utf8(&message.payload).map_err(|_| bad())?;
    let chunks: Option<Vec<ContentHash>> = text.lines().map(ContentHash::parse).collect();
    chunks.map(Some).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_index_makes_the_reader_panic(
            payload in prop::collection::vec(any::<u8>(), 0..200),
            hashes in prop::collection::vec("[0-9a-g]{63,65}", 0..4),
        ) {
            let subject = subject::blob(&ContentHash::of(b"x")).as_str().to_owned();
            let headers = Headers::from([(CHUNKS.to_owned(), "2".to_owned())]);
            for payload in [payload.into(), Bytes::from(hashes.join("\n"))] {
                let (subject, headers) = (subject.clone(), headers.clone());
                let message = StoredMessage { sequence: 1, subject, headers, payload, pending: 0 };
                if let Ok(chunks) = chunks_of(&message) {
                    prop_assert!(chunks.is_some());
                }
            }
        }
    }
}
