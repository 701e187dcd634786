//! Finds or installs the servers Fleetlog stands on, and keeps them supervised.
//!
//! Everything here blocks for milliseconds (a server's start) to minutes (a first installation);
//! asynchronous callers use `spawn_blocking` for the latter. What the servers hold is not known
//! here.

pub mod cache;
pub mod error;
mod install;
pub mod kube;
mod kube_certificates;
mod kube_ready;
pub mod nats;
pub mod resolve;
pub mod supervise;
pub mod supervisor;
pub mod version;

pub use error::ToolError;
pub use kube::KubeServer;
pub use nats::{NatsConfig, NatsServer};
pub use resolve::{Progress, etcd, kube_apiserver, kubectl, nats_server, quiet};
pub use version::Version;
