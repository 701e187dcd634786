//! The registration service as a process of its own. What it does is the library's.

use clap::Parser;
use fleetlog_chassis::process;
use fleetlog_kernel::Service;
use std::process::ExitCode;

/// The registration service of a Fleetlog hub: clusters, their sets and bindings.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    process: process::Settings,
    #[command(flatten)]
    registration: fleetlog_registration::Flags,
}

fn main() -> ExitCode {
    let Cli { process, registration } = Cli::parse();
    process::run(Service::Registration, &process, async move |ground| {
        Ok(fleetlog_registration::start(ground, registration.settings()?).await?)
    })
}
