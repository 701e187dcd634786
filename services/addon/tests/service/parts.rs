//! Add-ons on more clusters than one part takes, of a service that stops between and in the middle
//! of parts: every start goes on where the log says, and nothing is ordered twice.

use crate::{apply_template, decided, define, header_of, joined, log};
use bytes::Bytes;
use fleetlog_addon::{AddOns, Settings};
use fleetlog_addon_domain::names::{ADD_ON, definition_id};
use fleetlog_addon_domain::plan::CHUNK;
use fleetlog_bus::{Append, EventLog, NewCommit};
use fleetlog_chassis::Tasks;
use fleetlog_kernel::{Position, Service, Timestamp};
use fleetlog_messages::addon::{
    DefinitionCommand, DefinitionEvent, DeleteDefinition, definition_command, definition_event,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, AggregateId};
use fleetlog_test_support::crash::{CrashPoint, IN_PARTS, Lives, PART, Story};
use prost::Message as _;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const START: Timestamp = Timestamp::of_seconds(1_800_000_000);
/// A whole part and a little of another.
const CLUSTERS: usize = CHUNK + 30;
/// On a log in which a placement chose more clusters than fit a part.
async fn lives() -> Lives<AddOns> {
    let memory = Lives::<AddOns>::memory(START);
    let tasks = Tasks::default();
    let others = log(memory.clone(), &tasks);
    let names: Vec<String> = (0..CLUSTERS).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let joins =
        names.iter().map(|name| append(&others, joined(name), "ClusterEvent", "ClusterSpecified"));
    futures::future::join_all(joins).await;
    append(&others, decided(1, &names, &[]), "PlacementEvent", "PlacementDecided").await;
    tasks.abort();
    Lives::on(memory, START, |ground| fleetlog_addon::start(ground, Settings::default())).await
}

/// The clusters of each part that was planned.
async fn planned(lives: &Lives<AddOns>) -> Vec<Vec<String>> {
    let commits = lives.commits().await;
    let events = commits.iter().filter(|commit| commit.aggregate == definition_id("metrics"));
    let event = |bytes: &Bytes| DefinitionEvent::decode(bytes.clone()).unwrap().event;
    let plans = events.flat_map(|commit| &commit.events).filter_map(|bytes| match event(bytes) {
        Some(definition_event::Event::InstallPlanned(plan)) => Some(plan.install),
        _ => None,
    });
    let clusters = plans.map(|plan| plan.into_iter().map(|target| target.cluster).collect());
    clusters.filter(|part: &Vec<String>| !part.is_empty()).collect()
}

/// The ids under which work was told of each cluster.
async fn told(lives: &Lives<AddOns>) -> BTreeMap<String, BTreeSet<String>> {
    let (to_work, mut told) = (subject::told_to(Service::Work), BTreeMap::new());
    for sequence in 1.. {
        let Some(message) = lives.memory.get("DO", sequence).await.unwrap() else { break };
        if to_work.covers(&message.subject) {
            let ids: &mut BTreeSet<String> = told.entry(message.subject).or_default();
            ids.insert(message.headers[header::COMMAND].clone());
        }
    }
    told
}

async fn append(
    log: &EventLog,
    (aggregate, event): (AggregateId, Vec<u8>),
    schema: &str,
    kind: &str,
) {
    let header = header_of(&aggregate, 1, schema, kind);
    let (expected, events) = (Position::START, vec![event.into()]);
    match log.append(NewCommit { aggregate, expected, header, events }).await {
        Ok(Append::Appended(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_add_on_for_many_clusters_goes_on_in_the_middle_of_a_part_and_between_parts() {
    assert_eq!(PART, CHUNK as u64, "a part is what the places take for one");
    // What is taken away first needs no plan.
    let removing = &IN_PARTS[2..];
    let met: BTreeSet<CrashPoint> = removing.iter().copied().collect();
    assert_eq!(met, CrashPoint::of(Story::Parts).collect(), "every place of it is met");
    let mut lives = lives().await;
    lives.fuse.arm(IN_PARTS.map(|stop| (stop, 1)));
    let template = AggregateId::global(Service::Addon, "template", "metrics-1");
    lives.says("template", &template, apply_template().into()).await;
    let definition = define(&json!({ "type": "All" }));
    lives.says("define", &definition_id("metrics"), definition.into()).await;
    lives.go_on_until(|addons| addons.fleet().add_ons().len() == CLUSTERS).await;
    lives.had_once(ADD_ON, "AddOnSpecified", CLUSTERS).await;
    let planned = planned(&lives).await;
    let distinct: BTreeSet<&String> = planned.iter().flatten().collect();
    assert_eq!(distinct.len(), CLUSTERS, "no cluster is in two parts");
    assert_eq!(planned.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, CLUSTERS - CHUNK]);
    let told = told(&lives).await;
    let twice: Vec<_> = told.iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert_eq!((told.len(), twice), (CLUSTERS, vec![]), "work is told of each once");
    lives.is_what_the_log_says().await;

    lives.fuse.arm(removing.iter().map(|stop| (*stop, 1)));
    let delete = Some(definition_command::Command::Delete(DeleteDefinition {}));
    let delete = DefinitionCommand { command: delete }.encode_to_vec();
    lives.says("delete", &definition_id("metrics"), delete.into()).await;
    // The definition goes with its last part.
    lives.go_on_until(|addons| addons.fleet().definitions().is_empty()).await;
    for event in ["AddOnDeletionRequested", "AddOnDeleted", "AddOnSpecified"] {
        lives.had_once(ADD_ON, event, CLUSTERS).await;
    }
    lives.is_what_the_log_says().await;
}
