//! The agent of one member cluster: executes what its core planned.
