//! `fleetlog demo`: the main job end to end, on a hub and four clusters made for it. It calls what
//! the user's commands call, prints what they print, and ends by itself.

mod addon;
mod failover;
mod figures;
mod progress;
mod story;
mod view;

use crate::args::DemoArgs;
use crate::embedded::hub::EmbeddedHub;
use crate::failure::{Done, Failure};
use figures::Figures;
use std::path::PathBuf;
use story::Story;
use tokio::time::Instant;
use view::View;

/// Runs the demo; 0 only when every step did what it shows.
///
/// # Errors
/// The first step that fails.
pub async fn run(args: DemoArgs) -> Done {
    let started = Instant::now();
    let temporary = match args.keep {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(anyhow::Error::from)?),
    };
    let dir: PathBuf = match (&args.keep, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err(Failure::usage("there is no folder", "give --keep DIR")),
    };
    let mut view = View::new(args.json);
    view.line("Fleetlog runs a fleet of Kubernetes clusters from an event log.");
    view.heading("A hub: nats-server with JetStream, and five services that meet only on it");
    let progress = |step: &str| eprintln!("   {step}");
    let hub = EmbeddedHub::start(&dir, None, &progress).await?;
    let figures = {
        let tasks = hub.tasks().clone();
        let story = Story::new(&hub, &mut view).await?;
        tokio::select! {
            biased;
            told = story.tell() => told?,
            ended = tasks.join() => {
                ended.map_err(anyhow::Error::from)?;
                return Err(Failure::new("CLI0022", "the hub ended early", "see its log"));
            }
        }
    };
    let figures = Figures { total_s: started.elapsed().as_secs_f64(), ..figures };
    hub.stop().await;
    if args.json {
        println!("{}", serde_json::to_string(&figures).map_err(anyhow::Error::from)?);
    } else {
        view.line("");
        view.line(&figures.sentence());
    }
    Ok(())
}
