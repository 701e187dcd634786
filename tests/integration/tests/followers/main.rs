//! Other people's services that read the log: what they get, that it is theirs alone, that it ends
//! with them, and the examples of the SDK as they would run them. On a real server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../../../../services/bus/examples/command.rs"]
mod command;
mod examples;
#[path = "../../../../services/bus/examples/follow.rs"]
mod follow;
mod reading;
#[path = "../../../../services/bus/examples/replay.rs"]
mod replay;
mod stage;
