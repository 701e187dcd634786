//! What the add-on service decides, and why: pure. Definitions say what an add-on is and where it
//! is installed, add-ons are its installations, templates what runs there. How a work travels and
//! what its agent makes of it is not known here.

pub mod command;
mod conditions;
pub mod config;
mod decide;
pub mod health;
pub mod names;
pub mod plan;
mod progress;
pub mod projection;
pub mod reaction;
pub mod refusal;
pub mod render;
mod row;
pub mod state;
pub mod turns;

pub use config::Config;
pub use names::{AddOnKey, PlacementKey};
pub use projection::{Change, Fleet};
pub use reaction::Follow;
pub use refusal::Refusal;
pub use state::{AddOn, Definition, Template};
