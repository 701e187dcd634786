//! What the tests share: a guard for a real hub, connections to it in each role, waiting for a
//! condition. What is tested, and how, is the tests' own.

mod eventually;
mod hub;

pub use eventually::eventually;
pub use hub::TestHub;

use fleetlog_kernel::Timestamp;

/// The moment at which every test's hub was made.
pub const MADE: Timestamp = Timestamp::of_seconds(1_700_000_000);
