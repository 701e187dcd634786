//! The work service as a process of its own. What it does is the library's.

use clap::Parser;
use fleetlog_chassis::process;
use fleetlog_kernel::Service;
use std::process::ExitCode;

/// The work service of a Fleetlog hub: delivers manifest works to clusters.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    process: process::Settings,
    #[command(flatten)]
    work: fleetlog_work::Flags,
}

fn main() -> ExitCode {
    let Cli { process, work } = Cli::parse();
    process::run(Service::Work, &process, async move |ground| {
        Ok(fleetlog_work::start(ground, work.settings()?).await?)
    })
}
