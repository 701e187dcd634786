//! What the placement service decides, and why: pure. A placement chooses clusters from the sets
//! that are bound to its namespace; a decision is one atomic revision, its pages are derived.

pub mod admit;
pub mod cluster;
pub mod command;
mod deadline;
mod decide;
pub mod filter;
pub mod fleet;
pub mod group;
pub mod held_scores;
pub mod index;
pub mod names;
pub mod others;
pub mod pages;
pub mod plan;
pub mod pool;
pub mod projection;
pub mod reaction;
pub mod refusal;
pub mod schedule;
pub mod score;
pub mod spread;
pub mod state;
pub mod suppose;
pub mod weights;
pub mod why;

pub use command::{PlacementCommand, PlacementKey};
pub use projection::{Change, World};
pub use refusal::Refusal;
pub use state::Placement;
