//! Whether hub and members are as the acknowledged commands say: every object with its last value
//! and the number of its changes, on every member what its works hold and nothing else.

use crate::objects::{ADD_ON, Kept, NAMESPACE, PLACEMENT, Shape, Standing};
use crate::{Fleetlog, Load, Member, Pause, until_well};
use anyhow::{Context as _, Result, ensure};
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::common::Query;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Waits until everything is as it was acknowledged.
///
/// # Errors
/// What is otherwise still.
pub async fn settled(
    whole: &Fleetlog,
    members: &[Member],
    load: &Load,
    pause: &Pause,
) -> Result<()> {
    let (hub, hash) = (whole.admin(), hub_hash(whole)?);
    let kept = load.kept(pause);
    until_well("hub and members are as was acknowledged", async || {
        served(&hub, &kept).await?;
        let works = all(&hub, Service::Work, "manifestwork").await?;
        for work in &works {
            let name = format!("{}/{}", work["metadata"]["namespace"], work["metadata"]["name"]);
            ensure!(condition(work, "Applied"), "work {name} is not applied: {work}");
        }
        run(&hub, members, &kept).await?;
        for member in members {
            let of_member = works.iter().filter(|w| w["metadata"]["namespace"] == member.name());
            let wanted: BTreeSet<&str> =
                of_member.filter_map(|w| w["metadata"]["name"].as_str()).collect();
            let records = member.records(&hash).await?;
            let found: BTreeSet<&str> = records.iter().map(String::as_str).collect();
            ensure!(found == wanted, "{} records {found:?}, not {wanted:?}", member.name());
        }
        Ok(())
    })
    .await?;
    load.all_gone(pause);
    Ok(())
}

/// Every member runs what it should and nothing else.
async fn run(hub: &Hub, members: &[Member], kept: &[Kept]) -> Result<()> {
    let chosen = chosen(hub).await?;
    for member in members {
        let own: Vec<&Kept> =
            kept.iter().filter(|k| k.namespace.as_deref() == Some(member.name())).collect();
        runs(member, &own, spread(kept, &chosen, member)).await?;
    }
    Ok(())
}

/// Whether a condition is true of an object as it is wanted now.
fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let generation = &object["metadata"]["generation"];
    let mut found = conditions.into_iter().flatten().filter(|c| c["type"] == kind);
    found.any(|c| c["status"] == "True" && c["observedGeneration"] == *generation)
}

/// What members know this hub by.
fn hub_hash(whole: &Fleetlog) -> Result<String> {
    let id = whole.hub().identity()?.hub_id();
    Ok(ContentHash::of(id.as_str().as_bytes()).to_string())
}

async fn all(hub: &Hub, service: Service, kind: &str) -> Result<Vec<Value>> {
    let kind = kind.to_owned();
    Ok(hub.objects(service, Query { kind, without_bodies: true, ..Query::default() }).await?)
}

/// Each service serves its objects as they were acknowledged.
async fn served(hub: &Hub, kept: &[Kept]) -> Result<()> {
    let mut kinds: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for object in kept {
        if !kinds.contains_key(object.token()) {
            kinds.insert(object.token(), all(hub, object.service(), object.token()).await?);
        }
        let is = |found: &&Value| {
            let metadata = &found["metadata"];
            metadata["name"] == object.name.as_str()
                && metadata["namespace"].as_str() == object.namespace.as_deref()
        };
        let found = kinds[object.token()].iter().find(is);
        if let Some(wrong) = object.wrong(found) {
            anyhow::bail!("{wrong}");
        }
    }
    Ok(())
}

/// The clusters that the placement chose, which are as many as it wants, or all.
async fn chosen(hub: &Hub) -> Result<BTreeSet<String>> {
    let pages = all(hub, Service::Placement, "placementdecision").await?;
    let decisions = pages.iter().filter_map(|page| page["status"]["decisions"].as_array());
    let names = decisions.flatten().filter_map(|d| d["clusterName"].as_str().map(str::to_owned));
    let names: BTreeSet<String> = names.collect();
    let placements = all(hub, Service::Placement, "placement").await?;
    let Some(placement) = placements.iter().find(|p| p["metadata"]["name"] == PLACEMENT) else {
        return Ok(names);
    };
    let wanted = placement["spec"]["numberOfClusters"].as_u64().context("no number of clusters")?;
    let clusters = all(hub, Service::Registration, "cluster").await?.len();
    let wanted = usize::try_from(wanted)?.min(clusters);
    ensure!(names.len() == wanted, "{NAMESPACE}/{PLACEMENT} chose {names:?}, not {wanted}");
    Ok(names)
}

/// The value of the replica set on a member, if it should be there.
fn spread(kept: &[Kept], chosen: &BTreeSet<String>, member: &Member) -> Option<u64> {
    let set = kept.iter().find(|kept| kept.shape == Shape::ReplicaSet)?;
    match set.standing {
        Standing::There { value, .. } => chosen.contains(member.name()).then_some(value),
        Standing::Absent | Standing::Leaving => None,
    }
}

/// A member runs what it should and nothing else.
async fn runs(member: &Member, own: &[&Kept], spread: Option<u64>) -> Result<()> {
    let there = |shape: Shape| {
        own.iter().filter(move |kept| kept.shape == shape).filter_map(|kept| match kept.standing {
            Standing::There { value, .. } => Some((kept.name.clone(), value.to_string())),
            Standing::Absent | Standing::Leaving => None,
        })
    };
    let add_on = there(Shape::AddOn).map(|_| (ADD_ON.to_owned(), "on".to_owned())).collect();
    let spread = spread.map(|value| ("spread".to_owned(), value.to_string())).into_iter().collect();
    let wanted: [(&str, BTreeMap<String, String>); 3] =
        [("work", there(Shape::Work).collect()), ("addon", add_on), ("spread", spread)];
    for (label, wanted) in wanted {
        let found = member.values(label).await?;
        ensure!(found == wanted, "{} has {found:?} of {label}, not {wanted:?}", member.name());
    }
    Ok(())
}
