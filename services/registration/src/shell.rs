//! Registration's own effects, and its start: the chassis' loops and the tasks beside them.

use crate::attendance::Attendance;
use crate::config::Settings;
use crate::counts::{self, Counts};
use crate::handlers::Running;
use crate::machine::{Own, Registration};
use crate::nudges::{self, Nudges};
use crate::{beats, joins, leases, parse, told};
use async_trait::async_trait;
use fleetlog_bus::{Fault, Leases};
use fleetlog_chassis::{Context, Denied, Ground, Request, Shell, Unprepared};
use fleetlog_kernel::ClusterName;
use fleetlog_registration_domain::Refusal;
use fleetlog_registration_domain::reaction::{Follow, repairs};
use futures::future::BoxFuture;
use std::sync::{Arc, OnceLock, Weak};

struct Tending {
    leases: Leases,
    attendance: Arc<Attendance>,
    /// The loops around this, once they are there.
    context: OnceLock<Weak<Context<Registration>>>,
    counts: Arc<Counts>,
    nudges: Arc<Nudges>,
}

#[async_trait]
impl Shell<Registration> for Tending {
    /// A beat may have come since a lease was seen to run out, and a service that just started has
    /// not waited for one: that a lease ran out counts only if it still is so.
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        if !parse::notes_expiry(request) {
            return Ok(());
        }
        let Ok(cluster) = ClusterName::parse(&request.target.name) else { return Ok(()) };
        if let Some(context) = self.context.get().and_then(Weak::upgrade) {
            match context.patiently(|| self.is_over(&context, &cluster)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // Whoever loses sight of the leases begins every grace anew, and notices it again.
                Err(fault) => tracing::error!(%fault, %cluster, "its lease cannot be read"),
            }
        }
        let refusal = Refusal::LeaseHolds { name: cluster.to_string() };
        Err(Denied::Refused(refusal.into()).into())
    }

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

impl Tending {
    /// Whether a lease ran out, and beats were taken for the whole of its grace. One that ran out
    /// while nobody took beats is written anew.
    async fn is_over(&self, context: &Running, cluster: &ClusterName) -> Result<bool, Fault> {
        if !self.leases.is_over(cluster).await? {
            return Ok(false);
        }
        let grace =
            context.read(|hosted| hosted.machine().fleet().cluster(cluster.as_str()).grace());
        if self.attendance.covers(grace) {
            return Ok(true);
        }
        self.leases.beat(cluster, grace).await?;
        Ok(false)
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
    let attendance = Arc::new(Attendance::default());
    let shell = Arc::new(Tending {
        leases,
        attendance: attendance.clone(),
        context: OnceLock::new(),
        counts: counts.clone(),
        nudges: nudges.clone(),
    });
    let context = fleetlog_chassis::start::<Registration>(ground, shell.clone()).await?;
    let _ = shell.context.set(Arc::downgrade(&context));
    let tasks = context.ground.tasks.clone();
    tasks.spawn("joins", joins::joins(context.clone(), settings.clone()));
    tasks.spawn("renewals", joins::renewals(context.clone(), settings.clone()));
    tasks.spawn("beats", beats::beats(context.clone(), nudges.clone()));
    tasks.spawn("nudges", nudges::nudge(context.clone(), nudges.clone()));
    tasks.spawn("first-nudges", nudges::everybody(context.clone(), nudges));
    tasks.spawn("leases", leases::watch(context.clone(), settings.clone(), attendance));
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
