//! `decide_10_of_3000_p50_ms` and `decide_all_of_3000_p50_ms`: from the command that makes a
//! placement until its decision is durable and heard, over a fleet that only exists in the log.

use crate::figure::{Better, Figure, median};
use crate::fleets;
use crate::orders::{accomplish, label};
use anyhow::{Context as _, Result};
use fleetlog_bus::{Client, Entry, JetStream};
use fleetlog_chassis::Ids;
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_kernel::{Actor, Position, Service};
use fleetlog_messages::placement::{
    ApplyPlacement, DeletePlacement, Placement, PlacementCommand, PlacementSpec, Toleration,
    placement_command,
};
use fleetlog_messages::subject::AggregateId;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use tokio::time::{Duration, Instant, timeout};

const NAMESPACE: &str = "bench";
/// The set that every cluster is in.
const BINDING: &str = "apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: global, namespace: bench}
spec: {clusterSet: global}
";
const RUNS: usize = 51;
const AT_ONCE: usize = 64;
const WITHIN: Duration = Duration::from_secs(60);

type Events = BoxStream<'static, Result<Entry, fleetlog_bus::Fault>>;

/// The two figures.
///
/// # Errors
/// A hub that refuses, or that decides nothing.
pub async fn decide(hub: &EmbeddedHub, clusters: usize) -> Result<Vec<Figure>> {
    let admin = hub.admin().await?;
    let client = admin.client().clone();
    let made = stream::iter(0..clusters).map(|number| cluster(&client, number));
    made.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    fleets::apply(&admin, BINDING).await?;
    let operator = JetStream::connect(hub.url(), hub.identity().operator()?, "operator").await?;
    let reader = Client::new(operator, Actor::new("operator"), || Ids::Random.command());
    // A first decision over all of them: the fleet is folded in.
    measure(&client, &reader, "first", (None, clusters)).await?;
    let mut figures = vec![];
    for (name, wanted, goal) in [("10", Some(10), 8.0), ("all", None, 60.0)] {
        let expected = wanted.unwrap_or(clusters);
        let mut took = vec![];
        for number in 0..RUNS {
            let placement = format!("take-{name}-{number}");
            took.push(measure(&client, &reader, &placement, (wanted, expected)).await?);
        }
        let figure = format!("decide_{name}_of_3000_p50_ms");
        let setting = format!(
            "{clusters} clusters; from sending the command until the decision is read from the log"
        );
        let figure = Figure::new(&figure, median(&mut took), "ms", Better::Lower);
        figures.push(figure.measured(RUNS as u64, setting).wanted(goal));
    }
    Ok(figures)
}

/// Makes a placement, waits for its decision, removes it; the milliseconds of the first two.
async fn measure(
    client: &Client,
    reader: &Client,
    name: &str,
    (wanted, expected): (Option<usize>, usize),
) -> Result<f64> {
    let to = AggregateId::namespaced(Service::Placement, "placement", NAMESPACE, name);
    let mut events: Events = reader.events(&to.event(), Position::START).await?.entries;
    // No agent beats for these clusters, and their taints say so.
    let any = Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() };
    let spec = PlacementSpec {
        tolerations: vec![any],
        number_of_clusters: wanted.and_then(|wanted| i32::try_from(wanted).ok()),
        ..PlacementSpec::default()
    };
    let placement = Placement { spec: Some(spec), ..Placement::default() };
    let apply = ApplyPlacement { placement: Some(placement), ..ApplyPlacement::default() };
    let started = Instant::now();
    told(client, &to, placement_command::Command::Apply(apply)).await?;
    let decided = timeout(WITHIN, decision(&mut events, expected)).await;
    decided.with_context(|| format!("\"{name}\" does not come to {expected} clusters"))??;
    let took = started.elapsed().as_secs_f64() * 1e3;
    told(client, &to, placement_command::Command::Delete(DeletePlacement {})).await?;
    Ok(took)
}

/// Waits until so many clusters are chosen: where the fleet is not folded in yet, that takes more
/// than one decision.
async fn decision(events: &mut Events, expected: usize) -> Result<()> {
    use fleetlog_messages::placement::{PlacementEvent, placement_event::Event};
    let mut chosen = 0;
    while let Some(entry) = events.next().await {
        for event in entry?.into_commit()?.events {
            if let Some(Event::Decided(decided)) = PlacementEvent::decode(event)?.event {
                chosen += decided.added.len();
                chosen -= decided.removed.len();
                if chosen == expected {
                    return Ok(());
                }
            }
        }
    }
    anyhow::bail!("the log ended")
}

async fn told(
    client: &Client,
    to: &AggregateId,
    command: placement_command::Command,
) -> Result<()> {
    let payload = PlacementCommand { command: Some(command) }.encode_to_vec();
    accomplish(client, to, payload).await
}

async fn cluster(client: &Client, number: usize) -> Result<()> {
    label(client, &format!("c{number:06}"), ("tier", &format!("t{}", number % 10))).await
}
