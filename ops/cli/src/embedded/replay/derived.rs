//! WORK against the log: what each cluster should run, as a fresh fold has it, and as the stream
//! does. What came after the fold is left out; what is on its way is waited for.

use super::{Fold, Verdict, differing, fold_elsewhere};
use crate::failure::Failure;
use crate::hub::Hub;
use fleetlog_bus::{Desired, Works};
use fleetlog_chassis::Standing;
use fleetlog_kernel::{ContentHash, Digest, Position, Service};
use fleetlog_messages::common::Query;
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How often it is compared before a difference counts.
const TRIES: usize = 10;
/// How long what is on its way is waited for, each time.
const PAUSE: Duration = Duration::from_millis(300);

/// Hashes by `cluster/work`.
type Hashes = BTreeMap<String, String>;

/// What WORK should hold, removals left out: they run out by themselves.
pub(super) fn wanted(works: &fleetlog_work::Works) -> Hashes {
    let wanted = works.deliveries().into_iter().filter(|(_, delivery)| !delivery.deleted);
    let hash = |delivery: &fleetlog_messages::work::Delivery| {
        ContentHash::of(&delivery.encode_to_vec()).to_string()
    };
    wanted.map(|(key, d)| (format!("{}/{}", key.cluster, key.name), hash(&d))).collect()
}

/// Compares it with a fold of the service at a position, and again with later ones.
pub(super) async fn verify(
    hub: &Hub,
    folder: &Path,
    (mut position, mut fold): (u64, Fold),
) -> Result<Verdict, Failure> {
    let works = Works::new(hub.operator().await?.clone());
    let mut tries = 1;
    loop {
        let (held, wanted) = settled(works.all().await?, &fold.derived, Position(position));
        let rows = differing(&held, &wanted);
        if rows.is_empty() || tries >= TRIES {
            return Ok(Verdict {
                service: "WORK".to_owned(),
                position,
                live: hash(&held),
                replayed: hash(&wanted),
                equal: rows.is_empty(),
                events: fold.events,
                events_per_second: fold.per_second(),
                differing_rows: rows,
            });
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
        position = standing(hub, Service::Work).await?.position;
        fold = fold_elsewhere(folder, Service::Work, position).await?;
    }
}

/// How a service's projection stands.
///
/// # Errors
/// A service that does not answer.
pub async fn standing(hub: &Hub, service: Service) -> Result<Standing, Failure> {
    let (_, said) = hub.ask(service, "projection", Query::default()).await?;
    let said = said.into_iter().next().unwrap_or_default();
    Ok(serde_json::from_slice(&said).map_err(anyhow::Error::from)?)
}

/// What is held and what is wanted, both without the works that changed after the fold.
fn settled(held: Vec<Desired>, wanted: &Hashes, to: Position) -> (Hashes, Hashes) {
    let (mut holds, mut wanted) = (Hashes::new(), wanted.clone());
    for there in held {
        let key = format!("{}/{}", there.cluster, there.work);
        if u64::try_from(there.generation).is_ok_and(|generation| generation > to.0) {
            wanted.remove(&key);
        } else if !there.deleted {
            holds.insert(key, ContentHash::of(&there.message.payload).to_string());
        }
    }
    (holds, wanted)
}

fn hash(of: &Hashes) -> String {
    let mut digest = Digest::default();
    for (key, hash) in of {
        digest.part(key.as_bytes());
        digest.part(hash.as_bytes());
    }
    digest.finish().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_bus::{Headers, StoredMessage};

    fn there(work: &str, payload: &'static str, generation: i64, deleted: bool) -> Desired {
        let message = StoredMessage {
            sequence: 1,
            subject: format!("fl.work.c1.{work}"),
            headers: Headers::new(),
            payload: payload.into(),
            pending: 0,
        };
        let (cluster, work) = ("c1".to_owned(), work.to_owned());
        Desired { cluster, work, generation, deleted, message }
    }

    #[test]
    fn what_differs_is_named_and_what_came_later_is_not_judged() {
        let of = |text: &str| ContentHash::of(text.as_bytes()).to_string();
        let wanted = ["same", "other", "lost", "later", "removed"];
        let wanted = wanted.map(|work| (format!("c1/{work}"), of("right"))).into();
        let held = vec![
            there("same", "right", 3, false),
            there("other", "wrong", 3, false),
            there("stray", "right", 3, false),
            there("gone", "right", 3, true),
            there("later", "newer", 9, false),
            there("removed", "", 9, true),
        ];
        let (held, wanted) = settled(held, &wanted, Position(5));
        let named = differing(&held, &wanted);
        assert_eq!(
            named,
            [
                "\"c1/other\" is not what its events make it",
                "\"c1/stray\" has no events",
                "\"c1/lost\" is missing"
            ]
        );
        assert_ne!(hash(&held), hash(&wanted));
    }
}
