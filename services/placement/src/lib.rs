//! The placement service: its domain wired to the bus.
