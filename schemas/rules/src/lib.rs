//! What several domains share and users know: selectors, quantities, durations, conditions, taints,
//! membership of sets, metadata. Pure; nothing is decided here.

pub mod cel;
pub mod condition;
pub mod duration;
pub mod finalizers;
pub mod labels;
pub mod membership;
pub mod metadata;
pub mod quantity;
pub mod rollout;
pub mod score;
pub mod taint;

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;

/// A moment as API objects write it in metadata and conditions: whole seconds.
#[must_use]
pub fn time(at: Timestamp) -> Time {
    Time { seconds: at.seconds(), ..Time::default() }
}

/// The moment that an API object's time means.
#[must_use]
pub fn moment(time: &Time) -> Timestamp {
    Timestamp::of_nanos(i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
}
