//! How long it takes until many new clusters are taken in.

use crate::client::Ask;
use crate::clusters::{PATH, is, name, object};
use crate::figure::{Better, Figure};
use crate::server::Server;
use crate::world::{CLIENTS, World};
use crate::writes::run;
use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};

/// How long they may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// What is true of a cluster that is taken in.
const ACCEPTED: &str = "HubAcceptedManagedCluster";
/// What the hub of Open Cluster Management took for as many on two cores, its client's limits
/// lifted, in seconds.
const ELSEWHERE: f64 = 83.0;

/// `create_accept_1000_s`.
///
/// # Errors
/// A hub that does not take them in.
pub async fn thousand(world: &mut World) -> Result<Vec<Figure>> {
    let count = world.scale.of(1_000, 20);
    let hub = Server::hub().await?;
    let mut line = hub.line().await?;
    let (before, since) = (hub.spent()?, Instant::now());
    let make = |number| Ask::with(Method::POST, PATH, object(number, true).to_string());
    run(&hub, CLIENTS, count, make).await?;
    let made = since.elapsed().as_secs_f64();
    let mut accepted = 0;
    while accepted < count {
        ensure!(since.elapsed() < WITHIN, "{accepted} of {count} clusters are accepted");
        sleep(LOOK).await;
        // The smaller list first: who looks takes time from what is looked at.
        if placed(&line.document(Ask::get("/api/v1/namespaces")).await?, count)? {
            let clusters = line.document(Ask::get(PATH)).await?;
            accepted = items(&clusters)?.filter(|one| is(one, ACCEPTED)).count();
        }
    }
    let took = since.elapsed().as_secs_f64();
    let setting = format!(
        "{CLIENTS} clients; made after {made:.2} s, then until each has its condition and its \
         namespace; {:.1} s of CPU; baseline: the hub of Open Cluster Management on two cores, \
         measured before, its client's limits lifted (169 s with them)",
        hub.spent()? - before,
    );
    Ok(vec![
        Figure::new("create_accept_1000_s", took, "s", Better::Lower)
            .measured(count as u64, setting)
            .against(ELSEWHERE)
            .wanted(3.0),
    ])
}

fn items(list: &Value) -> Result<impl Iterator<Item = &Value>> {
    Ok(list["items"].as_array().context("no list")?.iter())
}

/// Whether each cluster has its namespace.
fn placed(namespaces: &Value, count: usize) -> Result<bool> {
    let there: std::collections::BTreeSet<&str> =
        items(namespaces)?.filter_map(|one| one["metadata"]["name"].as_str()).collect();
    Ok((0..count).all(|number| there.contains(name(number).as_str())))
}
