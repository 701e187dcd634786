//! What writes cost: clusters made and changed by many clients at once.

use crate::client::Ask;
use crate::clusters::path;
use crate::figure::{Better, Figure};
use crate::ground::quantile;
use crate::server::Server;
use crate::world::{CLIENTS, World};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use http::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

/// What came of some requests.
pub struct Written {
    /// How many there were.
    pub count: usize,
    /// The seconds that they took.
    pub took: f64,
    /// The seconds that the server's processes spent on them.
    pub spent: f64,
    /// The same, process by process.
    pub shares: Vec<f64>,
    /// What each took, in milliseconds.
    pub each: Vec<f64>,
    /// What was answered, by the number of the request.
    pub answers: Vec<(usize, Bytes)>,
}

/// Sends requests by so many clients, each on a connection of its own, one after the other.
///
/// # Errors
/// A request that is refused.
pub async fn run(
    server: &Server,
    clients: usize,
    count: usize,
    make: impl Fn(usize) -> Ask,
) -> Result<Written> {
    let lines = try_join_all((0..clients).map(|_| server.line())).await?;
    let (next, make) = (AtomicUsize::new(0), &make);
    let (before, since) = (server.shares()?, Instant::now());
    let work = lines.into_iter().map(|mut line| {
        let next = &next;
        async move {
            let mut done = vec![];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(done);
                }
                let (ask, since) = (make(number), Instant::now());
                let answer = line.done(ask).await?;
                done.push((number, since.elapsed().as_secs_f64() * 1e3, answer));
            }
        }
    });
    let done = try_join_all(work).await?.concat();
    let took = since.elapsed().as_secs_f64();
    let shares: Vec<f64> =
        server.shares()?.iter().zip(before).map(|(after, before)| after - before).collect();
    Ok(Written {
        count,
        took,
        spent: shares.iter().sum(),
        shares,
        each: done.iter().map(|(_, took, _)| *took).collect(),
        answers: done.into_iter().map(|(number, _, answer)| (number, answer)).collect(),
    })
}

impl Written {
    /// Both together.
    fn and(&self, other: &Self) -> Self {
        let shares = self.shares.iter().zip(&other.shares).map(|(a, b)| a + b);
        Self {
            count: self.count + other.count,
            took: self.took + other.took,
            spent: self.spent + other.spent,
            shares: shares.collect(),
            each: [self.each.as_slice(), other.each.as_slice()].concat(),
            answers: vec![],
        }
    }

    fn per_cpu_second(&self) -> f64 {
        self.count as f64 / self.spent.max(0.01)
    }

    /// In words.
    fn words(&self) -> String {
        let shares: Vec<String> = self.shares.iter().map(|s| format!("{s:.1}")).collect();
        let each = |name, part| format!("{name} {:.1} ms", quantile(&mut self.each.clone(), part));
        format!(
            "{:.0}/s, {}, {}, {:.2} ms of CPU each ({} s)",
            self.count as f64 / self.took,
            each("p50", 0.5),
            each("p99", 0.99),
            self.spent * 1e3 / self.count as f64,
            shares.join(" + "),
        )
    }
}

/// `write_ratio` and `write_p99_ms`.
///
/// # Errors
/// A server that does not take a write.
pub async fn writes(world: &mut World) -> Result<Vec<Figure>> {
    let pair = world.pair().await?;
    let changes = pair.clusters / 2;
    let here = changed(&pair.hub, &pair.made[0], changes).await?;
    let there = changed(&pair.kube, &pair.made[1], changes).await?;
    let (made, made_there) = (&pair.made[0], &pair.made[1]);
    let (all, all_there) = (made.and(&here), made_there.and(&there));
    let ratio = all.per_cpu_second() / all_there.per_cpu_second();
    let p99 = |written: &Written| quantile(&mut written.each.clone(), 0.99);
    let setting = format!(
        "{} creates and {changes} updates, {CLIENTS} clients; creates {}, updates {} (gateway + \
         services + nats-server); baseline: creates {}, updates {} (kube-apiserver + etcd)",
        pair.clusters,
        made.words(),
        here.words(),
        made_there.words(),
        there.words(),
    );
    let slow = p99(&all_there);
    Ok(vec![
        Figure::new("write_ratio", ratio, "x", Better::Higher)
            .measured(all.count as u64, setting)
            .wanted(3.0),
        Figure::new("write_p99_ms", p99(&all), "ms", Better::Lower)
            .measured(all.count as u64, "the same; the goal is the baseline's")
            .against(slow)
            .wanted(slow),
    ])
}

/// Each of some clusters is put back with another label, at the version that it was answered at.
async fn changed(server: &Server, made: &Written, count: usize) -> Result<Written> {
    let mut bodies: Vec<(usize, Bytes)> = vec![];
    for (number, answer) in made.answers.iter().take(count) {
        let mut object: Value = serde_json::from_slice(answer).context("read an answer")?;
        object["metadata"]["labels"]["environment"] = json!("changed");
        bodies.push((*number, object.to_string().into()));
    }
    run(server, CLIENTS, bodies.len(), |at| {
        let (number, body) = &bodies[at];
        Ask::with(Method::PUT, path(*number), body.clone())
    })
    .await
}
