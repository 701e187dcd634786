//! What watches hold while nothing happens.

use crate::clusters::name;
use crate::figure::{Better, Figure};
use crate::memory::resident_mib;
use crate::watches::{STREAMS, Watches};
use crate::world::World;
use anyhow::Result;
use tokio::time::{Duration, sleep};

/// How long they are left alone.
const REST: Duration = Duration::from_secs(2);

/// `idle_watches_40000_mib`.
///
/// # Errors
/// A gateway that does not take them.
pub async fn watches(world: &mut World) -> Result<Vec<Figure>> {
    let count = world.scale.of(40_000, 400);
    let pair = world.pair().await?;
    let (front, clusters) = (pair.hub.front(), pair.clusters);
    let before = resident_mib(front)?;
    let query =
        |number: usize| format!("&fieldSelector=metadata.name%3D{}", name(number % clusters));
    let watches = Watches::begin(&pair.hub, count, query).await?;
    sleep(REST).await;
    let value = resident_mib(front)?;
    let each = (value - before) * 1024.0 / watches.count() as f64;
    let setting = format!(
        "resident memory of the gateway's process with {} watches by name, {STREAMS} to a \
         connection, and {clusters} clusters; before them {before:.0} MiB, {each:.1} KiB each",
        watches.count(),
    );
    Ok(vec![
        Figure::new("idle_watches_40000_mib", value, "MiB", Better::Lower)
            .measured(watches.count() as u64, setting)
            .wanted(1_024.0),
    ])
}
