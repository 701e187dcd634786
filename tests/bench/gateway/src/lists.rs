//! What lists of everything cost, as documents and as tables.

use crate::client::{Ask, JSON, TABLE};
use crate::clusters::PATH;
use crate::figure::{Better, Figure};
use crate::server::Server;
use crate::world::{Pair, World};
use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::time::Instant;

/// How often each list is asked for.
const TIMES: usize = 10;

/// `list_10000_ratio` and `table_10000_ratio`.
///
/// # Errors
/// A server that does not answer, or not with all.
pub async fn lists(world: &mut World) -> Result<Vec<Figure>> {
    let pair = world.pair().await?;
    Ok(vec![
        ratio(pair, "list_10000_ratio", JSON, "items").await?,
        ratio(pair, "table_10000_ratio", TABLE, "rows").await?,
    ])
}

/// What one list costs.
struct Cost {
    spent: f64,
    took: f64,
    bytes: usize,
}

async fn ratio(pair: &Pair, name: &str, form: &'static str, items: &str) -> Result<Figure> {
    let here = cost(&pair.hub, form, items, pair.clusters).await?;
    let there = cost(&pair.kube, form, items, pair.clusters).await?;
    let words = |cost: &Cost| {
        let mib = cost.bytes as f64 / 1024.0 / 1024.0;
        format!("{:.1} ms of CPU, {:.1} ms, {mib:.1} MiB", cost.spent * 1e3, cost.took * 1e3)
    };
    let setting = format!(
        "lists of {} clusters per CPU second over the baseline's; here {}; baseline: {}",
        pair.clusters,
        words(&here),
        words(&there),
    );
    let ratio = there.spent / here.spent.max(0.000_1);
    Ok(Figure::new(name, ratio, "x", Better::Higher).measured(TIMES as u64, setting).wanted(3.0))
}

async fn cost(server: &Server, form: &'static str, items: &str, count: usize) -> Result<Cost> {
    let mut line = server.line().await?;
    let ask = || Ask { accept: form, ..Ask::get(PATH) };
    let first: Value = line.document(ask()).await?;
    let found = first[items].as_array().map_or(0, Vec::len);
    ensure!(found == count, "{found} of {count} clusters are listed");
    let (before, since, mut bytes) = (server.spent()?, Instant::now(), 0);
    for _ in 0..TIMES {
        bytes = line.done(ask()).await?.len();
    }
    let each = |total: f64| total / TIMES as f64;
    let took = since.elapsed().as_secs_f64();
    Ok(Cost { spent: each(server.spent()? - before), took: each(took), bytes })
}
