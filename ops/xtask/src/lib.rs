//! The project's own chores: verify, generate, bench.
