//! SNAP: folded states, two of each service, discardable. A damaged one is passed over; the log is
//! enough without any.

use crate::fault::Fault;
use crate::{SNAP_BUCKET, SharedBroker};
use bytes::Bytes;
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::common::Snapshot;
use prost::Message as _;

const SLOTS: [&str; 2] = ["a", "b"];

/// SNAP.
#[derive(Clone)]
pub struct Snapshots {
    broker: SharedBroker,
}

impl Snapshots {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Keeps a snapshot in place of the older one of the two that are there.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn save(&self, snapshot: &Snapshot) -> Result<(), Fault> {
        let mut oldest = (SLOTS[0], None);
        for (index, slot) in SLOTS.into_iter().enumerate() {
            let held = self.fetch(&snapshot.service, slot).await?.map(|held| held.position);
            if index == 0 || held < oldest.1 {
                oldest = (slot, held);
            }
        }
        let encoded = snapshot.encode_to_vec();
        let mut content = ContentHash::of(&encoded).as_bytes().to_vec();
        content.extend(encoded);
        let name = name(&snapshot.service, oldest.0);
        self.broker.put_object(SNAP_BUCKET, &name, content.into()).await
    }

    /// The snapshots of a service that are whole, newest first.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn newest(&self, service: Service) -> Result<Vec<Snapshot>, Fault> {
        let mut found = vec![];
        for slot in SLOTS {
            found.extend(self.fetch(service.token(), slot).await?);
        }
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.position));
        Ok(found)
    }

    async fn fetch(&self, service: &str, slot: &str) -> Result<Option<Snapshot>, Fault> {
        let name = name(service, slot);
        let Some(content) = self.broker.get_object(SNAP_BUCKET, &name).await? else {
            return Ok(None);
        };
        let snapshot = read(&content);
        if snapshot.is_none() {
            tracing::warn!(name, "a damaged snapshot is passed over");
        }
        Ok(snapshot)
    }
}

fn name(service: &str, slot: &str) -> String {
    format!("{service}-{slot}")
}

fn read(content: &Bytes) -> Option<Snapshot> {
    let (hash, encoded) = content.split_at_checked(32)?;
    if ContentHash::of(encoded).as_bytes() != hash {
        return None;
    }
    Snapshot::decode(encoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_content_makes_the_reader_panic(content in prop::collection::vec(any::<u8>(), 0..96)) {
            prop_assert_eq!(read(&content.into()), None);
        }
    }
}
