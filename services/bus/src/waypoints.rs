//! Waypoints in SNAP: snapshots that stay, spread over the whole log, so that the state of any
//! moment is folded from near by. A bounded number of them, the fewer bytes of log a state is worth
//! the further apart; discardable, as every snapshot. Those of another edition are not looked at,
//! and newer ones take their places first.

use crate::fault::Fault;
use crate::sealed::{opened, sealed};
use crate::{SNAP_BUCKET, SharedBroker};
use bytes::Bytes;

/// How many are kept of each service.
const SLOTS: usize = 64;
/// A state of so many bytes may be kept per commit: about what a commit takes in the log itself, so
/// that waypoints never take much more than it.
const BYTES_PER_COMMIT: u64 = 1_024;
/// How many bytes a slot has in the list: two numbers of eight and two of four.
const SLOT: usize = 24;

/// Under what a state was folded: under another one it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    /// The format of its rows.
    pub format: u32,
    /// The version of what the service makes of its events.
    pub version: u32,
    /// The position at which the service was asked last to fold the log anew; 0 for never.
    pub since: u64,
}

/// What a slot holds: a state at this position, 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    position: u64,
    edition: Edition,
}

/// Where the waypoints of one service stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index([Slot; SLOTS]);

impl Index {
    /// Whether a state of `bytes` at `position` is far enough from the newest of its edition.
    fn is_due(&self, position: u64, edition: Edition, bytes: u64) -> bool {
        let apart = (bytes / BYTES_PER_COMMIT).max(position / SLOTS as u64).max(1);
        let mine = self.0.iter().filter(|slot| slot.edition == edition);
        let newest = mine.map(|slot| slot.position).max().unwrap_or_default();
        position >= newest.saturating_add(apart)
    }

    /// Makes room for `position` and answers the slot: a free one, one of another edition, or that
    /// of the waypoint whose neighbours are nearest to each other, for it is missed least.
    fn place(&mut self, position: u64, edition: Edition) -> usize {
        let free = self.0.iter().position(|slot| slot.position == 0);
        let stale = || self.0.iter().position(|slot| slot.edition != edition);
        let slot = free.or_else(stale).unwrap_or_else(|| {
            let held = self.0.iter().map(|slot| slot.position);
            let mut held: Vec<(u64, usize)> = held.zip(0..).collect();
            held.sort_unstable();
            let before = |place: usize| place.checked_sub(1).map_or(0, |before| held[before].0);
            let gap = |place: &usize| held[place + 1].0 - before(*place);
            (0..SLOTS - 1).min_by_key(gap).map_or(0, |place| held[place].1)
        });
        self.0[slot] = Slot { position, edition };
        slot
    }

    /// The waypoints of an edition at or before `position`, the nearest first, each with its slot.
    pub(crate) fn before(&self, position: u64, edition: Edition) -> Vec<(u64, usize)> {
        let mine = self.0.iter().zip(0..).filter(|(slot, _)| slot.edition == edition);
        let held = mine.map(|(slot, number)| (slot.position, number));
        let mut before: Vec<_> = held.filter(|(at, _)| *at > 0 && *at <= position).collect();
        before.sort_unstable_by(|a, b| b.cmp(a));
        before
    }

    fn read(content: &[u8]) -> Option<Self> {
        let slots = opened(content)?;
        let mut index = Self::default();
        for (slot, bytes) in index.0.iter_mut().zip(slots.chunks_exact(SLOT)) {
            *slot = Slot::read(bytes)?;
        }
        (slots.len() == SLOTS * SLOT).then_some(index)
    }

    fn written(&self) -> Bytes {
        sealed(SLOTS * SLOT, |content| self.0.iter().for_each(|slot| slot.write(content)))
    }
}

impl Slot {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (position, rest) = bytes.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (format, rest) = rest.split_first_chunk()?;
        let edition = Edition {
            format: u32::from_be_bytes(*format),
            version: u32::from_be_bytes(*rest.first_chunk()?),
            since: u64::from_be_bytes(*since),
        };
        Some(Self { position: u64::from_be_bytes(*position), edition })
    }

    fn write(&self, content: &mut Vec<u8>) {
        let Edition { format, version, since } = self.edition;
        content.extend([self.position, since].into_iter().flat_map(u64::to_be_bytes));
        content.extend([format, version].into_iter().flat_map(u32::to_be_bytes));
    }
}

impl Default for Index {
    fn default() -> Self {
        Self([Slot::default(); SLOTS])
    }
}

/// Where the waypoints of a service stand; a damaged note of it counts as none.
pub(crate) async fn index(broker: &SharedBroker, service: &str) -> Result<Index, Fault> {
    let name = format!("{service}-waypoints");
    let content = broker.get_object(SNAP_BUCKET, &name).await?;
    let index = content.as_deref().and_then(Index::read);
    if content.is_some() && index.is_none() {
        tracing::warn!(name, "a damaged list of waypoints is passed over");
    }
    Ok(index.unwrap_or_default())
}

/// Keeps the content of a snapshot as a waypoint, if one is due. The list is
/// written last: what it names and is not there, or is another, is passed over by readers.
pub(crate) async fn keep(
    broker: &SharedBroker,
    service: &str,
    position: u64,
    edition: Edition,
    content: Bytes,
) -> Result<(), Fault> {
    let mut index = index(broker, service).await?;
    if !index.is_due(position, edition, content.len() as u64) {
        return Ok(());
    }
    let slot = index.place(position, edition);
    let name = format!("{service}-{}", slot_name(slot));
    broker.put_object(SNAP_BUCKET, &name, content).await?;
    broker.put_object(SNAP_BUCKET, &format!("{service}-waypoints"), index.written()).await
}

/// What a slot is called beside the two newest snapshots.
pub(crate) fn slot_name(slot: usize) -> String {
    format!("waypoint-{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINE: Edition = Edition { format: 2, version: 1, since: 0 };

    /// The waypoints of a log that was saved at these positions, each state of so many bytes.
    fn kept(saves: impl IntoIterator<Item = u64>, bytes: u64) -> Index {
        let mut index = Index::default();
        keep_on(&mut index, saves, bytes, MINE);
        index
    }

    fn keep_on(
        index: &mut Index,
        saves: impl IntoIterator<Item = u64>,
        bytes: u64,
        edition: Edition,
    ) {
        for position in saves {
            if index.is_due(position, edition, bytes) {
                index.place(position, edition);
            }
        }
    }

    /// The longest way to fold for any moment up to `end`.
    fn furthest(index: &Index, end: u64) -> u64 {
        let mut stops: Vec<u64> = index.0.iter().map(|slot| slot.position).collect();
        stops.extend([0, end]);
        stops.sort_unstable();
        stops.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    #[test]
    fn every_moment_of_a_long_log_has_a_waypoint_near_by() {
        for end in [100_000, 1_000_000, 10_000_000] {
            let index = kept((1..=end / 10_000).map(|n| n * 10_000), 1_000);
            let most = (end / 16).max(10_000);
            assert!(furthest(&index, end) <= most, "{} of {end}", furthest(&index, end));
        }
        let million = kept((1..=100).map(|n| n * 10_000), 1_000);
        assert!(furthest(&million, 1_000_000) <= 40_000, "{}", furthest(&million, 1_000_000));
    }

    #[test]
    fn large_states_are_kept_further_apart() {
        let saves = || (1..=100).map(|n| n * 10_000);
        let held = |bytes| kept(saves(), bytes).before(u64::MAX, MINE).len();
        assert_eq!(held(1 << 20), SLOTS);
        assert_eq!(held(100 << 20), 9, "100 MiB each, the log being about 1,000 MiB");
    }

    #[test]
    fn the_nearest_waypoint_comes_first_and_none_is_after_the_moment() {
        let index = kept([10, 20, 30], 1);
        let positions = |at| index.before(at, MINE).iter().map(|found| found.0).collect::<Vec<_>>();
        assert_eq!(positions(25), [20, 10]);
        assert_eq!(positions(30), [30, 20, 10]);
        assert_eq!(positions(9), Vec::<u64>::new());
    }

    #[test]
    fn those_of_another_edition_are_not_there_and_their_places_are_taken_first() {
        let rebuilt = Edition { since: 50, ..MINE };
        for newer in [Edition { format: 3, ..MINE }, Edition { version: 2, ..MINE }, rebuilt] {
            let mut index = kept(1..=64, 1);
            assert_eq!(index.before(u64::MAX, newer), []);
            keep_on(&mut index, 65..=80, 1, newer);
            let positions = |edition| -> Vec<u64> {
                index.before(u64::MAX, edition).into_iter().map(|found| found.0).collect()
            };
            assert_eq!(positions(newer), (65..=80).rev().collect::<Vec<_>>());
            assert_eq!(positions(MINE).len(), SLOTS - 16, "none but old ones made room");
        }
    }

    proptest! {
        #[test]
        fn a_list_reads_back_and_no_other_content_is_one(
            saves in prop::collection::btree_set(1_u64..1_000_000, 0..200),
            content in prop::collection::vec(any::<u8>(), 0..2_000),
            (format, version, since) in any::<(u32, u32, u64)>(),
        ) {
            let mut index = kept(saves, 1);
            index.place(7, Edition { format, version, since });
            prop_assert_eq!(Index::read(&index.written()), Some(index));
            prop_assert_eq!(Index::read(&content), None);
        }
    }
}
