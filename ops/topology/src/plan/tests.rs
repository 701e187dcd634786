//! What is planned for a hub that drifted, and what it costs.

use super::*;
use crate::profile::Profile;
use crate::things::in_jetstream;
use serde_json::json;

const DAY: u64 = 86_400_000_000_000;

/// A hub as it should be, each stream holding some messages.
fn hub(profile: Profile) -> BTreeMap<Key, Found> {
    let held =
        |thing: Thing| (thing.key, Found { config: thing.config, messages: 4, bytes: 4_000 });
    in_jetstream(profile).into_iter().map(held).collect()
}

fn stream(name: &str) -> Key {
    Key::new(Kind::Stream, name)
}

/// The plan for a hub after `drift` happened to it.
fn after(drift: impl FnOnce(&mut BTreeMap<Key, Found>)) -> Plan {
    let mut found = hub(Profile::Dev);
    drift(&mut found);
    let seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
    plan(&in_jetstream(Profile::Dev), &found, &seen)
}

/// The one change of a stream whose setting was altered.
fn altered(name: &str, setting: &str, value: Value) -> Change {
    let plan = after(|found| found.get_mut(&stream(name)).unwrap().config[setting] = value);
    let [change, queues @ ..] = plan.changes.as_slice() else { panic!("{plan:?}") };
    assert_eq!((&change.key, change.fields.len()), (&stream(name), 1));
    assert!(queues.iter().all(|queue| queue.key.of == name && queue.action == Action::Make));
    change.clone()
}

fn needs(plan: &Plan, agreed: &[&str]) -> Vec<String> {
    let agreed: Vec<String> = agreed.iter().map(|&name| name.to_owned()).collect();
    plan.refused(&agreed).map(|change| change.key.to_string()).collect()
}

#[test]
fn a_hub_as_it_should_be_needs_no_changes() {
    assert_eq!(after(|_| {}), Plan::default());
}

#[test]
fn each_altered_setting_is_told_with_both_values() {
    let change = altered("CMD", "max_age", json!(DAY));
    assert_eq!(change.action, Action::Change);
    assert_eq!(change.fields[0].to_string().split(" is ").next(), Some("\"max_age\""));
    assert_eq!((&change.fields[0].now, &change.fields[0].wanted), (&json!(DAY), &json!(30 * DAY)));
    assert_eq!(change.cost, Cost::Nothing, "a limit that grows takes nothing");
}

#[test]
fn what_is_missing_is_made_streams_before_their_queues() {
    let plan = after(|found| {
        found.retain(|key, _| key.of != "DO");
        found.remove(&Key::consumer("CMD", "cmd-work"));
    });
    let made: Vec<String> = plan.changes.iter().map(|c| c.key.to_string()).collect();
    assert_eq!(made[0], "stream \"DO\"");
    assert!(made.contains(&"queue \"cmd-work\" of stream \"CMD\"".to_owned()), "{made:?}");
    assert!(plan.changes.iter().all(|c| c.action == Action::Make && c.cost == Cost::Nothing));
}

#[test]
fn a_limit_that_shrinks_below_what_is_there_is_refused_unless_its_stream_is_named() {
    let change = altered("RESULT", "max_age", json!(90 * DAY));
    assert!(matches!(change.cost, Cost::Data(_)), "{change:?}");
    let plan = Plan { changes: vec![change] };
    assert_eq!(needs(&plan, &[]), ["stream \"RESULT\""]);
    assert_eq!(needs(&plan, &["CMD"]), ["stream \"RESULT\""]);
    assert_eq!(needs(&plan, &["RESULT"]), Vec::<String>::new());
    let empty = after(|found| {
        let stream = found.get_mut(&stream("RESULT")).unwrap();
        stream.config["max_age"] = json!(90 * DAY);
        stream.messages = 0;
    });
    assert_eq!(empty.changes[0].cost, Cost::Nothing, "an empty stream has nothing to lose");
}

#[test]
fn storage_and_retention_are_changed_by_making_the_stream_anew() {
    for (name, setting, value) in
        [("LEASE", "storage", json!("file")), ("CMD", "retention", json!("workqueue"))]
    {
        let change = altered(name, setting, value);
        assert_eq!(change.action, Action::Replace);
        assert!(matches!(change.cost, Cost::Data(_)), "{change:?}");
    }
    let change = altered("EVENTS", "storage", json!("memory"));
    assert!(matches!(change.cost, Cost::Never(_)), "the truth is never made anew");
}

#[test]
fn message_ttls_on_the_truth_are_never_turned_on() {
    let mut wanted = in_jetstream(Profile::Dev);
    let events = wanted.iter_mut().find(|thing| thing.key == stream("EVENTS")).unwrap();
    events.config["allow_msg_ttl"] = json!(true);
    let plan = plan(&wanted, &hub(Profile::Dev), &BTreeSet::from([Kind::Stream]));
    assert!(matches!(plan.changes[0].cost, Cost::Never(_)), "{plan:?}");
    assert_eq!(needs(&plan, &["EVENTS"]), ["stream \"EVENTS\""]);
    let on = altered("EVENTS", "allow_msg_ttl", json!(true));
    assert!(matches!(on.cost, Cost::Never(_)), "and never withdrawn: {on:?}");
}

#[test]
fn what_nobody_asked_for_goes_and_what_it_holds_is_asked_for() {
    let strange = |messages| Found { config: json!({"name": "OLD"}), messages, bytes: 0 };
    let plan = after(|found| {
        found.insert(stream("OLD"), strange(3));
        found.insert(Key::consumer("OLD", "reader"), strange(3));
        found.insert(Key::consumer("CMD", "spare"), strange(0));
        found.insert(Key::consumer("DO", "stuck"), strange(2));
    });
    assert!(plan.changes.iter().all(|change| change.action == Action::Remove), "{plan:?}");
    assert_eq!(plan.changes.len(), 3, "the consumers of a stream go with it");
    let of = ["stream \"OLD\"", "queue \"stuck\" of stream \"DO\""];
    assert_eq!(needs(&plan, &[]), of);
    assert_eq!(needs(&plan, &["OLD", "DO"]), Vec::<String>::new());
}

#[test]
fn a_profile_is_a_plan_from_another() {
    let seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
    let larger = plan(&in_jetstream(Profile::Ha), &hub(Profile::Dev), &seen);
    let streams = in_jetstream(Profile::Ha).iter().filter(|t| t.key.name.is_none()).count();
    assert_eq!(larger.changes.len(), streams, "each stream gets three replicas");
    let replicas = |change: &Change| change.fields.iter().any(|f| f.name == "num_replicas");
    assert!(larger.changes.iter().all(replicas));
    let (work, others) = larger.changes.split_last().unwrap();
    assert!(others.iter().all(|change| change.action == Action::Change));
    assert_eq!((&work.key, work.action), (&stream("WORK"), Action::Replace));
    let Cost::Data(why) = &work.cost else { panic!("{work:?}") };
    assert!(why.contains("fleetlog projection rebuild work"), "{why}");
    let bounded = |change: &Change| change.fields.iter().any(|f| f.name == "max_bytes");
    let bounded: Vec<_> = larger.changes.iter().filter(|c| bounded(c)).collect();
    assert_eq!(bounded.len(), 1);
    assert_eq!((&bounded[0].key, &bounded[0].cost), (&stream("DLQ"), &Cost::Nothing));
}

#[test]
fn accounts_and_the_servers_settings_wait_for_a_start_and_only_where_they_are_seen() {
    let account = Thing { key: Key::new(Kind::Account, "HUB"), config: json!({"a": 1}) };
    let found = BTreeMap::from([(account.key.clone(), Found::default())]);
    let unseen = plan(std::slice::from_ref(&account), &BTreeMap::new(), &BTreeSet::new());
    assert_eq!(unseen, Plan::default());
    let plan = plan(&[account], &found, &BTreeSet::from([Kind::Account]));
    assert_eq!(plan.changes[0].action, Action::Restart);
    assert_eq!(plan.changes[0].fields[0].name, "a");
}

#[test]
fn the_queues_of_a_stream_that_is_made_anew_are_made_anew_behind_it() {
    let plan = after(|found| {
        found.get_mut(&stream("DO")).unwrap().config["storage"] = json!("memory");
        found.get_mut(&Key::consumer("DO", "do-work")).unwrap().config["ack_policy"] = json!("all");
        let strange = Found { messages: 3, ..Found::default() };
        found.insert(Key::consumer("DO", "nobody-s"), strange);
    });
    let told: Vec<(String, Action)> =
        plan.changes.iter().map(|change| (change.key.to_string(), change.action)).collect();
    assert_eq!(told[0], ("stream \"DO\"".to_owned(), Action::Replace));
    let queues = in_jetstream(Profile::Dev).into_iter();
    let queues = queues.filter(|thing| thing.key.kind == Kind::Consumer && thing.key.of == "DO");
    let mut expected: Vec<(String, Action)> =
        queues.map(|thing| (thing.key.to_string(), Action::Make)).collect();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(told[1..], expected, "what the stream takes with it is not planned for itself");
    assert_eq!(needs(&plan, &["DO"]), Vec::<String>::new());
}

#[test]
fn what_the_server_may_refuse_comes_before_what_is_taken_away() {
    let plan = after(|found| {
        found.get_mut(&stream("CMD")).unwrap().config["storage"] = json!("memory");
        found.get_mut(&stream("WORK")).unwrap().config["num_replicas"] = json!(3);
        found.insert(stream("AAA"), Found::default());
    });
    let actions: Vec<Action> = plan.changes.iter().map(|change| change.action).collect();
    assert_eq!(actions[..2], [Action::Change, Action::Replace]);
    assert_eq!(actions.last(), Some(&Action::Remove));
}

#[test]
fn a_copy_of_the_truth_is_made_anew_at_no_cost() {
    let wanted = [crate::audit::thing(Profile::Ha)];
    let seen = BTreeSet::from([Kind::Stream]);
    let changed = |setting: &str, value: Value| {
        let mut config = wanted[0].config.clone();
        config[setting] = value;
        let found = Found { config, messages: 4, bytes: 4_000 };
        let plan = plan(&wanted, &BTreeMap::from([(wanted[0].key.clone(), found)]), &seen);
        let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
        (change.action, change.cost.clone())
    };
    assert_eq!(changed("num_replicas", json!(1)), (Action::Change, Cost::Nothing));
    assert_eq!(changed("max_msgs", json!(2)), (Action::Replace, Cost::Nothing));
    let found = Found { messages: 4, ..Found::default() };
    let unwanted = plan(&[], &BTreeMap::from([(wanted[0].key.clone(), found)]), &seen);
    assert_eq!(
        (unwanted.changes[0].action, &unwanted.changes[0].cost),
        (Action::Remove, &Cost::Nothing)
    );
}
