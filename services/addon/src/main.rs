//! The add-on service as a process of its own. What it does is the library's.

use clap::Parser as _;
use fleetlog_addon::Settings;
use std::process::ExitCode;

#[derive(clap::Parser)]
#[command(name = "fleetlog-addon", version, about = "Installs add-ons on clusters")]
struct Flags {
    #[command(flatten)]
    process: fleetlog_chassis::process::Settings,
}

fn main() -> ExitCode {
    let Flags { process } = Flags::parse();
    fleetlog_chassis::process::run(fleetlog_kernel::Service::Addon, &process, async |ground| {
        Ok(fleetlog_addon::start(ground, Settings::default()).await?)
    })
}
