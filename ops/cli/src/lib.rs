//! The fleetlog command.
