//! How a changed configuration reaches the clusters of a placement: in turns, by its rollout
//! strategy (spec 1.14 and 2.5).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;
mod story;

use common::{NOW, chosen, defined, of_definition};
use fleetlog_addon_domain::command::DefinitionCommand;
use fleetlog_addon_domain::turns::Stage;
use fleetlog_addon_domain::{Config, Definition};
use fleetlog_kernel::spec::given;
use fleetlog_messages::addon::{ConfigTurn, InstallPlanned, definition_event::Event};
use fleetlog_messages::common::Condition;
use fleetlog_rules::rollout::{Group, Kind, Size, Standing, Status, Strategy};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use story::Story;

const FOUR: [&str; 4] = ["c1", "c2", "c3", "c4"];
const MINUTE: Duration = Duration::from_secs(60);

fn progressive(fields: Value) -> Value {
    json!({"type": "Progressive", "progressive": fields})
}

fn condition(conditions: &[Condition]) -> (String, String) {
    let said = conditions.iter().find(|c| c.r#type() == "Progressing").unwrap();
    (said.reason().to_owned(), said.message().to_owned())
}

/// What the definition says of its placement: reason and message.
fn progress(story: &Story) -> (String, String) {
    let status = story.fleet.definitions()["metrics"].object().unwrap().status.clone();
    condition(&status.unwrap().install_progressions[0].conditions)
}

/// What the add-on of a cluster says: its reason, and the templates it should have and has.
fn add_on(story: &Story, cluster: &str) -> (String, String, String) {
    let key = fleetlog_addon_domain::AddOnKey::new(cluster, "metrics");
    let status = story.fleet.add_ons()[&key].object().unwrap().status.clone().unwrap();
    let name = |config: Option<&fleetlog_messages::addon::ConfigSpecHash>| {
        config.map_or(String::new(), |config| config.name().to_owned())
    };
    let reference = status.config_references.first().cloned().unwrap_or_default();
    let desired = name(reference.desired_config.as_ref());
    let applied = name(reference.last_applied_config.as_ref());
    (condition(&status.conditions).0, desired, applied)
}

fn words(reason: &str, desired: &str, applied: &str) -> (String, String, String) {
    (reason.to_owned(), desired.to_owned(), applied.to_owned())
}

/// Four clusters that all have the first template.
fn rolled_out(groups: &[(&str, &[&str])], rollout: Value) -> Story {
    let mut story = Story::of(groups);
    story.templates("metrics-1", "one");
    story.templates("metrics-2", "two");
    story.defines("metrics-1", json!({"type": "All"}));
    let clusters: Vec<&str> = groups.iter().flat_map(|(_, clusters)| *clusters).copied().collect();
    clusters.iter().for_each(|cluster| story.reports(cluster, "True"));
    assert_eq!(progress(&story).0, "Completed");
    story.defines("metrics-2", rollout);
    story
}

#[test]
fn a_plan_gives_turns_by_the_strategy_and_records_who_took_too_long() {
    let two = Config { template: "metrics-2".into(), hash: "h2".into() };
    let began = Standing { status: Status::Progressing, since: Some(NOW) };
    let stage = Stage {
        strategy: Strategy {
            kind: Kind::Progressive,
            max_concurrency: Some(Size::Count(2)),
            max_failures: Size::Count(1),
            progress_deadline: Some(MINUTE),
            ..Strategy::default()
        },
        groups: vec![Group { clusters: FOUR.map(str::to_owned).into(), ..Group::default() }],
        wanted: FOUR.map(|c| (c.to_owned(), two.clone())).into(),
        standings: [("c1".to_owned(), began)].into(),
    };
    let plan = || {
        let all: [(&str, &[&str]); 1] = [("east", &FOUR)];
        of_definition(DefinitionCommand::Plan {
            chosen: all.iter().map(|(name, clusters)| chosen(name, clusters)).collect(),
            installed: BTreeMap::new(),
            lost: BTreeSet::new(),
            stages: vec![stage.clone()],
        })
    };
    let at = NOW.plus(MINUTE);
    let install = FOUR.map(|cluster| common::target(cluster, "ops/east"));
    let planned = |clusters: &[&str], timed_out: &[&str], at| {
        Event::InstallPlanned(InstallPlanned {
            plan: 1,
            generation: 1,
            install: install.to_vec(),
            remove: vec![],
            decision: 5,
            turns: vec![ConfigTurn {
                template: "metrics-2".into(),
                spec_hash: "h2".into(),
                clusters: clusters.iter().map(|c| (*c).to_owned()).collect(),
            }],
            timed_out: timed_out.iter().map(|c| (*c).to_owned()).collect(),
            at: Some(fleetlog_rules::time(at)),
        })
    };
    let when = given::<Definition>([defined(&["east"])]).at(NOW).when(plan());
    when.then([planned(&["c2"], &[], NOW)]);
    let when = given::<Definition>([defined(&["east"])]).at(at).when(plan());
    when.then([planned(&["c2", "c3"], &["c1"], at)]);
}

#[test]
fn one_of_four_is_updated_at_a_time_and_a_failed_one_stops_the_rollout() {
    let mut story = rolled_out(&[("", &FOUR)], progressive(json!({"maxConcurrency": "25%"})));
    assert_eq!(story.runs(), ["two", "one", "one", "one"]);
    assert_eq!(progress(&story).1, "0/4 configured, 0 failed, 0 timeout");
    assert_eq!(add_on(&story, "c1"), words("Progressing", "metrics-2", "metrics-1"));
    assert_eq!(add_on(&story, "c2"), words("WaitingForCanary", "metrics-1", "metrics-1"));
    story.reports("c1", "True");
    assert_eq!(story.runs(), ["two", "two", "one", "one"]);
    assert_eq!(progress(&story).1, "1/4 configured, 0 failed, 0 timeout");
    assert_eq!(add_on(&story, "c1"), words("Completed", "metrics-2", "metrics-2"));
    story.reports("c2", "False");
    assert_eq!(progress(&story).1, "1/4 configured, 1 failed, 0 timeout");
    story.passes(60 * MINUTE);
    assert_eq!(story.runs(), ["two", "two", "one", "one"]);
    story.reports("c2", "True");
    story.reports("c3", "True");
    story.reports("c4", "True");
    assert_eq!(story.runs(), ["two"; 4]);
    let (reason, message) = progress(&story);
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("Completed", "4/4 configured, 0 failed, 0 timeout")
    );
}

#[test]
fn a_template_that_is_changed_in_place_takes_turns_too() {
    let mut story = rolled_out(&[("", &FOUR)], progressive(json!({"maxConcurrency": 2})));
    FOUR.iter().for_each(|cluster| story.reports(cluster, "True"));
    assert_eq!(story.runs(), ["two"; 4]);
    story.templates("metrics-2", "three");
    assert_eq!(story.runs(), ["three", "three", "two", "two"]);
    // Back again while some have it: those with the newer one are first.
    story.templates("metrics-2", "two");
    assert_eq!(story.runs(), ["two", "two", "two", "two"]);
    assert_eq!(add_on(&story, "c3").0, "Completed");
}

#[test]
fn a_success_lasts_before_it_makes_room() {
    let rollout = progressive(json!({"maxConcurrency": 1, "minSuccessTime": "5m"}));
    let mut story = rolled_out(&[("", &FOUR)], rollout);
    story.passes(MINUTE);
    story.reports("c1", "True");
    story.passes(4 * MINUTE);
    assert_eq!(story.runs(), ["two", "one", "one", "one"]);
    story.passes(MINUTE);
    assert_eq!(story.runs(), ["two", "two", "one", "one"]);
}

#[test]
fn who_takes_too_long_counts_as_failed_until_it_is_done_after_all() {
    let rollout =
        progressive(json!({"maxConcurrency": 1, "progressDeadline": "10m", "maxFailures": "25%"}));
    let mut story = rolled_out(&[("", &FOUR)], rollout);
    story.passes(10 * MINUTE);
    assert_eq!(story.runs(), ["two", "two", "one", "one"]);
    assert_eq!(progress(&story).1, "0/4 configured, 0 failed, 1 timeout");
    story.passes(10 * MINUTE);
    assert_eq!(progress(&story).1, "0/4 configured, 0 failed, 2 timeout");
    assert_eq!(story.runs(), ["two", "two", "one", "one"]);
    story.reports("c1", "True");
    assert_eq!(story.runs(), ["two", "two", "two", "one"]);
    assert_eq!(progress(&story).1, "1/4 configured, 0 failed, 1 timeout");
}

#[test]
fn a_mandatory_group_is_first_and_groups_follow_one_another() {
    let rollout = json!({"type": "ProgressivePerGroup", "progressivePerGroup": {
        "mandatoryDecisionGroups": [{"groupName": "canary"}],
    }});
    let groups: [(&str, &[&str]); 3] = [("a", &["c1"]), ("b", &["c2", "c3"]), ("canary", &["c4"])];
    let mut story = rolled_out(&groups, rollout);
    assert_eq!(story.runs(), ["one", "one", "one", "two"]);
    story.reports("c4", "True");
    assert_eq!(story.runs(), ["two", "one", "one", "two"]);
    story.reports("c1", "True");
    assert_eq!(story.runs(), ["two"; 4]);
}

#[test]
fn the_first_installation_takes_turns_too_and_a_lost_add_on_keeps_its_own() {
    let mut story = Story::of(&[("", &FOUR)]);
    story.templates("metrics-1", "one");
    story.defines("metrics-1", progressive(json!({"maxConcurrency": 2})));
    assert_eq!(story.fleet.add_ons().len(), 4);
    assert_eq!(story.told.len(), 2);
    assert_eq!(add_on(&story, "c4"), words("WaitingForCanary", "", ""));
    assert_eq!(progress(&story).1, "0/4 configured, 0 failed, 0 timeout");
    story.reports("c1", "True");
    assert_eq!(story.told.len(), 3);
}

#[test]
fn all_at_once_is_watched_when_it_has_a_deadline() {
    let rollout = json!({"type": "All", "all": {"progressDeadline": "10m"}});
    let mut story = rolled_out(&[("", &FOUR)], rollout);
    assert_eq!(story.runs(), ["two"; 4]);
    story.reports("c1", "True");
    story.passes(10 * MINUTE);
    assert_eq!(progress(&story).1, "1/4 configured, 0 failed, 3 timeout");
    assert_eq!(story.fleet.deadline("metrics", story.now), None);
}

#[test]
fn the_state_of_a_rollout_is_the_same_from_its_rows() {
    let story = rolled_out(&[("", &FOUR)], progressive(json!({"maxConcurrency": 1})));
    let restored = fleetlog_addon_domain::Fleet::of_rows(&story.fleet.rows()).unwrap();
    assert_eq!(restored.rows(), story.fleet.rows());
    let definition = &story.fleet.definitions()["metrics"];
    let stages =
        |fleet: &fleetlog_addon_domain::Fleet| fleet.stages("metrics", &fleet.chosen(definition));
    assert_eq!(stages(&restored), stages(&story.fleet));
    assert!(stages(&restored)[0].standings.contains_key("c1"));
}
