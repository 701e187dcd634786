//! What the tests share: guards for real hubs and a real Kubernetes API, connections in each role,
//! waiting for a condition, processes that stop at a named place. What is tested, and how, is the
//! tests' own.

mod cluster;
mod controllers;
pub mod crash;
mod eventually;
mod hub;
mod kube_member;

pub use cluster::TestCluster;
pub use eventually::{eventually, eventually_within};
pub use hub::TestHub;
pub use kube_member::KubeMember;
pub use tempfile::TempDir;

use fleetlog_kernel::Timestamp;

/// The moment at which every test's hub was made.
pub const MADE: Timestamp = Timestamp::of_seconds(1_700_000_000);
