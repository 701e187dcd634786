//! A service as it is shipped, on a broker that kills the process at a named place: by SIGKILL, so
//! that nothing of it goes on. What the service does is its library's, which knows of no places.

use clap::{Parser, Subcommand};
use fleetlog_chassis::{Bounds, Bus, Ground, process};
use fleetlog_kernel::Service;
use fleetlog_test_support::crash::{CrashPoint, Crashing, Fuse};
use std::process::ExitCode;
use std::sync::Arc;

/// Commits between two snapshots: few, so that short tests have some.
const SNAPSHOT_EVERY: u64 = 8;

/// A service of a Fleetlog hub that kills itself.
#[derive(Parser)]
struct Cli {
    /// The place.
    #[arg(long)]
    at: CrashPoint,
    /// At the how manieth time that it gets there.
    #[arg(long, default_value_t = 1)]
    nth: usize,
    #[command(subcommand)]
    service: Which,
}

#[derive(Subcommand)]
enum Which {
    Registration {
        #[command(flatten)]
        process: process::Settings,
        #[command(flatten)]
        registration: fleetlog_registration::Flags,
    },
    Placement {
        #[command(flatten)]
        process: process::Settings,
    },
    Work {
        #[command(flatten)]
        process: process::Settings,
        #[command(flatten)]
        work: fleetlog_work::Flags,
    },
    Addon {
        #[command(flatten)]
        process: process::Settings,
    },
    Core {
        #[command(flatten)]
        process: process::Settings,
    },
}

fn main() -> ExitCode {
    let Cli { at, nth, service } = Cli::parse();
    let dying = move |ground| until(at, nth, ground);
    match service {
        Which::Registration { process, registration } => {
            process::run(Service::Registration, &process, async move |ground| {
                let settings = registration.settings()?;
                Ok(fleetlog_registration::start(dying(ground), settings).await?)
            })
        }
        Which::Placement { process } => {
            process::run(Service::Placement, &process, async move |ground| {
                let settings = fleetlog_placement::Settings::default();
                Ok(fleetlog_placement::start(dying(ground), settings).await?)
            })
        }
        Which::Work { process, work } => {
            process::run(Service::Work, &process, async move |ground| {
                Ok(fleetlog_work::start(dying(ground), work.settings()?).await?)
            })
        }
        Which::Addon { process } => process::run(Service::Addon, &process, async move |ground| {
            let settings = fleetlog_addon::Settings::default();
            Ok(fleetlog_addon::start(dying(ground), settings).await?)
        }),
        Which::Core { process } => process::run(Service::Core, &process, async move |ground| {
            let settings = fleetlog_core::Settings::default();
            Ok(fleetlog_core::start(dying(ground), settings).await?)
        }),
    }
}

/// The ground of a process that ends at a place.
fn until(at: CrashPoint, nth: usize, ground: Ground) -> Ground {
    let fuse = Arc::new(Fuse::default());
    fuse.arm([(at, nth)]);
    fuse.lives(move || {
        eprintln!("killed at {at}");
        kill();
    });
    let bus = Bus::new(Crashing::over(ground.bus.broker.clone(), fuse), &ground.tasks);
    let bounds = Bounds { snapshot_every: SNAPSHOT_EVERY, ..Bounds::default() };
    Ground { bus, bounds, ..ground }
}

/// SIGKILL: nothing runs after it, not even what cleans up.
#[cfg(unix)]
fn kill() {
    use rustix::process::{Signal, getpid, kill_process};
    // It does not come back; where it cannot be sent there is nothing to go on with either.
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort();
}

#[cfg(not(unix))]
fn kill() {
    std::process::abort();
}
