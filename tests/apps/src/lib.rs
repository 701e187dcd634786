//! Published applications and a stage to run them on: a hub with its services, an agent, and a real
//! Kubernetes API. What is expected of them is the tests' own.

mod data;
mod stage;

pub use data::{ingress_nginx, kube_prometheus, online_boutique};
pub use stage::{CLUSTER, Stage, condition, there, work_of};
