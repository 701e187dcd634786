//! What a change costs that many watch: watches of the whole kind, which all hear of each, and
//! watches by name, of which one does.

use crate::client::{Ask, Line, MERGE};
use crate::clusters::{PATH, name, path};
use crate::figure::{Better, Figure};
use crate::server::Server;
use crate::world::{Pair, World};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

/// How many watches go over one connection.
pub const STREAMS: usize = 100;
/// How many watches are begun at once.
const AT_ONCE: usize = 64;
/// How long everything that is to be heard may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(1);
/// How long a server is left alone before its time is taken.
const REST: Duration = Duration::from_secs(1);

/// Watches that run, and how many lines they have been told.
pub struct Watches {
    lines: Vec<Line>,
    running: JoinSet<()>,
    told: Arc<AtomicUsize>,
}

impl Watches {
    /// Begins so many; `query` is what each adds to its question.
    ///
    /// # Errors
    /// A server that does not take them all.
    pub async fn begin(
        server: &Server,
        count: usize,
        query: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let (mut running, told) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        let mut lines = vec![];
        let list = Ask::get(format!("{PATH}?limit=1"));
        let list = server.line().await?.document(list).await?;
        let version = list["metadata"]["resourceVersion"].as_str().context("no version")?;
        for first in (0..count).step_by(STREAMS) {
            let line = server.line().await?;
            let begun = (first..count.min(first + STREAMS)).map(|number| {
                let (mut line, query) = (line.clone(), query(number));
                let place = format!("{PATH}?watch=true&timeoutSeconds=3600");
                let ask = Ask::get(format!("{place}&resourceVersion={version}{query}"));
                async move { line.begin(ask).await }
            });
            let begun: Vec<_> = stream::iter(begun).buffer_unordered(AT_ONCE).try_collect().await?;
            for response in begun {
                ensure!(response.status().is_success(), "a watch: {}", response.status());
                let (mut body, told) = (response.into_body(), told.clone());
                running.spawn(async move {
                    while let Some(Ok(frame)) = body.frame().await {
                        let ended = frame
                            .data_ref()
                            .map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
                        told.fetch_add(ended, Ordering::Relaxed);
                    }
                });
            }
            lines.push(line);
        }
        Ok(Self { lines, running, told })
    }

    /// How many run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// Waits until so many lines have come.
    async fn heard(&self, lines: usize) -> Result<()> {
        let since = Instant::now();
        loop {
            let told = self.told.load(Ordering::Relaxed);
            if told >= lines {
                return Ok(());
            }
            ensure!(since.elapsed() < WITHIN, "{told} of {lines} lines came");
            sleep(LOOK).await;
        }
    }
}

/// `fanout_10000_watchers_ratio`.
///
/// # Errors
/// A server that does not tell all of them.
pub async fn of_a_kind(world: &mut World) -> Result<Vec<Figure>> {
    let (watches, changes) = (world.scale.of(10_000, 100), world.scale.of(20, 5));
    let pair = world.pair().await?;
    let fanout = Fanout { watches, changes, heard: watches, query: |_| String::new() };
    let what = "watches of the kind, all of which hear of each change";
    Ok(vec![ratio(pair, "fanout_10000_watchers_ratio", what, &fanout).await?])
}

/// `fanout_10000_names_ratio`.
///
/// # Errors
/// A server that does not tell all of them.
pub async fn by_name(world: &mut World) -> Result<Vec<Figure>> {
    let (watches, changes) = (world.scale.of(10_000, 100), world.scale.of(500, 20));
    let pair = world.pair().await?;
    let query = |number: usize| format!("&fieldSelector=metadata.name%3D{}", name(number));
    let fanout = Fanout { watches, changes, heard: 1, query };
    let what = "watches by name, one of which hears of each change";
    Ok(vec![ratio(pair, "fanout_10000_names_ratio", what, &fanout).await?])
}

/// What is watched and changed.
struct Fanout {
    watches: usize,
    changes: usize,
    /// How many hear of a change.
    heard: usize,
    query: fn(usize) -> String,
}

/// What it cost.
struct Cost {
    spent: f64,
    took: f64,
}

async fn ratio(pair: &Pair, name: &str, what: &str, fanout: &Fanout) -> Result<Figure> {
    let here = cost(&pair.hub, fanout).await?;
    let there = cost(&pair.kube, fanout).await?;
    let told = (fanout.changes * fanout.heard) as f64;
    let words = |cost: &Cost| {
        let each = cost.took * 1e3 / fanout.changes as f64;
        format!("{:.0} per CPU second, {each:.1} ms for a change", told / cost.spent.max(0.01))
    };
    let setting = format!(
        "{} {what}, {STREAMS} to a connection; {} changes, each until it is heard; here {}; \
         baseline: {}",
        fanout.watches,
        fanout.changes,
        words(&here),
        words(&there),
    );
    let ratio = there.spent / here.spent.max(0.01);
    Ok(Figure::new(name, ratio, "x", Better::Higher).measured(told as u64, setting).wanted(3.0))
}

async fn cost(server: &Server, fanout: &Fanout) -> Result<Cost> {
    let watches = Watches::begin(server, fanout.watches, fanout.query).await?;
    let mut line = server.line().await?;
    sleep(REST).await;
    let (before, since) = (server.spent()?, Instant::now());
    let first = watches.told.load(Ordering::Relaxed);
    for round in 1..=fanout.changes {
        let number = round * 7 % fanout.watches;
        let label = format!("{}-{}", fanout.heard, round);
        let body = json!({ "metadata": { "labels": { "environment": label } } }).to_string();
        let ask = Ask::with(Method::PATCH, path(number), body);
        line.done(Ask { content_type: MERGE, ..ask }).await?;
        watches.heard(first + round * fanout.heard).await?;
    }
    let took = since.elapsed().as_secs_f64();
    Ok(Cost { spent: server.spent()? - before, took })
}
