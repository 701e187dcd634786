//! Waypoints in SNAP: snapshots that stay, spread over the whole log, so that the state of any
//! moment is folded from near by. A bounded number of them, the fewer bytes of log a state is worth
//! the further apart; discardable, as every snapshot.

use crate::fault::Fault;
use crate::{SNAP_BUCKET, SharedBroker};
use bytes::Bytes;
use fleetlog_kernel::ContentHash;

/// How many are kept of each service.
const SLOTS: usize = 64;
/// A state of so many bytes may be kept per commit: about what a commit takes in the log itself, so
/// that waypoints never take much more than it.
const BYTES_PER_COMMIT: u64 = 1_024;

/// Where the waypoints of one service stand: the position that each slot holds, 0 for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index([u64; SLOTS]);

impl Index {
    /// Whether a state of `bytes` at `position` is far enough from the newest one.
    pub(crate) fn is_due(&self, position: u64, bytes: u64) -> bool {
        let apart = (bytes / BYTES_PER_COMMIT).max(position / SLOTS as u64).max(1);
        position >= self.newest().saturating_add(apart)
    }

    /// Makes room for `position` and answers the slot: a free one, or that of the waypoint whose
    /// neighbours are nearest to each other, for it is missed least.
    pub(crate) fn place(&mut self, position: u64) -> usize {
        let free = self.0.iter().position(|held| *held == 0);
        let slot = free.unwrap_or_else(|| {
            let mut held: Vec<(u64, usize)> = self.0.iter().copied().zip(0..).collect();
            held.sort_unstable();
            let before = |place: usize| place.checked_sub(1).map_or(0, |before| held[before].0);
            let gap = |place: &usize| held[place + 1].0 - before(*place);
            (0..SLOTS - 1).min_by_key(gap).map_or(0, |place| held[place].1)
        });
        self.0[slot] = position;
        slot
    }

    /// The waypoints at or before `position`, the nearest first, each with its slot.
    pub(crate) fn before(&self, position: u64) -> Vec<(u64, usize)> {
        let held = self.0.iter().copied().zip(0..);
        let mut before: Vec<_> = held.filter(|(at, _)| *at > 0 && *at <= position).collect();
        before.sort_unstable_by(|a, b| b.cmp(a));
        before
    }

    fn newest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or_default()
    }

    fn read(content: &[u8]) -> Option<Self> {
        let (hash, positions) = content.split_at_checked(32)?;
        let whole = positions.len() == SLOTS * 8 && ContentHash::of(positions).as_bytes() == hash;
        let mut index = Self::default();
        for (slot, position) in index.0.iter_mut().zip(positions.chunks_exact(8)) {
            *slot = u64::from_be_bytes(position.try_into().ok()?);
        }
        whole.then_some(index)
    }

    fn written(&self) -> Bytes {
        let positions: Vec<u8> =
            self.0.iter().flat_map(|position| position.to_be_bytes()).collect();
        let mut content = ContentHash::of(&positions).as_bytes().to_vec();
        content.extend(positions);
        content.into()
    }
}

impl Default for Index {
    fn default() -> Self {
        Self([0; SLOTS])
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
    content: Bytes,
) -> Result<(), Fault> {
    let mut index = index(broker, service).await?;
    if !index.is_due(position, content.len() as u64) {
        return Ok(());
    }
    let slot = index.place(position);
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

    /// The waypoints of a log that was saved at these positions, each state of so many bytes.
    fn kept(saves: impl IntoIterator<Item = u64>, bytes: u64) -> Index {
        let mut index = Index::default();
        for position in saves {
            if index.is_due(position, bytes) {
                index.place(position);
            }
        }
        index
    }

    /// The longest way to fold for any moment up to `end`.
    fn furthest(index: &Index, end: u64) -> u64 {
        let mut stops = index.0.to_vec();
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
        let held = |bytes| kept(saves(), bytes).before(u64::MAX).len();
        assert_eq!(held(1 << 20), SLOTS);
        assert_eq!(held(100 << 20), 9, "100 MiB each, the log being about 1,000 MiB");
    }

    #[test]
    fn the_nearest_waypoint_comes_first_and_none_is_after_the_moment() {
        let index = kept([10, 20, 30], 1);
        let positions = |at| index.before(at).iter().map(|found| found.0).collect::<Vec<_>>();
        assert_eq!(positions(25), [20, 10]);
        assert_eq!(positions(30), [30, 20, 10]);
        assert_eq!(positions(9), Vec::<u64>::new());
    }

    proptest! {
        #[test]
        fn a_list_reads_back_and_no_other_content_is_one(
            saves in prop::collection::btree_set(1_u64..1_000_000, 0..200),
            content in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let index = kept(saves, 1);
            prop_assert_eq!(Index::read(&index.written()), Some(index));
            prop_assert_eq!(Index::read(&content), None);
        }
    }
}
