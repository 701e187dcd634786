//! Everything in one process beside a supervised nats-server: the hub's services, simulated member
//! clusters with their agents, and what is built of them: `dev`, `demo` and `replay`. The services
//! are the same libraries that their own binaries run, and meet only on NATS.

pub mod demo;
pub mod dev;
mod fleet;
mod hub;
mod listener;
pub mod replay;

pub use fleet::{Fleet, FleetOptions};
pub use hub::EmbeddedHub;
