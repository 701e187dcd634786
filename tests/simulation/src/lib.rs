//! All services and agents in one thread, under faults, checked after each step.
