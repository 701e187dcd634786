//! Clients of Kubernetes as they are, client-go and controller-runtime, against a whole hub: its
//! services, a real nats-server, gateways under TLS. The program that they are used in is
//! `tests/e2e/goclient`; what it saw is judged here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod clients;
mod controllers;
mod hub;
mod informers;
mod program;
