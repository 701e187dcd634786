//! The placement service as a process.

use clap::Parser as _;
use fleetlog_placement::Settings;
use std::process::ExitCode;

#[derive(clap::Parser)]
#[command(name = "fleetlog-placement", version, about = "Chooses clusters for placements")]
struct Flags {
    #[command(flatten)]
    process: fleetlog_chassis::process::Settings,
}

fn main() -> ExitCode {
    let Flags { process } = Flags::parse();
    fleetlog_chassis::process::run(fleetlog_kernel::Service::Placement, &process, async |ground| {
        Ok(fleetlog_placement::start(ground, Settings::default()).await?)
    })
}
