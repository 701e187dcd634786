//! Appends per second: many writers on a server that syncs always, and on a log of a million
//! aggregates. The baseline is a loop of a plain client on a server of its own, with the same
//! subjects, headers, expectations and payloads.

use crate::figure::{Better, Figure};
use crate::ground::{Ground, Scale, commit, publish, quantile};
use anyhow::{Result, bail};
use fleetlog_bus::{Append, EventLog, NewCommit};
use fleetlog_topology::server::Sync;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use tokio::time::Instant;

/// Writers that each wait for their append.
const WRITERS: usize = 256;
/// Appends under way at once on the large log.
const AT_ONCE: usize = 1_024;
/// A step that meets every aggregate of a log once, far from the one before.
const STRIDE: usize = 611_953;

/// Who appends.
enum Writer {
    Log(EventLog),
    Plain(async_nats::jetstream::Context),
}

impl Writer {
    /// Appends one commit; answers its position.
    async fn append(&self, commit: NewCommit) -> Result<u64> {
        match self {
            Self::Log(log) => match log.append(commit).await? {
                Append::Appended(position) => Ok(position.0),
                other => bail!("an append came to {other:?}"),
            },
            Self::Plain(plain) => publish(plain, commit).await,
        }
    }
}

/// `append_always_per_s`, its ratio to the baseline, `append_always_p99_ms`.
///
/// # Errors
/// A server that does not take what it should.
pub async fn always(scale: Scale) -> Result<Vec<Figure>> {
    let each = scale.of(400, 4);
    let ground = Ground::start(Sync::Always).await?;
    let (rate, mut took) = awaiting(Writer::Log(ground.log().await?), each).await?;
    ground.stop();
    let ground = Ground::start(Sync::Always).await?;
    // The plain loop is several times slower: a part of it tells its rate.
    let part = (each / 4).max(2);
    let (plain, mut plain_took) = awaiting(Writer::Plain(ground.plain().await?), part).await?;
    ground.stop();
    let (n, setting) =
        ((each * WRITERS) as u64, format!("{WRITERS} writers, each awaiting; sync always"));
    let slow = quantile(&mut took, 0.99);
    Ok(vec![
        Figure::new("append_always_per_s", rate, "/s", Better::Higher)
            .measured(n, setting.clone())
            .against(plain)
            .wanted(8_000.0),
        Figure::new("append_always_ratio", rate / plain, "x", Better::Higher)
            .measured(n, format!("{setting}; over the baseline's as many writers"))
            .wanted(3.0),
        Figure::new("append_always_p99_ms", slow, "ms", Better::Lower)
            .measured(n, setting)
            .against(quantile(&mut plain_took, 0.99))
            .wanted(60.0),
    ])
}

/// Each writer appends so many commits to an aggregate of its own, one after the other. Answers the
/// rate of all, and the milliseconds of each append.
async fn awaiting(writer: Writer, each: usize) -> Result<(f64, Vec<f64>)> {
    let writer = &writer;
    let one = |number: usize| async move {
        let (mut last, mut took) = (0, Vec::with_capacity(each));
        for round in 0..each {
            let commit = commit(number, number * each + round, last);
            let since = Instant::now();
            last = writer.append(commit).await?;
            took.push(since.elapsed().as_secs_f64() * 1e3);
        }
        Ok::<_, anyhow::Error>(took)
    };
    let since = Instant::now();
    let took = future::try_join_all((0..WRITERS).map(one)).await?;
    let rate = (each * WRITERS) as f64 / since.elapsed().as_secs_f64();
    Ok((rate, took.concat()))
}

/// `append_1m_aggregates_per_s` and its ratio to the baseline.
///
/// # Errors
/// A server that does not take what it should.
pub async fn many_aggregates(scale: Scale) -> Result<Vec<Figure>> {
    let (aggregates, changes) = (scale.of(1_000_000, 2_000), scale.of(300_000, 1_000));
    let ground = Ground::start(Sync::Default).await?;
    let (made, changed) = grown(&Writer::Log(ground.log().await?), aggregates, changes).await?;
    ground.stop();
    let ground = Ground::start(Sync::Default).await?;
    let plain = Writer::Plain(ground.plain().await?);
    let (plain_made, plain) = grown(&plain, aggregates, changes).await?;
    ground.stop();
    let setting = format!(
        "changes of aggregates at random in a log of {aggregates}, {AT_ONCE} under way; the first \
         commits before: {made:.0} /s, baseline {plain_made:.0} /s"
    );
    let n = changes as u64;
    Ok(vec![
        Figure::new("append_1m_aggregates_per_s", changed, "/s", Better::Higher)
            .measured(n, setting)
            .against(plain)
            .wanted(25_000.0),
        Figure::new("append_1m_aggregates_ratio", changed / plain, "x", Better::Higher)
            .measured(n, "over the baseline")
            .wanted(0.6),
    ])
}

/// Makes so many aggregates, then changes some; the rates of both.
async fn grown(writer: &Writer, aggregates: usize, changes: usize) -> Result<(f64, f64)> {
    let since = Instant::now();
    let made = stream::iter(0..aggregates).map(|of| writer.append(commit(of, of, 0)));
    // In order: the position of each is the next one's expectation.
    let stands: Vec<u64> = made.buffered(AT_ONCE).try_collect().await?;
    let making = aggregates as f64 / since.elapsed().as_secs_f64();
    let since = Instant::now();
    let changed = stream::iter(0..changes).map(|number| {
        let of = number * STRIDE % aggregates;
        writer.append(commit(of, aggregates + number, stands[of]))
    });
    changed.buffer_unordered(AT_ONCE).try_collect::<Vec<u64>>().await?;
    Ok((making, changes as f64 / since.elapsed().as_secs_f64()))
}
