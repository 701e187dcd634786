//! An in-memory Kubernetes API that a kube client takes.
