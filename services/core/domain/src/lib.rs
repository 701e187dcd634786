//! What becomes of plain objects: namespaces, settings, secrets, roles and the other kinds that no
//! service has an opinion on beyond what every object must be. Pure. Which of them a caller may
//! touch is the gateway's; what a secret says is not known here.

pub mod command;
mod decide;
mod definition;
mod namespace;
pub mod object;
pub mod projection;
pub mod reaction;
pub mod refusal;
mod row;
pub mod state;

pub use projection::{Change, World};
pub use reaction::Follow;
pub use refusal::Refusal;
pub use state::Plain;
