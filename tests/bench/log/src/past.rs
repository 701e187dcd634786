//! What looking back costs on a long log: one object and a whole list, as of moments all over it.
//! No plain client answers such a question, so there is no baseline.

use crate::figure::{Better, Figure};
use crate::ground::{Scale, commit_of, quantile};
use anyhow::{Context as _, Result, ensure};
use fleetlog_bus::{Append, EventLog, JetStream, NewCommit};
use fleetlog_chassis::{Bus, Clock, Tasks};
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::Service;
use fleetlog_messages::common::{ObjectMeta, Query};
use fleetlog_messages::registration::{
    ClusterEvent, ClusterSpecified, ManagedCluster, ManagedClusterSpec, cluster_event,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_topology::{Identity, folder};
use futures::{StreamExt as _, stream};
use prost::Message as _;
use std::path::Path;
use tokio::time::{Duration, Instant, sleep, timeout};

/// How many appends are under way at once.
const AT_ONCE: usize = 256;
/// Moments that are asked about, evenly spread.
const MOMENTS: usize = 10;
/// Objects asked for at each of them, one after the other.
const OBJECTS: usize = 10;
/// How long the hub may take to fold what was appended.
const WITHIN: Duration = Duration::from_secs(300);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// `as_of_object_ms`, `as_of_first_object_ms` and `as_of_list_10000_s`.
///
/// # Errors
/// A hub that does not take the log, or does not answer for it.
pub async fn as_of(scale: Scale) -> Result<Vec<Figure>> {
    let (events, clusters) = (scale.of(1_000_000, 1_000), scale.of(10_000, 10));
    let folder = tempfile::tempdir()?;
    let hub = EmbeddedHub::start(folder.path(), None, &|_| {}).await?;
    let admin = hub.admin().await?;
    let tasks = Tasks::default();
    let log = log(folder.path(), &tasks).await?;
    write(&log, events, clusters).await?;
    let end = folded(&admin, events).await?;
    let (mut first, mut more, mut lists) = (vec![], vec![], vec![]);
    for moment in 1..=MOMENTS {
        // Not in the order of the log, and never where a snapshot lies.
        let part = end * (moment * 7 % MOMENTS) as u64 / MOMENTS as u64;
        let at = (part.max(end / 20) + 777).min(end);
        for object in 0..OBJECTS {
            let name = format!("cluster{}", (moment * OBJECTS + object) % clusters);
            let (took, found) = ask(&admin, at, &name).await?;
            ensure!(found <= 1, "{found} objects of one name");
            if object == 0 { &mut first } else { &mut more }.push(took * 1e3);
        }
        let elsewhere = end - at.min(end - 1);
        let (took, found) = ask(&admin, elsewhere, "").await?;
        // Events of others lie between those of the first round.
        let all = elsewhere > 2 * clusters as u64;
        ensure!(!all || found == clusters, "{found} of {clusters} clusters at {elsewhere}");
        lists.push(took);
    }
    let setting = format!(
        "{clusters} clusters, {events} events, {MOMENTS} moments all over the log, median; \
         worst first object {:.0} ms, worst list {:.2} s",
        quantile(&mut first, 1.0),
        quantile(&mut lists, 1.0),
    );
    tasks.abort();
    hub.stop().await;
    let figure = |name, took: &mut [f64], unit| {
        Figure::new(name, quantile(took, 0.5), unit, Better::Lower)
            .measured(took.len() as u64, setting.clone())
    };
    Ok(vec![
        figure("as_of_object_ms", &mut more, "ms").wanted(50.0),
        figure("as_of_first_object_ms", &mut first, "ms"),
        figure("as_of_list_10000_s", &mut lists, "s").wanted(1.0),
    ])
}

/// The log with the rights of registration, whose clusters are written.
async fn log(dir: &Path, tasks: &Tasks) -> Result<EventLog> {
    let url = folder::find(dir)?.nats_url.context("the hub has no address")?;
    let user = Identity::read(dir, Clock::System.now())?.service(Service::Registration)?;
    let broker = JetStream::connect(&url, user, "registration").await?;
    Ok(Bus::new(broker, tasks).log)
}

/// Each cluster is specified again and again, in turn, with another label.
///
/// # Errors
/// A server that does not take it.
pub async fn write(log: &EventLog, events: usize, clusters: usize) -> Result<()> {
    let mut last = vec![0; clusters];
    for (round, begin) in (0..events).step_by(clusters).enumerate() {
        let due = last.iter().take(events - begin).enumerate();
        let due: Vec<_> =
            due.map(|(number, last)| (number, commit(number, round, *last))).collect();
        let written = due.into_iter().map(|(number, commit)| async move {
            match log.append(commit).await? {
                Append::Appended(position) => Ok::<_, anyhow::Error>((number, position.0)),
                other => anyhow::bail!("an append came to {other:?}"),
            }
        });
        let mut written = stream::iter(written).buffer_unordered(AT_ONCE);
        while let Some(done) = written.next().await {
            let (number, position) = done?;
            last[number] = position;
        }
    }
    Ok(())
}

fn commit(number: usize, round: usize, expected: u64) -> NewCommit {
    let (name, id) = (format!("cluster{number}"), format!("past-{number}-{round}"));
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        labels: [("round".to_owned(), round.to_string())].into(),
        ..ObjectMeta::default()
    };
    let cluster = ManagedCluster {
        metadata: Some(metadata),
        spec: Some(ManagedClusterSpec::default()),
        ..ManagedCluster::default()
    };
    let specified = ClusterSpecified { cluster: Some(cluster) };
    let event = ClusterEvent { event: Some(cluster_event::Event::Specified(specified)) };
    let aggregate = AggregateId::global(Service::Registration, "cluster", &name);
    let schema = "fleetlog.registration.v1.ClusterEvent";
    let event = ("ClusterSpecified", schema, event.encode_to_vec());
    commit_of(aggregate, &id, round as u64 + 1, expected, event)
}

/// Waits until registration has folded so many events; the position that it stands at.
async fn folded(admin: &Hub, events: usize) -> Result<u64> {
    let reached = async {
        loop {
            let query =
                Query { kind: "cluster".to_owned(), name: "x".to_owned(), ..Query::default() };
            let (position, _) = admin.objects_at(Service::Registration, query).await?;
            if position >= events as u64 {
                return Ok::<_, anyhow::Error>(position);
            }
            sleep(LOOK).await;
        }
    };
    timeout(WITHIN, reached).await.context("the hub does not come to the end of the log")?
}

/// Asks for one cluster, or for all, as of a position; the seconds it took, how many came.
async fn ask(admin: &Hub, as_of: u64, name: &str) -> Result<(f64, usize)> {
    let query =
        Query { kind: "cluster".to_owned(), name: name.to_owned(), as_of, ..Query::default() };
    let since = Instant::now();
    let (position, objects) = admin.objects_at(Service::Registration, query).await?;
    let took = since.elapsed().as_secs_f64();
    ensure!(position == as_of, "the answer is of {position} instead of {as_of}");
    Ok((took, objects.len()))
}
