//! The fleetlog command.
fn main() {}
