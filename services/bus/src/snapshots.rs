//! SNAP: folded states, the two newest of each service and waypoints before them, discardable. A
//! damaged one is passed over; the log is enough without any. A small index beside them says which
//! is which, so that the newest is fetched alone; it is a hint, and what it says wrongly costs a
//! second look.

use crate::fault::Fault;
use crate::sealed::{opened, sealed};
use crate::waypoints::Edition;
use crate::{SNAP_BUCKET, SharedBroker, waypoints};
use bytes::Bytes;
use fleetlog_kernel::Service;
use fleetlog_messages::common::Snapshot;
use prost::Message as _;
use std::ops::RangeInclusive;

const SLOTS: [&str; 2] = ["a", "b"];

/// SNAP.
#[derive(Clone)]
pub struct Snapshots {
    broker: SharedBroker,
}

/// A slot, and the position of what the index says lies in it.
type Slot = (String, Option<u64>);

impl Snapshots {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Keeps a snapshot of `service` at `position`, which [`encode`] wrote, in place of the older
    /// one of the two that are there, and as a waypoint of its edition where one is due.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn keep(
        &self,
        service: &str,
        position: u64,
        edition: Edition,
        content: Bytes,
    ) -> Result<(), Fault> {
        let mut slots = self.slots(service).await?;
        for (slot, held) in &mut slots {
            if held.is_none() {
                *held = self.fetch(service, slot).await?.map(|held| held.position);
            }
        }
        slots.sort_by_key(|(_, held)| *held);
        let oldest = slots[0].0.clone();
        slots[0].1 = Some(position);
        slots.sort();
        // The index goes first: what it promises and a crash keeps from coming is looked for.
        let lines = slots.iter().filter_map(|(slot, held)| Some(format!("{slot} {}\n", (*held)?)));
        let index = Bytes::from(lines.collect::<String>());
        self.broker.put_object(SNAP_BUCKET, service, index).await?;
        let name = name(service, &oldest);
        self.broker.put_object(SNAP_BUCKET, &name, content.clone()).await?;
        waypoints::keep(&self.broker, service, position, edition, content).await
    }

    /// Those within some positions, each fetched when it is asked for; when these have an end, the
    /// waypoints of an edition on the way there too.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn candidates(
        &self,
        service: Service,
        within: &RangeInclusive<u64>,
        edition: Edition,
    ) -> Result<Candidates, Fault> {
        let mut left = self.slots(service.token()).await?;
        if *within.end() < u64::MAX {
            let index = waypoints::index(&self.broker, service.token()).await?;
            let before = index.before(*within.end(), edition).into_iter();
            left.extend(before.map(|(at, slot)| (waypoints::slot_name(slot), Some(at))));
        }
        left.retain(|(_, held)| held.is_none_or(|held| within.contains(&held)));
        Ok(Candidates { snapshots: self.clone(), service, left, fetched: vec![] })
    }

    /// The slots with what the index knows of them; nothing, where it cannot be read.
    async fn slots(&self, service: &str) -> Result<Vec<Slot>, Fault> {
        let index = self.broker.get_object(SNAP_BUCKET, service).await?.unwrap_or_default();
        let index = String::from_utf8_lossy(&index);
        let position = |slot: &str| {
            let mut lines = index.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(name, _)| *name == slot)?.1.parse().ok()
        };
        Ok(SLOTS.map(|slot| (slot.to_owned(), position(slot))).into())
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

/// The snapshots of a service that are whole, newest first; the next is fetched when it is needed.
pub struct Candidates {
    snapshots: Snapshots,
    service: Service,
    left: Vec<Slot>,
    fetched: Vec<Snapshot>,
}

impl Candidates {
    /// The newest one that was not given yet.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn next(&mut self) -> Result<Option<Snapshot>, Fault> {
        // Of the slots that are left, the one that may hold the newest; unknown ones first.
        let may_hold = |held: &Option<u64>| held.unwrap_or(u64::MAX);
        loop {
            self.fetched.sort_by_key(|snapshot| snapshot.position);
            self.left.sort_by_key(|(_, held)| may_hold(held));
            let newest = self.fetched.last().map(|snapshot| snapshot.position);
            match self.left.pop_if(|(_, held)| newest.is_none_or(|it| may_hold(held) > it)) {
                Some((slot, _)) => {
                    let found = self.snapshots.fetch(self.service.token(), &slot).await?;
                    self.fetched.extend(found);
                }
                None => return Ok(self.fetched.pop()),
            }
        }
    }
}

fn name(service: &str, slot: &str) -> String {
    format!("{service}-{slot}")
}

/// A snapshot as it is kept: its hash, then itself. Work for a thread of its own when it is large.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Bytes {
    sealed(snapshot.encoded_len(), |content| {
        // A `Vec` grows: there is always room.
        let _ = snapshot.encode(content);
    })
}

fn read(content: &Bytes) -> Option<Snapshot> {
    Snapshot::decode(opened(content)?).ok()
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
