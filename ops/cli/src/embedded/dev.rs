//! `fleetlog dev`: a hub and simulated clusters in this process until it is stopped; a restart on
//! the same folder goes on where it ended.

use crate::args::DevArgs;
use crate::embedded::fleet::{Fleet, FleetOptions};
use crate::embedded::hub::EmbeddedHub;
use crate::embedded::listener::Listener;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use bytes::Bytes;
use fleetlog_bus::{Headers, Message, SharedBroker};
use fleetlog_chassis::process::Signals;
use fleetlog_kernel::Service;
use fleetlog_messages::common::{ObjectMeta, Query, Refusal};
use fleetlog_messages::registration::cluster_command::Command;
use fleetlog_messages::registration::{
    AcceptCluster, ApplyCluster, ClusterCommand, ManagedCluster, ManagedClusterSpec,
};
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_topology::SpaceConfig;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tokio::time::{Duration, Instant, sleep};

/// Seconds between two beats of simulated clusters, so that silence is noticed soon.
pub const LEASE_SECONDS: i32 = 1;
/// How long clusters may take to ask to join.
const JOIN_WITHIN: Duration = Duration::from_secs(60);

/// Runs until a signal comes or something fails.
///
/// # Errors
/// A hub that does not start, or a task of it that fails.
pub async fn run(args: DevArgs, dir: &Path) -> Done {
    let listener = match args.listen {
        Some(address) => Some(Listener::bind(address).await?),
        None => None,
    };
    let space = SpaceConfig { reserve: args.reserve, ..SpaceConfig::default() };
    let progress = |step: &str| eprintln!("{step}");
    let hub = EmbeddedHub::start_leaving(space, dir, args.port, &progress).await?;
    if let Some(address) = args.metrics {
        let shown = hub.show(address).await?;
        println!("figures at http://{shown}/metrics");
    }
    let kubeconfig = hub.serve_api(args.api).await?;
    let door = listener.map(|listener| hub.listen(listener)).transpose()?;
    let mut fleet = Fleet::new(options(&hub)?, hub.tasks().clone());
    for number in 1..=args.clusters {
        fleet.start(&format!("cluster{number}"), labels(number))?;
    }
    let operator = hub.operator().await?;
    let asked = operator.subscribe(&subject::sims(), None).await?;
    let mut signals = Signals::listen();
    let ended = tokio::select! {
        biased;
        ended = serve(&hub, &fleet, &operator, asked, (door.as_deref(), &kubeconfig)) => ended,
        ended = hub.tasks().join() => ended.map_err(|e| anyhow::Error::from(e).into()),
        failure = hub.keep_running(|change| println!("{change}")) => Err(failure),
        () = signals.next() => {
            eprintln!("stopping; the folder keeps everything; a second signal ends it at once");
            Ok(())
        }
    };
    tokio::select! {
        biased;
        () = hub.stop() => ended,
        () = signals.next() => ended.and_then(|()| Err(cut_short())),
    }
}

fn cut_short() -> Failure {
    let sentence = "the hub was ended by a second signal before everything in hand was done";
    Failure::new("CLI0037", sentence, "start it again: it goes on where it was")
}

fn options(hub: &EmbeddedHub) -> Result<FleetOptions, Failure> {
    Ok(FleetOptions {
        url: hub.url().to_owned(),
        token: hub.identity().boot_token(None)?,
        keys: Some(hub.dir().join("agents")),
        seed: 1,
    })
}

/// `name=clusterI`, and `region=east` or `west` in turn.
fn labels(number: usize) -> BTreeMap<String, String> {
    let region = if number % 2 == 1 { "east" } else { "west" };
    BTreeMap::from([
        ("name".to_owned(), format!("cluster{number}")),
        ("region".to_owned(), region.to_owned()),
    ])
}

/// Takes the clusters in, says that the hub is ready, and answers `fleetlog sim`.
async fn serve(
    hub: &EmbeddedHub,
    fleet: &Fleet,
    operator: &SharedBroker,
    mut asked: BoxStream<'static, Message>,
    (door, kubeconfig): (Option<&str>, &Path),
) -> Done {
    let names: Vec<&str> = fleet.names().collect();
    let admin = hub.admin().await?;
    accept(&admin, &names, Some(LEASE_SECONDS)).await?;
    let dir = hub.dir().display();
    println!("ready: {} clusters, NATS at {}", names.len(), hub.url());
    if let Some(door) = door {
        println!("agents on other machines join at {door} (fleetlog hub token create says how)");
    }
    println!("look at it from a second terminal:");
    println!("  export FLEETLOG_DATA={dir}");
    println!("  fleetlog get managedclusters");
    println!("or with kubectl:");
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  kubectl get managedclusters");
    while let Some(message) = asked.next().await {
        let answer = answer(fleet, &message.subject);
        let Some(subject) = message.reply else { continue };
        let payload = Bytes::from(answer.encode_to_vec());
        let headers = Headers::new();
        operator.send(Message { subject, headers, payload, reply: None }).await?;
    }
    Err(Failure::new("CLI0020", "the connection to the hub ended", "start it again"))
}

/// An empty refusal says that it was done.
fn answer(fleet: &Fleet, subject: &str) -> Refusal {
    let Some((action, cluster)) = subject::of_sim(subject) else { return Refusal::default() };
    let open = action == "resume";
    let known = (open || action == "silence") && fleet.set_line(&cluster, open);
    if known {
        return Refusal::default();
    }
    let names: Vec<&str> = fleet.names().collect();
    Refusal {
        code: "CLI0021".to_owned(),
        sentence: format!("cluster \"{cluster}\" is not simulated here"),
        advice: format!("name one of these: {}", names.join(", ")),
    }
}

/// Accepts each of these clusters as soon as it has asked to join, unless it is accepted already or
/// a person denied it before; `lease` sets how often it beats, in seconds.
///
/// # Errors
/// A hub that does not answer, or clusters that never ask.
pub async fn accept(hub: &Hub, names: &[&str], lease: Option<i32>) -> Done {
    let mut waiting: Vec<&str> = names.to_vec();
    let started = Instant::now();
    loop {
        let query = Query { kind: "cluster".to_owned(), ..Query::default() };
        let objects = hub.objects(Service::Registration, query).await?;
        let standing: BTreeMap<&str, bool> = objects.iter().filter_map(standing).collect();
        let (asking, others): (Vec<&str>, Vec<&str>) =
            waiting.into_iter().partition(|name| standing.contains_key(name));
        waiting = others;
        let new = asking.into_iter().filter(|name| !standing[name]);
        let accepted: Vec<Done> = futures::stream::iter(new.map(|name| take_in(hub, name, lease)))
            .buffer_unordered(16)
            .collect()
            .await;
        accepted.into_iter().collect::<Done>()?;
        if waiting.is_empty() {
            return Ok(());
        }
        if started.elapsed() > JOIN_WITHIN {
            let sentence = format!("{} clusters did not ask to join", waiting.len());
            return Err(Failure::timeout(sentence, "look at the log of this process"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn take_in(hub: &Hub, name: &str, lease: Option<i32>) -> Done {
    let apply = lease.map(|seconds| {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let lease_duration_seconds = Some(seconds);
        let spec = ManagedClusterSpec { lease_duration_seconds, ..ManagedClusterSpec::default() };
        let cluster = ManagedCluster {
            metadata: Some(metadata),
            spec: Some(spec),
            ..ManagedCluster::default()
        };
        Command::Apply(ApplyCluster { cluster: Some(cluster), ..ApplyCluster::default() })
    });
    let to = AggregateId::global(Service::Registration, "cluster", name);
    for command in apply.into_iter().chain([Command::Accept(AcceptCluster {})]) {
        let payload = ClusterCommand { command: Some(command) }.encode_to_vec();
        hub.command(&to, payload).await?;
    }
    Ok(())
}

/// A cluster's name, and whether a person has spoken on it.
fn standing(object: &Value) -> Option<(&str, bool)> {
    let name = object.pointer("/metadata/name")?.as_str()?;
    let accepted = object.pointer("/spec/hubAcceptsClient").and_then(Value::as_bool);
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let judged =
        conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "HubAcceptedManagedCluster"));
    Some((name, accepted == Some(true) || judged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_lie_east_and_west_in_turn() {
        assert_eq!(labels(1)["region"], "east");
        assert_eq!(labels(2)["region"], "west");
        assert_eq!(labels(2)["name"], "cluster2");
    }
}
