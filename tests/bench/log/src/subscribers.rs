//! What one slow follower costs the others: how late they hear of a commit, with it and without.

use crate::figure::{Better, Figure, median};
use crate::ground::{Ground, Scale, aggregate, commit, quantile};
use anyhow::{Context as _, Result, ensure};
use fleetlog_bus::{Append, Client, EventLog, JetStream};
use fleetlog_kernel::{Actor, Position};
use fleetlog_messages::subject;
use fleetlog_topology::server::Sync;
use futures::{StreamExt as _, future};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::{Duration, Instant, interval, sleep};

/// Followers that keep up.
const OTHERS: usize = 8;
/// Commits per second that they follow.
const PER_SECOND: u64 = 1_000;
/// How long the slow one takes over one commit.
const SLOW: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;

/// `slow_subscriber_cost_ratio`.
///
/// # Errors
/// A server that does not take or give what it should.
pub async fn slow(scale: Scale) -> Result<Vec<Figure>> {
    let commits = scale.of(4_000, 100);
    let (mut alone, mut beside, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        alone.push(round(commits, false).await?);
        beside.push(round(commits, true).await?);
        ratios.push(beside[beside.len() - 1] / alone[alone.len() - 1]);
    }
    let setting = format!(
        "median of {ROUNDS} runs: p99 of {OTHERS} followers of {PER_SECOND} commits a second, \
         beside one that takes {SLOW:?} over each: {:.2} ms, without it {:.2} ms",
        median(&mut beside),
        median(&mut alone),
    );
    Ok(vec![
        Figure::new("slow_subscriber_cost_ratio", median(&mut ratios), "x", Better::Lower)
            .measured(commits as u64, setting)
            .wanted(1.25),
    ])
}

/// The p99 of the milliseconds from an append until a follower has it.
async fn round(commits: usize, with_slow: bool) -> Result<f64> {
    let ground = Ground::start(Sync::Default).await?;
    let log = ground.log().await?;
    let operator = ground.hub.identity().operator()?;
    let mut followers = vec![];
    for _ in 0..OTHERS + usize::from(with_slow) {
        let broker = JetStream::connect(ground.hub.url(), operator.clone(), "operator").await?;
        let ids = || fleetlog_chassis::Ids::Random.command();
        followers.push(Client::new(broker, Actor::new("operator"), ids));
    }
    let slow = followers.split_off(OTHERS);
    let start = Instant::now();
    let sent: Vec<AtomicU64> = (0..commits).map(|_| AtomicU64::new(0)).collect();
    let follow = future::try_join_all(followers.iter().map(|f| follow(f, &sent, start)));
    let dawdling = future::join_all(slow.iter().map(dawdle));
    let (_, late) = tokio::select! {
        done = async { tokio::try_join!(write(&log, &sent, start), follow) } => done?,
        _ = dawdling, if with_slow => anyhow::bail!("the slow follower ended"),
    };
    ground.stop();
    Ok(quantile(&mut late.concat(), 0.99))
}

/// Appends one commit after the other, at an even pace, and notes when.
async fn write(log: &EventLog, sent: &[AtomicU64], start: Instant) -> Result<()> {
    let mut beat = interval(Duration::from_secs(1) / u32::try_from(PER_SECOND)?);
    let mut under_way = futures::stream::FuturesUnordered::new();
    for (number, sent) in sent.iter().enumerate() {
        beat.tick().await;
        sent.store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        under_way.push(log.append(commit(number, number, 0)));
        while let Some(Some(stored)) = future::FutureExt::now_or_never(under_way.next()) {
            ensure!(matches!(stored?, Append::Appended(_)), "an append failed");
        }
    }
    while let Some(stored) = under_way.next().await {
        ensure!(matches!(stored?, Append::Appended(_)), "an append failed");
    }
    Ok(())
}

/// Follows the log to its end; how late each commit came, in milliseconds.
async fn follow(client: &Client, sent: &[AtomicU64], start: Instant) -> Result<Vec<f64>> {
    let mut entries = client.events(&subject::events(), Position::START).await?.entries;
    let numbers: std::collections::HashMap<String, usize> =
        (0..sent.len()).map(|n| (aggregate(n).name, n)).collect();
    let mut late = Vec::with_capacity(sent.len());
    while late.len() < sent.len() {
        let commit = entries.next().await.context("the log ended")??.into_commit()?;
        let now = start.elapsed().as_nanos() as u64;
        let number = numbers.get(&commit.aggregate.name).context("a stranger's commit")?;
        late.push(now.saturating_sub(sent[*number].load(Ordering::Relaxed)) as f64 / 1e6);
    }
    Ok(late)
}

/// Follows the log, slowly.
async fn dawdle(client: &Client) -> Result<()> {
    let mut entries = client.events(&subject::events(), Position::START).await?.entries;
    while let Some(entry) = entries.next().await {
        entry?;
        sleep(SLOW).await;
    }
    Ok(())
}
