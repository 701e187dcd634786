//! The examples of the SDK, run as their readers would run them.

use crate::stage::Stage;
use crate::{command, follow, replay};
use fleetlog_kernel::Position;
use fleetlog_test_support::eventually;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What an example has written so far.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_published_and_its_outcome_awaited_then_its_events_are_replayed() {
    let stage = Stage::new().await;
    stage.decides().await;
    let (url, mut screen) = (stage.hub.url(), Screen::default());
    let admin = || stage.hub.identity().unwrap().admin().unwrap();
    command::run(url, admin(), "blue", &mut screen).await.unwrap();
    let said = screen.text();
    let position = said.trim_end().strip_prefix("clusterset/blue: ClusterSetSpecified");
    let position = position.unwrap_or_else(|| panic!("{said}")).rsplit(' ').next().unwrap();
    let position = Position(position.parse().unwrap());
    let mut refused = Screen::default();
    command::run(url, admin(), "Not.A.Name", &mut refused).await.unwrap();
    assert!(refused.text().contains(": REG"), "{}", refused.text());

    let audit = stage.follower("audit", &["fl.ev.>"]).await;
    let replayed = async || {
        let mut screen = Screen::default();
        replay::run(url, audit.clone(), (position, position), &mut screen).await.unwrap();
        Some(screen.text()).filter(|text| !text.is_empty())
    };
    let said = eventually("the mirror has the command's events", replayed).await.unwrap();
    let words: Vec<&str> = said.lines().next().unwrap().split(' ').collect();
    assert_eq!(words[0], position.to_string());
    let attributes = [
        "/fleetlog/registration",
        "fleetlog.registration.v1.ClusterSetSpecified",
        "clusterset/blue",
    ];
    assert_eq!(words[2..5], attributes, "{said}");
    assert!(words[5].ends_with("/0"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_are_followed_from_a_position() {
    let stage = Stage::new().await;
    let credentials = stage.follower("status", &["fl.ev.registration.cluster.>"]).await;
    let event = |kind: &str| match kind {
        "ClusterAccepted" => vec![0x12, 0],
        _ => vec![0x42, 0],
    };
    let schema = "fleetlog.registration.v1.ClusterEvent";
    for (cluster, kind) in [("c1", "ClusterAccepted"), ("c2", "ClusterAccepted")] {
        let id = fleetlog_registration::cluster_id(cluster);
        stage.append(&id, schema, kind, event(kind)).await;
    }
    let (url, screen) = (stage.hub.url().to_owned(), Screen::default());
    let mut out = screen.clone();
    let following = async move { follow::run(&url, credentials, Position(1), &mut out).await };
    let seen = async {
        let silent = fleetlog_registration::cluster_id("c1");
        stage.append(&silent, schema, "LeaseExpired", event("LeaseExpired")).await;
        let both = async || (screen.text().lines().count() == 2).then(|| screen.text());
        eventually("both are told", both).await.unwrap()
    };
    let said = tokio::select! {
        ended = following => panic!("{ended:?}"),
        said = seen => said,
    };
    assert_eq!(said, "2 c2 is accepted\n3 c1 is silent\n");
}
