//! What every group of figures stands on: a hub's server without services, the log as a service has
//! it, a plain client with the same rights, commits to append.

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use bytes::Bytes;
use fleetlog_bus::{EventLog, JetStream, NewCommit};
use fleetlog_chassis::{Bus, Clock, Tasks};
use fleetlog_kernel::{CommandId, MessageId, Position, Service};
use fleetlog_messages::common::Commit;
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::subject::AggregateId;
use fleetlog_topology::Folder;
use fleetlog_topology::hub::{HubConfig, RunningHub, start};
use fleetlog_topology::server::Sync;
use prost::Message as _;
use tempfile::TempDir;

/// The expected last sequence of a message's subject.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// How large an event is: what the measurements that the design rests on had.
const EVENT_BYTES: usize = 256;

/// A part of each size.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64);

impl Scale {
    /// That part of a number, at least `least`.
    #[must_use]
    pub fn of(self, number: usize, least: usize) -> usize {
        ((number as f64 * self.0) as usize).max(least)
    }
}

/// A hub's server with every stream, and no service in it. Its folder goes with it.
pub struct Ground {
    /// Dropped first: the server ends before its folder goes.
    pub hub: RunningHub,
    /// What the log's actor runs among.
    pub tasks: Tasks,
    _folder: TempDir,
}

impl Ground {
    /// Starts one.
    ///
    /// # Errors
    /// A server that cannot be had or does not start.
    pub async fn start(sync: Sync) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
        let config = HubConfig { sync, ..HubConfig::standalone(binary) };
        let hub = start(Folder::open(folder.path(), Clock::System.now())?, &config).await?;
        Ok(Self { hub, tasks: Tasks::default(), _folder: folder })
    }

    /// The log, as the work service has it.
    ///
    /// # Errors
    /// A server that does not let it in.
    pub async fn log(&self) -> Result<EventLog> {
        let user = self.hub.identity().service(Service::Work)?;
        let broker = JetStream::connect(self.hub.url(), user, &Service::Work.to_string()).await?;
        Ok(Bus::new(broker, &self.tasks).log)
    }

    /// A plain client with that service's rights.
    ///
    /// # Errors
    /// A server that does not let it in.
    pub async fn plain(&self) -> Result<async_nats::jetstream::Context> {
        let user = self.hub.identity().service(Service::Work)?;
        let client = fleetlog_topology::apply::connect(self.hub.url(), &user).await?;
        Ok(async_nats::jetstream::new(client))
    }

    /// Ends it.
    pub fn stop(self) {
        self.tasks.abort();
        self.hub.stop();
    }
}

/// The aggregate of this number: a work of one of a thousand clusters.
#[must_use]
pub fn aggregate(number: usize) -> AggregateId {
    let (cluster, name) = (format!("cluster{}", number % 1_000), format!("work{number}"));
    AggregateId::namespaced(Service::Work, "manifestwork", &cluster, &name)
}

/// The commit of this number, of the aggregate of that number.
#[must_use]
pub fn commit(of: usize, number: usize, expected: u64) -> NewCommit {
    let event = ("ManifestWorkSpecified", "fleetlog.work.v1.WorkEvent", vec![7; EVENT_BYTES]);
    commit_of(aggregate(of), &format!("bench-{number}"), 1, expected, event)
}

/// A commit of one event (its type, its schema, its bytes) that nobody but this bench asked for.
#[must_use]
pub fn commit_of(
    aggregate: AggregateId,
    id: &str,
    version: u64,
    expected: u64,
    (kind, schema, event): (&str, &str, Vec<u8>),
) -> NewCommit {
    let header = CommitHeader {
        id: MessageId::derived(aggregate.service, "bench", 1, id, 0),
        types: vec![kind.to_owned()],
        schema: schema.to_owned(),
        version,
        cause: Position::START,
        cause_index: 0,
        command: CommandId::new(id),
        correlation: id.to_owned(),
        actor: "bench".to_owned(),
        time: Clock::System.now(),
        service: aggregate.service,
    };
    NewCommit { aggregate, expected: Position(expected), header, events: vec![Bytes::from(event)] }
}

/// Publishes a commit with a plain client, in the same words, and waits for the server's answer.
///
/// # Errors
/// A server that does not take it.
pub async fn publish(plain: &async_nats::jetstream::Context, commit: NewCommit) -> Result<u64> {
    let mut headers = HeaderMap::new();
    for (name, value) in commit.header.to_map() {
        headers.insert(name, value);
    }
    headers.insert(EXPECTED, commit.expected.to_string());
    let payload = Commit { events: commit.events }.encode_to_vec().into();
    let subject = commit.aggregate.event().as_str().to_owned();
    let sent = plain.publish_with_headers(subject, headers, payload).await.context("publish")?;
    Ok(sent.await.context("the server's answer")?.sequence)
}

/// What lies at that part of some measurements, from 0 to 1; 0 of none.
#[must_use]
pub fn quantile(measurements: &mut [f64], part: f64) -> f64 {
    measurements.sort_by(f64::total_cmp);
    let last = measurements.len().saturating_sub(1);
    measurements.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}
