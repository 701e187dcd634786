//! The behaviours of placement by their numbers in `tests/catalogue/rp.md`: each test's name begins
//! with its number. Where ours differs on purpose, the first line says so.

mod choosing;
pub mod expressions;
mod feed;
mod groups;
mod policies;
mod scores;
pub mod specs;
mod taints;
