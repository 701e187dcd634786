//! The hub API held to a real Kubernetes: the same requests go to the gateway and to a
//! kube-apiserver, and the answers are compared field by field. What is asked lies in `steps`, what
//! may differ in `accepted.txt`. Where no kube-apiserver can be had the tests are skipped, by name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod accepted;
mod answer;
mod both;
mod definitions;
mod generated;
mod patches;
mod same;
mod script;
mod selectors;
#[allow(dead_code, reason = "shared with the tests of the gateway alone")]
#[path = "../gateway/stage.rs"]
mod stage;
