//! The agent of one member cluster: it joins, listens, syncs, beats and renews; what is to be done
//! is chosen by `fleetlog-agent-core` and carried out here, on untyped Kubernetes objects, without
//! choices. One task per agent, all waits on tokio's time.

mod agent;
mod dialer;
mod gate;
mod keys;
mod member;
mod membership;
mod paths;
pub mod process;
mod refusal;
mod runner;
mod secret;
mod uplink;
mod watch;
mod wire;

pub use agent::{Agent, Parts, Settings, Standing};
pub use dialer::{Caller, Dialer, Nats, Shared};
pub use fleetlog_agent_core::Pace;
pub use gate::{Gate, Gated};
pub use keys::{FileKeys, Kept, KeyStore, MemoryKeys, Place};
pub use refusal::Refusal;
pub use secret::SecretKeys;
