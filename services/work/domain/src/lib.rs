//! What the work service decides, and why: pure. Manifest works are delivered to clusters and their
//! agents' reports kept; replica sets fan a template out to the clusters of their placements. How
//! anything travels is the shell's; what a manifest means is the member cluster's.

pub mod command;
pub mod conditions;
mod decide;
pub mod delivery;
pub mod fanout;
pub mod feedback;
pub mod manifests;
pub mod metadata;
pub mod name;
pub mod projection;
pub mod reaction;
pub mod refusal;
mod row;
pub mod state;
pub mod summary;
pub mod turns;

pub use projection::{Change, Fleet};
pub use reaction::Follow;
pub use refusal::Refusal;
pub use state::{ReplicaSet, Work};
