//! The work service: its domain wired to the bus.
