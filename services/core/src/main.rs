//! The core service as a process of its own. What it does is the library's.

use clap::Parser as _;
use fleetlog_core::Settings;
use std::process::ExitCode;

#[derive(clap::Parser)]
#[command(
    name = "fleetlog-core",
    version,
    about = "Keeps plain objects: namespaces, secrets, roles"
)]
struct Flags {
    #[command(flatten)]
    process: fleetlog_chassis::process::Settings,
}

fn main() -> ExitCode {
    let Flags { process } = Flags::parse();
    fleetlog_chassis::process::run(fleetlog_kernel::Service::Core, &process, async |ground| {
        Ok(fleetlog_core::start(ground, Settings::default()).await?)
    })
}
