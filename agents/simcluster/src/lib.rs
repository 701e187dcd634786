//! An in-memory Kubernetes API that a kube client takes: [`SimCluster`]. Strict where clients meet
//! strictness (conflicts, managers, finalizers, `Status` errors), and with controllers that act on
//! a seeded plan; no pods run, no schema is validated, nobody is authenticated.

mod apply;
mod clock;
mod cluster;
mod controllers;
mod defaults;
mod delete;
mod discovery;
mod failure;
mod faults;
mod fields;
mod kinds;
mod managers;
mod objects;
mod patch;
mod pool;
mod random;
mod read;
mod request;
mod selectors;
mod server;
mod state;
mod stored;
mod validate;
mod watch;
mod write;

pub use cluster::{Capacity, Options, SimCluster};
pub use faults::{Fault, Faults, Requests};
pub use pool::Pool;
