//! `replay --verify`: asks each running service for its state's hash at a position, folds the log
//! to that position in a fresh process, and compares; where they differ, row by row. WORK, which is
//! derived from the log too, is compared with what the fold makes of it.

mod derived;

pub use derived::standing;

use crate::args::{Output, ReplayArgs};
use crate::embedded::hub::connect_operator;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::print::document_out;
use fleetlog_bus::{Entry, EventLog, SharedBroker};
use fleetlog_chassis::{Hosted, Machine};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::Query;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use tokio::time::Instant;

/// A state as another process folded it.
#[derive(Debug, Serialize, Deserialize)]
struct Fold {
    hash: String,
    /// Commits read.
    events: u64,
    /// How long the fold took, in seconds.
    seconds: f64,
    /// Each row's key with the hash of its value.
    rows: BTreeMap<String, String>,
    /// What the stream should hold that is derived from it: `cluster/work` with the hash of what
    /// the agent should get.
    #[serde(default)]
    derived: BTreeMap<String, String>,
}

/// How one service's live state compares with the log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The service.
    pub service: String,
    /// The position both states stand at.
    pub position: u64,
    /// The running service's hash.
    pub live: String,
    /// The hash of the fresh fold.
    pub replayed: String,
    /// Whether they are equal.
    pub equal: bool,
    /// Commits folded.
    pub events: u64,
    /// Commits folded a second.
    pub events_per_second: u64,
    /// Rows that differ, when the hashes do.
    pub differing_rows: Vec<String>,
}

/// `fleetlog replay`.
///
/// # Errors
/// A state that is not what the log says, or a hub that cannot be asked.
pub async fn run(args: ReplayArgs, data: Option<&std::path::PathBuf>) -> Done {
    let folder = crate::hub::folder(data)?;
    if let (Some(service), Some(to)) = (&args.fold, args.to) {
        let fold = fold_service(folder, service, Position(to)).await?;
        println!("{}", serde_json::to_string(&fold).map_err(anyhow::Error::from)?);
        return Ok(());
    }
    let hub = Hub::open(data).await?;
    let verdicts = verify(&hub, folder).await?;
    match args.output.output {
        form @ (Output::Json | Output::Yaml) => document_out(form, &verdicts)?,
        _ => verdicts.iter().for_each(|verdict| println!("{}", sentence(verdict))),
    }
    all_equal(&verdicts)
}

/// One line for people; the rows that differ below it.
#[must_use]
pub fn sentence(verdict: &Verdict) -> String {
    let Verdict { service, position, live, replayed, events, events_per_second, .. } = verdict;
    let mut text = if verdict.equal {
        format!(
            "{service:<13} equal at position {position}: {}  ({events} events, \
             {events_per_second}/s)",
            short(live)
        )
    } else {
        format!(
            "{service:<13} DIFFERS at position {position}: live {}, replayed {}",
            short(live),
            short(replayed)
        )
    };
    for row in &verdict.differing_rows {
        text.push_str(&format!("\n  row {row}"));
    }
    text
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

/// A failure that names the services whose state differs.
///
/// # Errors
/// That failure.
pub fn all_equal(verdicts: &[Verdict]) -> Done {
    let wrong: Vec<_> = verdicts.iter().filter(|v| !v.equal).map(|v| v.service.as_str()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let sentence = format!("the live state of {} is not what the log says", wrong.join(" and "));
    let advice = "restart the service: it folds the log anew; keep its snapshot for a report";
    Err(Failure::new("CLI0030", sentence, advice))
}

/// Compares every service, and the stream that is derived from one.
///
/// # Errors
/// A service that does not answer, or a fold that cannot be run.
pub async fn verify(hub: &Hub, folder: &Path) -> Result<Vec<Verdict>, Failure> {
    let mut verdicts = vec![];
    let mut works = None;
    for service in Service::ALL {
        let (verdict, fold) = verify_one(hub, folder, service).await?;
        if service == Service::Work {
            works = Some((verdict.position, fold));
        }
        verdicts.push(verdict);
    }
    if let Some(works) = works {
        verdicts.push(derived::verify(hub, folder, works).await?);
    }
    Ok(verdicts)
}

async fn verify_one(
    hub: &Hub,
    folder: &Path,
    service: Service,
) -> Result<(Verdict, Fold), Failure> {
    let pages = hub.client().ask(service, "rows", Query::default()).await?;
    let first = pages.first().cloned().unwrap_or_default();
    let rows: BTreeMap<String, String> =
        pages.into_iter().flat_map(|page| page.rows).map(|row| (row.key, row.hash)).collect();
    let fold = fold_elsewhere(folder, service, first.position).await?;
    let equal = fold.hash == first.hash;
    let verdict = Verdict {
        service: service.to_string(),
        position: first.position,
        live: first.hash,
        replayed: fold.hash.clone(),
        equal,
        events: fold.events,
        events_per_second: fold.per_second(),
        differing_rows: if equal { vec![] } else { differing(&rows, &fold.rows) },
    };
    Ok((verdict, fold))
}

impl Fold {
    fn per_second(&self) -> u64 {
        if self.seconds > 0.0 { (self.events as f64 / self.seconds) as u64 } else { 0 }
    }
}

fn differing(live: &BTreeMap<String, String>, fresh: &BTreeMap<String, String>) -> Vec<String> {
    let changed = live.iter().filter_map(|(key, hash)| match fresh.get(key) {
        Some(other) if other == hash => None,
        Some(_) => Some(format!("\"{key}\" is not what its events make it")),
        None => Some(format!("\"{key}\" has no events")),
    });
    let lost = fresh.keys().filter(|key| !live.contains_key(*key));
    changed.chain(lost.map(|key| format!("\"{key}\" is missing"))).collect()
}

/// Folds in another process, so that nothing of this one can leak into the answer.
async fn fold_elsewhere(folder: &Path, service: Service, position: u64) -> Result<Fold, Failure> {
    let program = std::env::current_exe().map_err(anyhow::Error::from)?;
    let output = tokio::process::Command::new(program)
        .args(["replay", "--fold", service.token(), "--to", &position.to_string(), "--data"])
        .arg(folder)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(anyhow::Error::from)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let sentence = format!("the fold of {service} failed: {}", said.trim());
        return Err(Failure::new("CLI0031", sentence, "look at the log with fleetlog log"));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| anyhow::Error::from(e).into())
}

async fn fold_service(folder: &Path, service: &str, to: Position) -> Result<Fold, Failure> {
    let broker = connect_operator(folder).await?;
    match Service::parse(service) {
        Some(Service::Registration) => {
            Ok(fold::<fleetlog_registration::Registration>(broker, to).await?.0)
        }
        Some(Service::Placement) => Ok(fold::<fleetlog_placement::Scheduling>(broker, to).await?.0),
        Some(Service::Work) => {
            let (fold, hosted) = fold::<fleetlog_work::Works>(broker, to).await?;
            Ok(Fold { derived: derived::wanted(hosted.machine()), ..fold })
        }
        Some(Service::Addon) => Ok(fold::<fleetlog_addon::AddOns>(broker, to).await?.0),
        Some(Service::Core) => Ok(fold::<fleetlog_core::Core>(broker, to).await?.0),
        None => Err(Failure::usage(format!("\"{service}\" is no service"), "see --help")),
    }
}

async fn fold<M: Machine + Default>(
    broker: SharedBroker,
    to: Position,
) -> Result<(Fold, Hosted<M>), Failure> {
    let (log, group_commit) = EventLog::new(broker);
    drop(group_commit);
    let started = Instant::now();
    let mut hosted = Hosted::<M>::default();
    let mut events = 0;
    let mut reading = log.read(&subject::events(), Position::START).await?;
    while hosted.position() < to {
        match reading.entries.next().await {
            Some(Ok(Entry::Commit(commit, _))) => {
                hosted.fold(&commit).map_err(anyhow::Error::from)?;
                events += 1;
            }
            Some(Ok(Entry::Malformed { position, subject, reason })) => {
                let sentence = format!("position {position} of \"{subject}\": {reason}");
                return Err(Failure::new("CLI0032", sentence, "it was not written by a service"));
            }
            Some(Err(fault)) => return Err(fault.into()),
            None => return Err(Failure::new("CLI0033", "the log ended early", "try again")),
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let rows = hosted.row_hashes().into_iter().map(|row| (row.key, row.hash)).collect();
    let fold = Fold { hash: hosted.hash(), events, seconds, rows, derived: BTreeMap::new() };
    Ok((fold, hosted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_differ_are_named_with_how_they_differ() {
        let rows = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let live = rows(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let fresh = rows(&[("a", "1"), ("b", "9"), ("d", "4")]);
        assert_eq!(
            differing(&live, &fresh),
            ["\"b\" is not what its events make it", "\"c\" has no events", "\"d\" is missing"]
        );
    }
}
