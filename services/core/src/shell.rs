//! The service on its feet: the chassis' loops, the sealing of secrets, and their keys. What
//! happens to many objects of a namespace that goes is counted once.

use crate::answer::take_sealed;
use crate::handlers::{destroyed, settles};
use crate::machine::Core;
use crate::{sealing, seals};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{Fault, Keys};
use fleetlog_chassis::{Context, Denied, Ground, Origin, Request, Shell, Unprepared};
use fleetlog_messages::common::Query;
use fleetlog_messages::core::SealValues;
use fleetlog_messages::subject::AggregateId;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How many keys are read or destroyed at once.
const AT_ONCE: usize = 16;
/// The token of secrets.
const SECRET: &str = "secret";

/// What the service is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the end of a namespace waits for deletions that come together.
    pub settle_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { settle_after: Duration::from_millis(50) }
    }
}

struct Around {
    keys: Keys,
    settings: Settings,
}

#[async_trait]
impl Shell<Core> for Around {
    /// The keys of a secret that is gone are destroyed before that is known to be done.
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        let keys = destroyed(request);
        let destroyed = keys.into_iter().map(|key| async move { self.keys.destroy(&key).await });
        Ok(stream::iter(destroyed).buffer_unordered(AT_ONCE).try_collect::<()>().await?)
    }

    /// The values of a secret come beside a command that is tried; nothing is sealed.
    async fn try_out(&self, request: &mut Request, beside: Bytes) -> Result<(), Unprepared> {
        if beside.is_empty() {
            return Ok(());
        }
        let values = SealValues::decode(beside);
        let values = values.map_err(|e| Denied::Unreadable(format!("its values: {e}")))?;
        let sealed = seals::as_if(values, request.id.as_str()).map_err(Denied::Refused)?;
        request.payload = fleetlog_objects::with_sealed(&request.payload, sealed).into();
        Ok(())
    }

    fn patience(&self, from: &Origin, to: &AggregateId, payload: &Bytes) -> Duration {
        let told = matches!(from, Origin::Service { .. });
        if told && settles(to, payload) { self.settings.settle_after } else { Duration::ZERO }
    }

    async fn dress(&self, query: &Query, objects: Vec<Bytes>) -> Result<Vec<Bytes>, Fault> {
        if query.kind != SECRET {
            return Ok(objects);
        }
        let opened = objects.into_iter().map(|bytes| self.opened(bytes, query.without_bodies));
        stream::iter(opened).buffered(AT_ONCE).try_collect().await
    }
}

impl Around {
    /// The secret with its values; without them where the key is destroyed, or they are not wanted.
    async fn opened(&self, bytes: Bytes, bare: bool) -> Result<Bytes, Fault> {
        let mut object: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::lasting("read a secret back", error))?;
        let Some(sealed) = take_sealed(&mut object) else { return Ok(bytes) };
        if !bare
            && let Some(key) = self.keys.get(&sealed.key).await?
            && let Some(Value::Object(values)) = sealing::open(&key, &sealed.body)
        {
            fleetlog_objects::put_values(&mut object, values);
        }
        Ok(fleetlog_objects::canonical(&object).into())
    }
}

/// Rebuilds the state and starts the loops.
///
/// # Errors
/// When the bus cannot be read at the start.
pub fn start(
    ground: Ground,
    settings: Settings,
) -> BoxFuture<'static, Result<Arc<Context<Core>>, Fault>> {
    // Boxed, so that the loops are compiled here and not again in every program that starts them.
    Box::pin(async move {
        let keys = Keys::new(ground.bus.broker.clone());
        let around = Arc::new(Around { keys: keys.clone(), settings });
        let context = fleetlog_chassis::start::<Core>(ground, around).await?;
        context.ground.tasks.spawn("seals", seals::seals(context.clone(), keys));
        Ok(context)
    })
}
