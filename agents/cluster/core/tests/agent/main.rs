//! The agent's choices, judged from outside: what it does event by event, and what holds for any
//! history. No Kubernetes, no hub, no clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod lists;
mod machine;
mod member;
mod properties;
