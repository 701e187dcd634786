//! What can be typed after `dev`, and how its API is reached.

use super::bytes;
use clap::Args;
use std::net::SocketAddr;

/// `fleetlog dev`.
#[derive(Args, Debug)]
pub struct DevArgs {
    /// How many simulated clusters run beside the hub: `cluster1`, `cluster2`, ...
    #[arg(long, default_value_t = 3)]
    pub clusters: usize,
    /// Listen for clients on this port of 127.0.0.1 instead of a free one.
    #[arg(long)]
    pub port: Option<u16>,
    /// Listen for agents on other machines too, under TLS, e.g. `0.0.0.0:4443`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Serve the hub API to kubectl here, e.g. `127.0.0.1:6443`; a free port by default. The
    /// administrator's kubeconfig is written to DIR/kubeconfig.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub api: SocketAddr,
    /// Show `/metrics`, `/healthz` and `/readyz` here, e.g. `127.0.0.1:9090`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Free space that stays free on the disk of the hub's folder: with less it takes nothing new.
    #[arg(long, value_name = "SIZE", default_value = "256Mi", value_parser = bytes)]
    pub reserve: u64,
}

/// `fleetlog kubeconfig`.
#[derive(Args, Debug)]
pub struct KubeconfigArgs {
    /// Of this user, with a new certificate that is good for a year; the administrator's by
    /// default.
    #[arg(long)]
    pub user: Option<String>,
    /// A group of the user; repeatable.
    #[arg(long = "group", requires = "user")]
    pub groups: Vec<String>,
}
