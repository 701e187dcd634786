//! Registration's own effects, and its start: the chassis' loops and the tasks beside them.

use crate::config::Settings;
use crate::counts::{self, Counts};
use crate::handlers::Running;
use crate::machine::{Own, Registration};
use crate::nudges::{self, Nudges};
use crate::{beats, joins, leases, told};
use async_trait::async_trait;
use fleetlog_bus::{Fault, Leases};
use fleetlog_chassis::{Context, Ground, Shell};
use fleetlog_kernel::ClusterName;
use fleetlog_registration_domain::reaction::{Follow, repairs};
use futures::future::BoxFuture;
use std::sync::Arc;

struct Tending {
    leases: Leases,
    counts: Arc<Counts>,
    nudges: Arc<Nudges>,
}

#[async_trait]
impl Shell<Registration> for Tending {
    async fn perform(&self, effects: Vec<Own>) -> Result<(), Fault> {
        for effect in effects {
            match effect {
                Own::Count(set) => self.counts.ask(&set),
                Own::Lease { cluster, lasts } => {
                    let Ok(cluster) = ClusterName::parse(&cluster) else { continue };
                    self.leases.beat(&cluster, lasts).await?;
                    self.nudges.ask(cluster);
                }
            }
        }
        Ok(())
    }
}

/// Starts registration: its loops, and its tasks for agents, leases and sets. Returns once they
/// run; their failures end `ground.tasks`.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<Registration>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(start_all(ground, settings))
}

async fn start_all(
    ground: Ground,
    settings: Settings,
) -> Result<Arc<Context<Registration>>, Fault> {
    let (counts, nudges) = (Arc::new(Counts::default()), Arc::new(Nudges::default()));
    let (settings, leases) = (Arc::new(settings), Leases::new(ground.bus.broker.clone()));
    let shell = Arc::new(Tending { leases, counts: counts.clone(), nudges: nudges.clone() });
    let context = fleetlog_chassis::start::<Registration>(ground, shell).await?;
    let tasks = context.ground.tasks.clone();
    tasks.spawn("joins", joins::joins(context.clone(), settings.clone()));
    tasks.spawn("renewals", joins::renewals(context.clone(), settings.clone()));
    tasks.spawn("beats", beats::beats(context.clone(), nudges.clone()));
    tasks.spawn("nudges", nudges::nudge(context.clone(), nudges));
    tasks.spawn("leases", leases::watch(context.clone(), settings.clone()));
    tasks.spawn("counts", counts::count(context.clone(), settings, counts));
    tasks.spawn("built-in-sets", built_in_sets(context.clone()));
    Ok(context)
}

/// Sees once that the built-in sets are as they should be; afterwards reactions keep them so.
async fn built_in_sets(context: Running) -> Result<(), Fault> {
    context.live().await;
    for repair in context.read(|hosted| repairs(hosted.machine().fleet())) {
        if let Follow::Restore { name, set } = repair {
            told::restore(&context, &name, &set).await?;
        }
    }
    Ok(())
}
