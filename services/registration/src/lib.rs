//! The registration service: its domain wired to the bus.
