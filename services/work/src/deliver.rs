//! WORK, as this service keeps it: every delivery signed, and after a start compared with what
//! should be there, so that only differences are published.

use crate::config::Settings;
use crate::machine::Works;
use bytes::Bytes;
use fleetlog_bus::{Desired, Fault, Signed, signature};
use fleetlog_chassis::Context;
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::header;
use fleetlog_messages::work::Delivery;
use fleetlog_work_domain::delivery;
use fleetlog_work_domain::name::WorkKey;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use nkeys::KeyPair;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// WORK and the key that makes it count.
pub(crate) struct Publisher {
    works: fleetlog_bus::Works,
    settings: Settings,
    /// One at a time, so that what was read first is not published last.
    one: Mutex<()>,
}

impl Publisher {
    pub(crate) fn new(works: fleetlog_bus::Works, settings: Settings) -> Self {
        Self { works, settings, one: Mutex::new(()) }
    }

    /// Publishes deliveries in order; of several for one work, the last.
    pub(crate) async fn publish(&self, deliveries: Vec<Delivery>) -> Result<(), Fault> {
        let _one = self.one.lock().await;
        let last = |d: Delivery| (WorkKey::new(&d.cluster, &d.work), d);
        let last: BTreeMap<WorkKey, Delivery> = deliveries.into_iter().map(last).collect();
        self.send(last.into_values().collect()).await
    }

    async fn send(&self, deliveries: Vec<Delivery>) -> Result<(), Fault> {
        let sent = stream::iter(deliveries).map(|delivery| self.send_one(delivery));
        sent.buffer_unordered(self.settings.at_once).try_collect().await
    }

    async fn send_one(&self, delivery: Delivery) -> Result<(), Fault> {
        let signed = self.sign(&delivery)?;
        let (cluster, work) = (&delivery.cluster, &delivery.work);
        if delivery.deleted {
            let life = self.settings.removal_life;
            self.works.tombstone(cluster, work, signed, life).await?;
        } else {
            self.works.publish(cluster, work, signed).await?;
        }
        Ok(())
    }

    /// A delivery as an agent believes it.
    pub(crate) fn sign(&self, delivery: &Delivery) -> Result<Signed, Fault> {
        sign(&self.settings.delivery_key, delivery)
    }
}

fn sign(key: &KeyPair, delivery: &Delivery) -> Result<Signed, Fault> {
    let payload = Bytes::from(delivery.encode_to_vec());
    let (cluster, work, generation) = (&delivery.cluster, &delivery.work, delivery.generation);
    let signature = signature::sign(key, cluster, work, generation, &payload);
    let step = || format!("sign work \"{work}\" of cluster \"{cluster}\"");
    let signature = signature.map_err(|error| Fault::lasting(step(), error))?;
    Ok(Signed { payload, signature, generation })
}

/// Makes WORK what the log says, once, after everything that was in the log is folded in.
pub(crate) async fn reconcile(
    context: Arc<Context<Works>>,
    publisher: Arc<Publisher>,
) -> Result<(), Fault> {
    context.live().await;
    bring_up_to_date(&context, &publisher).await
}

/// Makes WORK what the state says: rebuilt in place, because its subjects cannot be doubled, by
/// publishing what differs.
pub(crate) async fn bring_up_to_date(
    context: &Context<Works>,
    publisher: &Publisher,
) -> Result<(), Fault> {
    let differences = {
        let _one = publisher.one.lock().await;
        let held = context.patiently(|| publisher.works.all()).await?;
        let (wanted, position) =
            context.read(|hosted| (hosted.machine().deliveries(), hosted.position()));
        let differences = differences(&held, wanted, position, |d| publisher.sign(d))?;
        context.patiently(|| publisher.send(differences.clone())).await?;
        differences.len()
    };
    if differences > 0 {
        tracing::info!(differences, "the desired state of clusters was brought up to date");
    }
    Ok(())
}

/// What has to be published so that WORK holds exactly what is wanted.
fn differences(
    held: &[Desired],
    mut wanted: BTreeMap<WorkKey, Delivery>,
    position: Position,
    sign: impl Fn(&Delivery) -> Result<Signed, Fault>,
) -> Result<Vec<Delivery>, Fault> {
    let mut differences = Vec::new();
    for there in held {
        let key = WorkKey::new(&there.cluster, &there.work);
        match wanted.remove(&key) {
            Some(should) => {
                let signed = sign(&should)?;
                let signature = there.message.headers.get(header::SIGNATURE);
                let same = there.message.payload == signed.payload
                    && signature == Some(&signed.signature)
                    && there.deleted == should.deleted;
                if !same {
                    differences.push(should);
                }
            }
            None if there.deleted => {}
            None => differences.push(delivery::removal(&key, position)),
        }
    }
    differences.extend(wanted.into_values());
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_bus::{Headers, StoredMessage};

    fn of(work: &str, generation: i64, deleted: bool) -> Delivery {
        let (cluster, work) = ("c1".to_owned(), work.to_owned());
        Delivery { cluster, work, generation, deleted, ..Delivery::default() }
    }

    fn there(key: &KeyPair, delivery: &Delivery) -> Desired {
        let signed = sign(key, delivery).unwrap();
        let message = StoredMessage {
            sequence: 1,
            subject: format!("fl.work.c1.{}", delivery.work),
            headers: Headers::from([(header::SIGNATURE.to_owned(), signed.signature)]),
            payload: signed.payload,
            pending: 0,
        };
        Desired {
            cluster: delivery.cluster.clone(),
            work: delivery.work.clone(),
            generation: delivery.generation,
            deleted: delivery.deleted,
            message,
        }
    }

    #[test]
    fn only_differences_are_published_after_a_start() {
        let (ours, theirs) = (KeyPair::new_account(), KeyPair::new_account());
        let same = of("same", 4, false);
        let held = [
            there(&ours, &same),
            there(&ours, &of("old", 5, false)),
            there(&theirs, &of("forged", 6, false)),
            there(&ours, &of("stray", 7, false)),
            there(&ours, &of("gone", 8, true)),
        ];
        let wanted = [same, of("old", 9, false), of("forged", 6, false), of("new", 10, true)];
        let wanted = wanted.map(|d| (WorkKey::new("c1", &d.work), d)).into();
        let found = differences(&held, wanted, Position(11), |d| sign(&ours, d)).unwrap();
        let stray = of("stray", 11, true);
        assert_eq!(
            found,
            [of("old", 9, false), of("forged", 6, false), stray, of("new", 10, true)]
        );
    }
}
