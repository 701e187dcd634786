//! The service on the bus: agents, users and time. On the in-memory twin with a paused clock; the
//! whole story once more on a real nats-server, with each user's own permissions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod agents;
mod objects;
mod real;
mod silence;
mod stage;
mod together;
mod version_1;
