//! The agent as a binary; everything is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleetlog_agent::process::run()
}
