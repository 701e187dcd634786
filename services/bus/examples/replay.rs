//! Replays a range of the log as CloudEvents: the attributes of each event, one line each.
//!
//! `cargo run -p fleetlog-bus --example replay -- nats://127.0.0.1:PORT audit.creds 1 100`

use fleetlog_bus::{Credentials, Follower};
use fleetlog_kernel::Position;
use fleetlog_messages::cloud_event::CloudEvent;
use fleetlog_messages::subject;
use futures::TryStreamExt as _;
use std::error::Error;
use std::io::Write;

/// Says what happened from position `first` to `last`; ends there, or at the log's end.
pub async fn run(
    url: &str,
    credentials: Credentials,
    (first, last): (Position, Position),
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let follower = Follower::connect(url, credentials).await?;
    let mut tale = follower.replay(&subject::events(), first, last).await?;
    while let Some(told) = tale.try_next().await? {
        for event in CloudEvent::all_of(&told.commit) {
            let CloudEvent { id, source, kind, subject, time, sequence, .. } = event;
            writeln!(out, "{sequence} {time} {source} {kind} {subject} {id}")?;
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "tests call `run`")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, first, last] = &arguments[..] else {
        return Err("give URL CREDS FIRST LAST".into());
    };
    let credentials = Credentials::of_file(&std::fs::read_to_string(file)?);
    let credentials = credentials.ok_or("that is no credentials file")?;
    let range = (Position(first.parse()?), Position(last.parse()?));
    run(url, credentials, range, &mut std::io::stdout()).await
}
