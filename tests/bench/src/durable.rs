//! How long a user's command takes until its outcome is durable, beside a plain publish to a
//! JetStream stream of the same server version on the same disk.

use crate::figure::{Better, Figure, median};
use crate::orders::change_set;
use anyhow::{Context as _, Result};
use fleetlog_cli::embedded::EmbeddedHub;
use fleetlog_tools::{NatsConfig, NatsServer};
use tokio::time::Instant;

const COMMANDS: usize = 2_000;
const SETS: usize = 100;

/// `command_durable_p50_ms`.
///
/// # Errors
/// A hub or a server that does not do what it is asked.
pub async fn command_durable(hub: &EmbeddedHub) -> Result<Figure> {
    let client = hub.admin().await?.client().clone();
    for number in 0..SETS {
        change_set(&client, number, 0).await?;
    }
    let mut took = Vec::with_capacity(COMMANDS);
    for number in 0..COMMANDS {
        let started = Instant::now();
        change_set(&client, number % SETS, number + 1).await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let setting = "one after the other, each a change of one of 100 cluster sets; baseline: plain \
                   publish with acknowledgement";
    Ok(Figure::new("command_durable_p50_ms", median(&mut took), "ms", Better::Lower)
        .measured(COMMANDS as u64, setting)
        .against(plain_publish().await?)
        .wanted(5.0))
}

/// The median of plain publishes in ms.
async fn plain_publish() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let binary = fleetlog_tools::nats_server(&fleetlog_tools::quiet)?;
    let server = NatsServer::start(&NatsConfig::open(binary, folder.path().to_owned()))?;
    let client = async_nats::connect(server.url()).await.context("connect")?;
    let context = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "PLAIN".to_owned(),
        subjects: vec!["plain.*".to_owned()],
        ..Default::default()
    };
    context.create_stream(config).await.context("create a stream")?;
    let mut took = Vec::with_capacity(COMMANDS);
    for number in 0..COMMANDS {
        let started = Instant::now();
        let subject = format!("plain.{}", number % SETS);
        context.publish(subject, vec![7; 200].into()).await?.await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
    }
    server.stop();
    Ok(median(&mut took))
}
