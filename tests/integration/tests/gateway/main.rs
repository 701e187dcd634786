//! The hub API against the five services on the in-memory broker: what a client of Kubernetes may
//! count on, without sockets. kubectl itself is tried with `fleetlog dev`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod access;
mod agents;
mod argo;
mod clusteradm;
mod controller;
mod definitions;
mod dry_runs;
mod fleet;
mod hostile;
mod kube_rs;
mod operation;
mod passing;
mod plain;
mod reads;
mod registration_agent;
mod socket;
mod stage;
mod versions;
mod watches;
mod wire;
mod writes;
