//! Registration's own effects, and its start: the chassis' loops and the tasks beside them.

use crate::attendance::Attendance;
use crate::config::Settings;
use crate::counts::{self, Counts};
use crate::handlers::Running;
use crate::machine::{LEASE, Own, Registration};
use crate::nudges::{self, Nudges};
use crate::sight::Sight;
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
    sight: Arc<Sight>,
    /// How many leases are written at once.
    renewals: usize,
    /// The loops around this, once they are there.
    context: OnceLock<Weak<Context<Registration>>>,
    counts: Arc<Counts>,
    nudges: Arc<Nudges>,
}

#[async_trait]
impl Shell<Registration> for Tending {
    /// A beat may have come since leases were seen to run out, and a service that just started has
    /// not waited for one: that a lease ran out counts only if it still is so.
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        let Some(clusters) = parse::expiries(request) else { return Ok(()) };
        let name = clusters.first().cloned().unwrap_or_default();
        let over = match self.context.get().and_then(Weak::upgrade) {
            Some(context) => self.still_over(&context, clusters).await?,
            None => vec![],
        };
        if over.is_empty() {
            return Err(Denied::Refused(Refusal::LeaseHolds { name }.into()).into());
        }
        if request.target.kind == LEASE {
            request.payload = parse::of_expired(over);
        }
        Ok(())
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
    /// Those of these clusters whose lease is over, of which beats were taken for the whole of its
    /// grace. What the watch saw tells it, once it has come by a mark that is set now. A lease that
    /// ran out while nobody took beats is written anew, and so is one of which nothing is known: it
    /// runs out again.
    async fn still_over(
        &self,
        context: &Running,
        clusters: Vec<String>,
    ) -> Result<Vec<String>, Fault> {
        let mark = context.patiently(|| self.leases.mark()).await?;
        let within = context.ground.bounds.wait_for_position;
        let known = tokio::time::timeout(within, self.sight.reached(mark)).await.is_ok();
        if !known {
            tracing::warn!("the watch of the leases lags behind; some begin anew");
        }
        let (mut over, mut anew) = (vec![], vec![]);
        context.read(|hosted| {
            for name in clusters {
                let Ok(cluster) = ClusterName::parse(&name) else { continue };
                let grace = hosted.machine().fleet().cluster(&name).grace();
                match self.sight.marker(&cluster) {
                    None if known => {}
                    Some(_) if known && self.attendance.covers(grace) => over.push(name),
                    _ => anew.push((cluster, grace)),
                }
            }
        });
        leases::renew(context, &self.leases, anew, self.renewals).await?;
        Ok(over)
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
    let (attendance, sight) = (Arc::new(Attendance::default()), Arc::new(Sight::default()));
    let shell = Arc::new(Tending {
        leases,
        attendance: attendance.clone(),
        sight: sight.clone(),
        renewals: settings.renewals,
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
    tasks.spawn("leases", leases::watch(context.clone(), settings.clone(), (attendance, sight)));
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
