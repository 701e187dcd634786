//! Every commit is folded once and in order, and a projection can be dropped and rebuilt while the
//! service runs.

use crate::stage::{
    Comes, Performed, Running, Stage, Warnings, accomplished, bounds, kill, pass, refused,
};
use crate::tally::{Tally, tally};
use fleetlog_bus::Client;
use fleetlog_chassis::{Bounds, Hosted, Rebuilt, Standing, projection_id};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::common::{
    Outcome, ProjectionCommand, Query, RebuildProjection, projection_command,
};
use fleetlog_messages::envelope::header;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(1);
const SERVICE: Service = Service::Registration;

async fn add(stage: &Arc<Stage>, name: &str, text: &'static str) {
    accomplished(stage.client().command(&tally(name), text.into()).await.unwrap());
}

async fn rebuild(client: &Client) -> Outcome {
    let command = projection_command::Command::Rebuild(RebuildProjection {});
    let command = ProjectionCommand { command: Some(command) };
    let payload = prost::Message::encode_to_vec(&command).into();
    client.command(&projection_id(SERVICE), payload).await.unwrap()
}

async fn standing(stage: &Arc<Stage>) -> Standing {
    let pages = stage.client().ask(SERVICE, "projection", Query::default()).await.unwrap();
    serde_json::from_slice(&pages[0].objects[0]).unwrap()
}

/// What the log alone makes of a tally.
async fn of_log(stage: &Arc<Stage>) -> Hosted<Tally> {
    let mut hosted = Hosted::default();
    for message in stage.stored("EVENTS").await {
        let fleetlog_bus::Entry::Commit(commit, _) = fleetlog_bus::Entry::read(&message) else {
            panic!("{message:?}");
        };
        hosted.fold(&commit).unwrap();
    }
    hosted
}

async fn saving(stage: &Arc<Stage>) -> Running {
    let bounds = Bounds { snapshot_every: 3, ..bounds() };
    stage.start_with(bounds, Arc::new(Performed::default())).await
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_twice_is_folded_once() {
    let stage = Stage::new();
    stage.read_as(|_| Comes::Twice);
    let service = stage.start().await;
    for _ in 0..3 {
        add(&stage, "a", "add 11").await;
    }
    pass(SOON).await;
    assert_eq!(service.read(|h| h.machine().0.clone()), of_log(&stage).await.machine().0);
    assert_eq!(stage.stored("DO").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_a_reading_left_out_is_read_before_those_behind_it() {
    let stage = Stage::new();
    for number in 0..5 {
        let text = ["add 1", "set 7", "add 2", "set 3", "add 4"][number];
        stage.send(&tally("a"), &number.to_string(), text).await;
    }
    let service = stage.start().await;
    pass(SOON).await;
    kill(service).await;
    let mut left_out = false;
    stage.read_as(move |position| match position {
        2 if !std::mem::replace(&mut left_out, true) => Comes::Not,
        _ => Comes::Once,
    });
    let service = stage.start().await;
    pass(SOON).await;
    let folded = service.metrics.project.read().received;
    assert_eq!(folded, stage.stored("EVENTS").await.len() as u64, "each came to be folded once");
    assert_eq!(service.read(|h| h.hash()), of_log(&stage).await.hash());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_comes_stops_the_service_and_is_named() {
    let stage = Stage::new();
    let service = stage.start().await;
    stage.read_as(|position| if position == 2 { Comes::Not } else { Comes::Once });
    for name in ["a", "b", "c"] {
        stage.send(&tally(name), name, "add 1").await;
    }
    let failed = service.ground.tasks.join().await.unwrap_err();
    assert_eq!(failed.task, "project");
    assert_eq!(failed.reason, "follow the log: nothing came for position 2");
    assert_eq!(service.read(|h| h.position()), Position(1));
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_replaces_what_is_not_in_the_log_while_commands_go_on() {
    let stage = Stage::new();
    let shell = Arc::new(Performed::default());
    let service = stage.start_with(bounds(), shell.clone()).await;
    for name in ["a", "b", "c"] {
        add(&stage, name, "add 12").await;
    }
    pass(SOON).await;
    service.write(|hosted| {
        let tallies = &mut hosted.machine_mut().0;
        tallies.insert("a".to_owned(), 99);
        tallies.insert("ghost".to_owned(), 1);
        tallies.remove("c");
    });
    let (told, performed) = (stage.stored("DO").await.len(), shell.done.lock().unwrap().len());
    assert_eq!((told, performed), (3, 3));
    // What was in the log before comes slowly: the old state goes on meanwhile.
    stage.read_as(|position| match position {
        1..=6 => Comes::After(Duration::from_secs(60)),
        _ => Comes::Once,
    });
    let warnings = Warnings::heard();
    let asked = accomplished(rebuild(&stage.client_of("admin")).await);
    assert_eq!(asked.types, ["ProjectionRebuildRequested"]);
    for _ in 0..9 {
        add(&stage, "d", "add 11").await;
    }
    assert_eq!(service.read(|h| h.machine().0["a"]), 99, "it is not done yet");
    assert_eq!(standing(&stage).await.rebuilt, None);
    pass(Duration::from_secs(1_800)).await;
    assert_eq!(service.read(|h| h.hash()), of_log(&stage).await.hash());
    assert_eq!(service.read(|h| h.machine().0["d"]), 99);
    assert_eq!(stage.stored("DO").await.len(), told + 9, "nothing was told again");
    assert_eq!(shell.done.lock().unwrap().len(), performed + 9, "nothing was performed again");
    let Some(Rebuilt { asked: 7, differing: 3, keys, .. }) = standing(&stage).await.rebuilt else {
        panic!("{:?}", standing(&stage).await);
    };
    assert_eq!(keys, ["tally/a", "tally/ghost", "tally/c"]);
    warnings.tell(&["it was not what the log says, and is now", "tally/ghost"]);
    assert!(*shell.rebuilt.lock().unwrap() == 1, "the shell is told");
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_of_what_is_right_changes_nothing_and_is_on_record() {
    let stage = Stage::new();
    let service = stage.start().await;
    add(&stage, "a", "add 3").await;
    accomplished(rebuild(&stage.client_of("admin")).await);
    pass(SOON).await;
    let rebuilt = standing(&stage).await.rebuilt.unwrap();
    assert_eq!((rebuilt.asked, rebuilt.position, rebuilt.differing), (2, 2, 0));
    let record = stage.stored("EVENTS").await.remove(1);
    assert_eq!(record.subject, "fl.ev.registration.projection.state");
    assert_eq!(record.headers[header::ACTOR], "admin");
    assert_eq!(service.read(|h| h.hash()), of_log(&stage).await.hash());
    add(&stage, "a", "add 3").await;
    assert_eq!(service.read(|h| h.machine().0["a"]), 6);
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_a_crash_cut_short_is_done_by_the_next_start() {
    let stage = Stage::new();
    let service = saving(&stage).await;
    for _ in 0..7 {
        add(&stage, "a", "add 1").await;
        pass(SOON).await;
    }
    stage.read_as(|_| Comes::After(SOON));
    accomplished(rebuild(&stage.client_of("admin")).await);
    kill(service).await;
    stage.read_as(|_| Comes::Once);
    let service = saving(&stage).await;
    service.live().await;
    assert_eq!(service.metrics.project.read().received, 8, "no snapshot from before is used");
    add(&stage, "a", "add 1").await;
    add(&stage, "a", "add 1").await;
    add(&stage, "a", "add 1").await;
    pass(SOON).await;
    kill(service).await;
    let service = saving(&stage).await;
    service.live().await;
    assert!(service.metrics.project.read().received < 8, "those from after it are");
    assert_eq!(service.read(|h| h.hash()), of_log(&stage).await.hash());
}

#[tokio::test(start_paused = true)]
async fn nobody_but_the_administrator_has_a_projection_rebuilt() {
    let stage = Stage::new();
    let _service = stage.start().await;
    let no = refused(rebuild(&stage.client_of("alice")).await);
    assert_eq!(no.code, "CHS0062");
    assert!(stage.stored("EVENTS").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn how_far_a_service_is_behind_shows_while_its_folding_stands_still() {
    let stage = Stage::new();
    let bounds = Bounds { lag_every: Duration::from_secs(5), ..bounds() };
    let service = stage.start_with(bounds, Arc::new(Performed::default())).await;
    add(&stage, "a", "add 1").await;
    pass(Duration::from_secs(10)).await;
    assert_eq!(service.metrics.events_behind(), 0);
    stage.read_as(|_| Comes::After(Duration::from_secs(3_600)));
    for name in ["b", "c", "d"] {
        stage.send(&tally(name), name, "add 1").await;
    }
    pass(Duration::from_secs(10)).await;
    assert_eq!(service.metrics.events_behind(), 3);
    assert_eq!(standing(&stage).await.behind, 3);
    let mut registry = prometheus_client::registry::Registry::default();
    service.metrics.register(&mut registry, SERVICE);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("fleetlog_events_behind{service=\"registration\"} 3"), "{text}");
}
