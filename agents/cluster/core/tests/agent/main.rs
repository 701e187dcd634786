//! The agent's choices, judged from outside: what it does event by event, and what holds for any
//! history. No Kubernetes, no hub, no clock.

mod machine;
mod member;
mod properties;
