//! An agent's side of the conversation with its hub: join, beat, renew, sync, blobs, reports and
//! the live deliveries. What the agent does with them is its own.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Message};
use crate::reports::Reports;
use crate::signature::{SignatureError, verify};
use bytes::{Bytes, BytesMut};
use fleetlog_kernel::{ClusterName, ContentHash};
use fleetlog_messages::common::{
    Beat, BeatAnswer, BlobRequest, JoinAnswer, JoinRequest, RenewRequest, SyncEnd, SyncRequest,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, Report, Subject};
use fleetlog_messages::work::Delivery;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use std::time::Duration;

/// Marks the message that ends a sync answer.
pub const SYNC_END: &str = "Fl-Sync-End";
/// How long an agent waits for an answer, or for the next part of one.
const WITHIN: Duration = Duration::from_secs(5);

/// A delivery as it came; it counts only once it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDelivery {
    /// The encoded delivery.
    pub payload: Bytes,
    /// Its signature, base64, if it has one.
    pub signature: Option<String>,
    /// The cluster it was sent to.
    pub cluster: String,
    /// The work in its subject; `None` in a sync answer, which has no such subject.
    pub work: Option<String>,
}

impl SignedDelivery {
    /// The delivery, if the hub's key signed it and it is about what its subject says.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verified(&self, work_key: &str) -> Result<Delivery, SignatureError> {
        let delivery = Delivery::decode(self.payload.clone())
            .map_err(|error| SignatureError::Unreadable(error.to_string()))?;
        let (cluster, work) = (delivery.cluster.as_str(), delivery.work.as_str());
        if cluster != self.cluster || self.work.as_deref().is_some_and(|named| named != work) {
            return Err(SignatureError::Astray(format!("{cluster}/{work}")));
        }
        let signature = self.signature.as_deref().ok_or(SignatureError::Missing)?;
        verify(work_key, signature, (cluster, work, delivery.generation), &self.payload)?;
        Ok(delivery)
    }
}

/// One agent's link to its hub.
#[derive(Clone)]
pub struct AgentLink {
    broker: SharedBroker,
    cluster: ClusterName,
}

impl AgentLink {
    /// Over a connection of the agent's user (for [`Self::join`], of the join token's).
    #[must_use]
    pub fn new(broker: SharedBroker, cluster: ClusterName) -> Self {
        Self { broker, cluster }
    }

    /// Asks to be the cluster's agent; `token_key` is the join token's public key.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn join(&self, token_key: &str, request: &JoinRequest) -> Result<JoinAnswer, Fault> {
        self.ask(&subject::join(token_key), request).await
    }

    /// Says that the agent lives.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn beat(&self, beat: &Beat) -> Result<BeatAnswer, Fault> {
        self.ask(&subject::ask(&self.cluster, "beat"), beat).await
    }

    /// Asks for a new credential.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn renew(&self, request: &RenewRequest) -> Result<JoinAnswer, Fault> {
        self.ask(&subject::ask(&self.cluster, "renew"), request).await
    }

    /// Asks for everything the cluster should run; the answer is complete or an error.
    ///
    /// # Errors
    /// A hub that does not answer, or an answer that ends too early.
    pub async fn sync(
        &self,
        request: &SyncRequest,
    ) -> Result<(Vec<SignedDelivery>, SyncEnd), Fault> {
        let subject = subject::ask(&self.cluster, "sync");
        let incomplete = |why: &str| Fault::passing(format!("ask \"{subject}\""), why.to_owned());
        let payload = request.encode_to_vec().into();
        let mut answers = self.broker.request_many(&subject, payload, WITHIN).await?;
        let mut deliveries = vec![];
        while let Some(message) = answers.try_next().await? {
            if message.headers.contains_key(SYNC_END) {
                let end = SyncEnd::decode(message.payload)
                    .map_err(|error| Fault::lasting(format!("ask \"{subject}\""), error))?;
                return if end.works as usize == deliveries.len() {
                    Ok((deliveries, end))
                } else {
                    Err(incomplete("the answer lacks deliveries"))
                };
            }
            let (cluster, signature) = (self.cluster.to_string(), signature(&message.headers));
            deliveries.push(SignedDelivery {
                payload: message.payload,
                signature,
                cluster,
                work: None,
            });
        }
        Err(incomplete("the answer ended without its end"))
    }

    /// Fetches a blob; `None` when the hub has none of this hash.
    ///
    /// # Errors
    /// A hub that does not answer, or content of another hash.
    pub async fn blob(&self, hash: &ContentHash) -> Result<Option<Bytes>, Fault> {
        let subject = subject::ask(&self.cluster, "blob");
        let payload = BlobRequest { hash: hash.to_string() }.encode_to_vec().into();
        let mut answers = self.broker.request_many(&subject, payload, WITHIN).await?;
        let mut content = BytesMut::new();
        let mut parts = 0;
        while let Some(message) = answers.try_next().await? {
            content.extend_from_slice(&message.payload);
            parts += 1;
        }
        let content = content.freeze();
        if ContentHash::of(&content) == *hash {
            return Ok(Some(content));
        }
        if parts == 0 {
            return Ok(None);
        }
        Err(Fault::passing(format!("fetch blob \"{hash}\""), "what came has another hash"))
    }

    /// Reports about the cluster or a work.
    ///
    /// # Errors
    /// A hub that does not take it.
    pub async fn report(&self, about: &Report, payload: Bytes) -> Result<u64, Fault> {
        Reports::new(self.broker.clone()).send(&self.cluster, about, payload).await
    }

    /// Listens to deliveries as they are published; subscribed when this returns.
    ///
    /// # Errors
    /// When the subscription is refused.
    pub async fn live(&self) -> Result<BoxStream<'static, SignedDelivery>, Fault> {
        let messages = self.broker.subscribe(&subject::live(&self.cluster), None).await?;
        Ok(messages.filter_map(|message| async move { delivered(message) }).boxed())
    }

    /// Listens for being told to beat; subscribed when this returns. What comes has no content, so
    /// nothing needs to vouch for it: its worst is a beat too many.
    ///
    /// # Errors
    /// When the subscription is refused.
    pub async fn told_to_beat(&self) -> Result<BoxStream<'static, ()>, Fault> {
        let messages = self.broker.subscribe(&subject::beat_now(&self.cluster), None).await?;
        Ok(messages.map(|_| ()).boxed())
    }

    async fn ask<A: prost::Message + Default>(
        &self,
        subject: &Subject,
        request: &impl prost::Message,
    ) -> Result<A, Fault> {
        let payload = request.encode_to_vec().into();
        let answer = self.broker.request(subject, payload, WITHIN).await?;
        A::decode(answer.payload)
            .map_err(|error| Fault::lasting(format!("ask \"{subject}\""), error))
    }
}

fn signature(headers: &Headers) -> Option<String> {
    headers.get(header::SIGNATURE).cloned()
}

fn delivered(message: Message) -> Option<SignedDelivery> {
    let (cluster, work) = subject::delivered(&message.subject)?;
    let signature = signature(&message.headers);
    Some(SignedDelivery { payload: message.payload, signature, cluster, work: Some(work) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_message_counts_without_the_hubs_signature(
            payload in prop::collection::vec(any::<u8>(), 0..64),
            signature in prop::option::of("\\PC*"),
            subject in "(fl\\.(live|work)\\.)?\\PC*",
            key in "\\PC*",
        ) {
            let payload = Bytes::from(payload);
            let headers = Headers::from_iter(
                signature.map(|signature| (header::SIGNATURE.to_owned(), signature)),
            );
            let message = Message { subject, headers, payload, reply: None };
            if let Some(delivery) = delivered(message) {
                let hub = nkeys::KeyPair::new_user().public_key();
                prop_assert!(delivery.verified(&hub).is_err());
                prop_assert!(delivery.verified(&key).is_err());
            }
        }

        #[test]
        fn a_good_delivery_counts_only_as_its_hub_signed_it(forged in prop::option::of("\\PC*")) {
            let (cluster, work) = ("c1".to_owned(), "w".to_owned());
            let delivery = Delivery { cluster, work, ..Delivery::default() };
            let payload = Bytes::from(delivery.encode_to_vec());
            let (hub, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
            let sign = |key| crate::signature::sign(key, "c1", "w", 0, &payload).ok();
            let came = |signature: Option<String>| SignedDelivery {
                payload: payload.clone(),
                signature,
                cluster: "c1".into(),
                work: Some("w".into()),
            };
            let verdict = |signature| came(signature).verified(&hub.public_key());
            prop_assert_eq!(verdict(sign(&hub)), Ok(delivery));
            prop_assert_eq!(verdict(None), Err(SignatureError::Missing));
            prop_assert_eq!(verdict(sign(&other)), Err(SignatureError::Wrong));
            if let Some(forged) = forged {
                prop_assert_eq!(verdict(Some(forged)), Err(SignatureError::Wrong));
            }
        }
    }
}
