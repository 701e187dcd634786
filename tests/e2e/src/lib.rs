//! The whole of Fleetlog as processes of its own on a real nats-server, with what it takes to hurt
//! it and to see what came of it: [`Fleetlog`] starts and kills them, [`Line`] stands between one
//! of them and the hub, [`Face`] is the gateway, [`Member`] is a Kubernetes API, [`Load`] commands
//! and keeps count, [`History`] reads the log and holds it to its rules, [`settled`] waits until
//! hub and members are as was acknowledged. When something is killed or cut is the tests' own.

mod face;
mod history;
mod line;
mod load;
mod member;
mod objects;
mod process;
mod programs;
mod settled;
mod whole;

pub use face::{Face, send};
pub use history::{History, commits};
pub use line::{Line, Way};
pub use load::{Load, Order, Pause, Writing, order};
pub use member::Member;
pub use objects::{Kept, Standing};
pub use process::Process;
pub use programs::Programs;
pub use settled::settled;
pub use whole::{Fleetlog, Ran, Victim};

use std::time::Duration;
use tokio::time::Instant;

/// How long a condition may take: far more than it ever should, also where much else runs.
const WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` finds nothing wrong.
///
/// # Errors
/// What was wrong still at the last look.
pub async fn until_well(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > WITHIN => {
                return Err(error.context(format!("after {WITHIN:?} still not: {what}")));
            }
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
}
