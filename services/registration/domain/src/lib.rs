//! What the registration service decides, and why: pure. Clusters join, are accepted, become
//! available or unreachable; sets group them; bindings lend sets to namespaces.

pub mod binding;
pub mod cluster;
pub mod command;
pub mod event;
pub mod fleet;
pub mod names;
mod object;
pub mod reaction;
pub mod refusal;
pub mod rights;
pub mod set;

pub use binding::Binding;
pub use cluster::Cluster;
pub use fleet::{Change, Fleet};
pub use refusal::Refusal;
pub use set::ClusterSet;
