//! What concerns more add-ons than one commit may lead to commands for: told in parts, each of
//! which says how far the ones before came.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;
mod story;

use common::{NOW, installed};
use fleetlog_addon_domain::{AddOnKey, Change, Fleet, Follow};
use fleetlog_kernel::{Position, Projection as _, Reaction as _};
use fleetlog_messages::addon::{
    DefinitionDeletionRequested, add_on_command, definition_command::Command,
    definition_event::Event,
};
use fleetlog_messages::work::work_command;
use serde_json::json;
use std::collections::BTreeMap;
use story::Story;

const CLUSTERS: usize = 17_000;
const MOST: usize = Position::OBJECTS_PER_COMMIT as usize;

/// A fleet whose clusters all have the add-on, which users installed.
fn fleet() -> Story {
    let mut story = Story::of(&[]);
    story.says("metrics-1", "one");
    story.defines("metrics-1", json!({"type": "All"}));
    for cluster in (0..CLUSTERS).map(|n| format!("c{n:05}")) {
        story.joins(&cluster);
        story.apply(Change::AddOn(AddOnKey::new(cluster, "metrics"), vec![installed("")]));
    }
    story.inbox.clear();
    story
}

/// How often each add-on was told what, and in how many parts. One of the parts is found again,
/// command by command, by a state that is read back from its rows, as after a crash in its middle.
fn told(story: &mut Story) -> (BTreeMap<&'static str, BTreeMap<AddOnKey, u32>>, usize) {
    let (mut told, mut parts) = (BTreeMap::<_, BTreeMap<_, _>>::new(), 0);
    let mut note = |what, key| *told.entry(what).or_default().entry(key).or_default() += 1;
    while let Some((follow, at)) = story.inbox.pop_front() {
        match follow {
            Follow::AddOn(key, add_on_command::Command::Assess(_)) => note("assess", key),
            Follow::AddOn(key, add_on_command::Command::Uninstall(_)) => note("uninstall", key),
            Follow::Work(key, work_command::Command::Deliver(_)) => note("deliver", key),
            Follow::Definition(_, Command::Revisit(_)) => {
                let restored = (parts == 3).then(|| Fleet::of_rows(&story.fleet.rows()).unwrap());
                story.inbox.push_front((follow, at));
                assert!(story.step());
                parts += 1;
                let Some(mut restored) = restored else { continue };
                let last = story.last.clone().unwrap();
                restored.apply(&last.0, last.1);
                assert_eq!((&restored).react(&last), (&story.fleet).react(&last));
            }
            Follow::Definition(..) => {}
            other => panic!("{other:?}"),
        }
    }
    (told, parts)
}

fn all_once(told: Option<&BTreeMap<AddOnKey, u32>>) {
    let told = told.unwrap();
    assert_eq!(told.len(), CLUSTERS);
    assert!(told.values().all(|times| *times == 1), "nobody is told twice");
}

#[test]
fn what_concerns_more_add_ons_than_one_commit_may_lead_to_commands_for_is_told_in_parts() {
    let mut story = fleet();
    story.says("metrics-1", "two");
    let (of_template, parts) = told(&mut story);
    assert_eq!(parts, CLUSTERS.div_ceil(2_000) - 1);
    all_once(of_template.get("deliver"));

    let at = Some(fleetlog_rules::time(NOW));
    let requested = DefinitionDeletionRequested { by: "ann".into(), at, generation: 2 };
    let requested = Event::DeletionRequested(requested);
    story.apply(Change::Definition("metrics".into(), vec![requested]));
    let (of_deletion, parts) = told(&mut story);
    assert_eq!(parts, CLUSTERS.div_ceil(2_000) - 1);
    all_once(of_deletion.get("uninstall"));
    assert!(story.most < MOST, "{} commands followed from one commit", story.most);
}
