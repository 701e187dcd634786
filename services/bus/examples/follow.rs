//! Follows events, typed, from a position on: says which clusters can be reached.
//!
//! `fleetlog hub follower create status > status.creds`, then
//! `cargo run -p fleetlog-bus --example follow -- nats://127.0.0.1:PORT status.creds 0`

use fleetlog_bus::{Credentials, Follower};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::happened::Happened;
use fleetlog_messages::registration::cluster_event::Event;
use fleetlog_messages::subject;
use futures::TryStreamExt as _;
use std::error::Error;
use std::io::Write;

/// Says what happens to clusters after a position, without an end; stops by itself only where it
/// cannot go on. Keep the position of what you have handled: it is all that a restart needs.
pub async fn run(
    url: &str,
    credentials: Credentials,
    after: Position,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let follower = Follower::connect(url, credentials).await?;
    let clusters = subject::events_of_kind(Service::Registration, "cluster");
    let mut tale = follower.follow(&clusters, after).await?;
    while let Some(told) = tale.try_next().await? {
        let (position, cluster) = (told.commit.position, &told.commit.aggregate.name);
        for event in told.events {
            let says = match event {
                Happened::Cluster(Event::Specified(_)) => "is as a user wants it",
                Happened::Cluster(Event::Accepted(_)) => "is accepted",
                Happened::Cluster(Event::BecameAvailable(_)) => "can be reached",
                Happened::Cluster(Event::LeaseExpired(_)) => "is silent",
                Happened::Cluster(Event::Deleted(_)) => "is gone",
                _ => continue,
            };
            writeln!(out, "{position} {cluster} {says}")?;
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "tests call `run`")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, after] = &arguments[..] else { return Err("give URL CREDS POSITION".into()) };
    let credentials = Credentials::of_file(&std::fs::read_to_string(file)?);
    let credentials = credentials.ok_or("that is no credentials file")?;
    run(url, credentials, Position(after.parse()?), &mut std::io::stdout()).await
}
