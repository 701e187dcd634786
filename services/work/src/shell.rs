//! What waits around the machine: bundles are checked before a command is decided, put back into
//! answers, and deliveries published. Also work's start: the chassis' loops and the tasks beside
//! them.

use crate::bodies::Bodies;
use crate::config::Settings;
use crate::deliver::{Publisher, bring_up_to_date, reconcile};
use crate::handlers::{denied, read};
use crate::machine::{Own, Works};
use crate::{agents, answer, puts};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{Fault, MAX_COMMAND, Retry};
use fleetlog_chassis::{Alarms, Context, Denied, Ground, Origin, Request, Shell, Unprepared};
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::common::Query;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{
    ApplyReplicaSet, ApplyWork, Bundle, ReplicaSetCommand, WorkCommand, replica_set_command,
    work_command,
};
use fleetlog_work_domain::name::{REPLICA_SET, WORK};
use fleetlog_work_domain::{Refusal, manifests};
use futures::future::BoxFuture;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// How long the reading of a bundle waits before it is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

struct Around {
    bodies: Arc<Bodies>,
    publisher: Arc<Publisher>,
    alarms: Arc<Alarms<Works>>,
    summarize_after: Duration,
    tries: u32,
}

#[async_trait]
impl Shell<Works> for Around {
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        match &request.origin {
            Origin::User(_) => Ok(self.check(request).await?),
            Origin::Service { from: Service::Addon, .. } => Ok(self.keep(request).await?),
            Origin::Timer { .. } => Ok(self.alarms.spent(request).await?),
            Origin::Service { .. } | Origin::Agent(_) => Ok(()),
        }
    }

    async fn try_out(&self, request: &mut Request, beside: Bytes) -> Result<(), Unprepared> {
        small(request)?;
        let Some(bundle) = bundle(request)? else { return Ok(()) };
        let fits = manifests::fits(&bundle);
        let checked = fits.and_then(|()| manifests::check_outline(&bundle, &beside));
        Ok(checked.map_err(|refusal| denied(&refusal))?)
    }

    /// Reports that come together are summed up together.
    fn patience(&self, from: &Origin, to: &AggregateId, payload: &Bytes) -> Duration {
        let told = matches!(from, Origin::Service { .. });
        if told && summarizes(to, payload) { self.summarize_after } else { Duration::ZERO }
    }

    async fn dress(&self, query: &Query, objects: Vec<Bytes>) -> Result<Vec<Bytes>, Fault> {
        if query.without_bodies {
            return Ok(objects);
        }
        let mut bundles: BTreeMap<ContentHash, Value> = BTreeMap::new();
        let mut dressed = Vec::with_capacity(objects.len());
        for bytes in objects {
            let object: Value = serde_json::from_slice(&bytes)
                .map_err(|error| Fault::lasting("read an object back", error))?;
            let Some(hash) = answer::bundle_of(&object, &query.kind) else {
                dressed.push(bytes);
                continue;
            };
            let manifests = match bundles.entry(hash) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => new.insert(self.manifests(&hash).await?).clone(),
            };
            dressed.push(answer::dressed(object, &query.kind, manifests));
        }
        Ok(dressed)
    }

    async fn rebuilt(&self, context: &Context<Works>) -> Result<(), Fault> {
        bring_up_to_date(context, &self.publisher).await?;
        self.alarms.renew(context).await
    }

    async fn perform(&self, effects: Vec<Own>) -> Result<(), Fault> {
        let (mut deliveries, mut moved) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Own::Deliver(delivery) => deliveries.push(*delivery),
                Own::Move(one) => moved.push(one),
            }
        }
        self.publisher.publish(deliveries).await?;
        self.alarms.set(moved).await
    }
}

impl Around {
    /// Refuses a command that is too large, or whose manifests are not what it says.
    async fn check(&self, request: &Request) -> Result<(), Denied> {
        small(request)?;
        let Some(bundle) = bundle(request)? else { return Ok(()) };
        self.check_bundle(&bundle).await.map_err(|refusal| denied(&refusal))
    }

    /// Keeps the manifests that come with the work of an add-on, which then names them by hash.
    async fn keep(&self, request: &mut Request) -> Result<(), Denied> {
        let Some(work_command::Command::Deliver(mut deliver)) =
            read::<WorkCommand>(request)?.command
        else {
            return Ok(());
        };
        let body = Bytes::from(std::mem::take(&mut deliver.manifests));
        let manifests = manifests::read(&body).map_err(|refusal| denied(&refusal))?;
        // Nobody would ask again: this waits until it is possible, as the queue behind it does.
        let hash = loop {
            match self.bodies.put(body.clone()).await {
                Ok(hash) => break hash,
                Err(fault) if fault.retry == Retry::Useless => {
                    let reason = fault.to_string();
                    return Err(denied(&Refusal::OutOfReach { reason }));
                }
                Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        };
        deliver.bundle = Some(Bundle {
            hash: hash.to_string(),
            size: body.len() as u64,
            count: u32::try_from(manifests.len()).unwrap_or(u32::MAX),
        });
        let command = Some(work_command::Command::Deliver(deliver));
        request.payload = WorkCommand { command }.encode_to_vec().into();
        Ok(())
    }

    async fn check_bundle(&self, bundle: &Bundle) -> Result<(), Refusal> {
        manifests::fits(bundle)?;
        let missing = || Refusal::NoBundle { hash: bundle.hash.clone() };
        let hash = ContentHash::parse(&bundle.hash).ok_or_else(missing)?;
        let mut tries = 1;
        let found = loop {
            match self.bodies.get_sized(&hash, bundle.size).await {
                Ok(found) => break found.ok_or_else(missing)?,
                Err(fault) if fault.retry == Retry::Useless || tries >= self.tries => {
                    return Err(Refusal::OutOfReach { reason: fault.to_string() });
                }
                Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
            }
            tries += 1;
        };
        let body = found.map_err(|actual| Refusal::OtherBundle {
            difference: format!("have {actual} bytes, not {}", bundle.size),
        })?;
        manifests::check(bundle, &body)
    }

    async fn manifests(&self, hash: &ContentHash) -> Result<Value, Fault> {
        let step = || format!("read the manifests \"{hash}\"");
        let body = self.bodies.get(hash).await?;
        let body = body.ok_or_else(|| Fault::lasting(step(), "they are missing"))?;
        serde_json::from_slice(&body).map_err(|error| Fault::lasting(step(), error))
    }
}

fn small(request: &Request) -> Result<(), Denied> {
    let (size, limit) = (request.payload.len(), MAX_COMMAND);
    if size > limit { Err(denied(&Refusal::CommandTooLarge { size, limit })) } else { Ok(()) }
}

/// The bundle that a user's command names; the domain refuses those without one.
fn bundle(request: &Request) -> Result<Option<Bundle>, Denied> {
    let named = match request.target.kind.as_str() {
        WORK => match read::<WorkCommand>(request)?.command {
            Some(work_command::Command::Apply(ApplyWork { bundle, .. })) => bundle,
            _ => None,
        },
        REPLICA_SET => match read::<ReplicaSetCommand>(request)?.command {
            Some(replica_set_command::Command::Apply(ApplyReplicaSet { bundle, .. })) => bundle,
            _ => None,
        },
        _ => None,
    };
    Ok(named)
}

fn summarizes(target: &AggregateId, payload: &Bytes) -> bool {
    let command = || ReplicaSetCommand::decode(payload.clone()).ok()?.command;
    target.kind == REPLICA_SET
        && matches!(command(), Some(replica_set_command::Command::Summarize(_)))
}

/// Starts work: its loops, its tasks for agents and for what users hand over, and the comparison of
/// WORK with the log. Returns once they run; their failures end `ground.tasks`.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<Works>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(start_all(ground, settings))
}

async fn start_all(ground: Ground, settings: Settings) -> Result<Arc<Context<Works>>, Fault> {
    let works = fleetlog_bus::Works::new(ground.bus.broker.clone());
    let bodies = Arc::new(Bodies::new(ground.bus.blobs.clone(), settings.kept_bytes));
    let publisher = Arc::new(Publisher::new(works, settings.clone()));
    let alarms = Arc::new(Alarms::new(ground.bus.timers.clone()));
    let around = Arc::new(Around {
        bodies: bodies.clone(),
        publisher: publisher.clone(),
        alarms: alarms.clone(),
        summarize_after: settings.summarize_after,
        tries: settings.tries,
    });
    let context = fleetlog_chassis::start::<Works>(ground, around).await?;
    let tasks = context.ground.tasks.clone();
    tasks.spawn("reconcile", reconcile(context.clone(), publisher.clone()));
    tasks.spawn("syncs", agents::syncs(context.clone(), publisher));
    tasks.spawn("blobs", agents::blobs(context.clone(), bodies));
    tasks.spawn("puts", puts::puts(context.clone()));
    alarms.attend(&context);
    Ok(context)
}
