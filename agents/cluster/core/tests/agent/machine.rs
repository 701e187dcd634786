//! What the agent does, event by event, against a member that is a plain map.

use crate::member::{Deed, HUB, Member, config_map, deployment};
use fleetlog_agent_core::{Event, Record};
use fleetlog_messages::common::Condition;
use fleetlog_messages::work::{
    DeleteOption, FeedbackRule, ManifestCondition, ManifestConfigOption, ManifestWorkExecutor,
    ManifestWorkSpec, ReportWork, ResourceIdentifier, UpdateStrategy,
};
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn condition<'a>(report: &'a ReportWork, kind: &str) -> &'a Condition {
    let status = report.status.as_ref().unwrap();
    status.conditions.iter().find(|c| c.r#type.as_deref() == Some(kind)).unwrap()
}

fn says(report: &ReportWork, kind: &str) -> String {
    condition(report, kind).status.clone().unwrap()
}

fn configured(resource: &str, change: impl FnOnce(&mut ManifestConfigOption)) -> ManifestWorkSpec {
    let id = ResourceIdentifier {
        group: Some(if resource == "deployments" { "apps".into() } else { String::new() }),
        resource: Some(resource.into()),
        name: Some("*".into()),
        namespace: Some("*".into()),
    };
    let mut config =
        ManifestConfigOption { resource_identifier: Some(id), ..ManifestConfigOption::default() };
    change(&mut config);
    ManifestWorkSpec { manifest_configs: vec![config], ..ManifestWorkSpec::default() }
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets" }, "versions": [{ "name": "v1" }],
        },
    })
}

/// What a work's first manifest says of its being applied.
fn first_message(report: ReportWork) -> String {
    let manifests = report.status.unwrap().resource_status.unwrap().manifests;
    manifests[0].conditions[0].message.clone().unwrap()
}

#[test]
fn wa_namespaces_and_definitions_are_applied_before_what_needs_them() {
    let mut member = Member::started();
    let widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": { "name": "w", "namespace": "shop" } });
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "sa", "namespace": "shop" } });
    let given = [widget, deployment("d", None), account, definition(), namespace];
    let delivery = member.want("a", &given);
    member.deliver(delivery);
    let applied = ["widgets.example.com", "shop", "sa", "d", "w"];
    let deeds: Vec<Deed> = applied.iter().map(|name| Deed::Applied((*name).into())).collect();
    assert_eq!(member.deeds, deeds);
    assert_eq!(says(&member.last_report("a"), "Applied"), "True");
}

#[test]
fn wa_what_a_new_generation_dropped_goes_and_nothing_else() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    member.write(&config_map("foreign", "1"));
    let delivery = member.want("a", &[config_map("y", "2")]);
    member.deliver(delivery);
    assert_eq!(member.names(), ["foreign", "y"]);
    assert_eq!(member.object("configmaps", "y").unwrap()["data"]["key"], "2");
    let record = Record::of(&member.records[&Record::name(HUB, "a")], HUB).unwrap();
    assert_eq!(record.made.len(), 1);
}

#[test]
fn wa_an_object_that_somebody_made_anew_is_not_deleted() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    member.tell(Event::Disconnected);
    let key = member.objects.keys().next().unwrap().clone();
    let mut anew = config_map("x", "theirs");
    anew["metadata"]["uid"] = json!("theirs");
    member.objects.insert(key, anew);
    member.start();
    member.want("a", &[config_map("y", "1")]);
    member.tell(Event::Connected);
    assert_eq!(member.names(), ["x", "y"]);
    assert!(!member.deeds.iter().any(|deed| matches!(deed, Deed::Deleted(_))));
}

#[test]
fn wa_an_object_that_another_work_owns_too_stays_with_it() {
    let mut member = Member::started();
    for work in ["a", "b"] {
        let delivery = member.want(work, &[config_map("shared", "1")]);
        member.deliver(delivery);
    }
    let owners = |member: &Member| {
        let object = member.object("configmaps", "shared").unwrap();
        object["metadata"]["ownerReferences"].as_array().unwrap().len()
    };
    member.pass(Duration::from_secs(30));
    assert_eq!(owners(&member), 2);
    let gone = member.remove("a");
    member.deliver(gone);
    assert_eq!(owners(&member), 1);
    assert!(member.last_report("a").gone);
    let gone = member.remove("b");
    member.deliver(gone);
    assert!(member.objects.is_empty() && member.records.is_empty());
}

#[test]
fn wa_an_object_that_another_work_made_too_stays_even_if_it_does_not_say_so() {
    let mut member = Member::started();
    for work in ["a", "b"] {
        let delivery = member.want(work, &[config_map("shared", "1")]);
        member.deliver(delivery);
        member.pass(Duration::from_secs(30));
    }
    let uid = member.object("configmaps", "shared").unwrap()["metadata"]["uid"].clone();
    // Both made it at once, and the agent ended before it saw whose write was left.
    let owners = |member: &mut Member| {
        let object = member.objects.values_mut().next().unwrap();
        object["metadata"]["ownerReferences"].as_array_mut().unwrap().clone()
    };
    let both = owners(&mut member);
    let of = |work: &str| {
        let name = Record::name(HUB, work);
        both.iter().find(|owner| owner["name"] == json!(name)).unwrap().clone()
    };
    member.objects.values_mut().next().unwrap()["metadata"]["ownerReferences"] = json!([of("a")]);
    member.start();
    member.remove("a");
    member.tell(Event::Connected);
    member.pass(Duration::from_secs(30));
    assert!(member.last_report("a").gone);
    assert_eq!(owners(&mut member), [of("b")]);
    assert_eq!(member.object("configmaps", "shared").unwrap()["metadata"]["uid"], uid);
    let gone = member.remove("b");
    member.deliver(gone);
    assert!(member.objects.is_empty() && member.records.is_empty());
}

#[test]
fn wa_nothing_is_deleted_before_the_first_complete_sync() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    let delivery = member.want("b", &[config_map("z", "1")]);
    member.deliver(delivery);
    member.hub_is_there = false;
    member.start();
    member.tell(Event::Connected);
    let dropped = member.want("a", &[config_map("y", "1")]);
    member.deliver(dropped);
    let gone = member.remove("b");
    member.deliver(gone);
    assert_eq!(member.names(), ["x", "y", "z"]);
    member.hub_is_there = true;
    member.pass(Duration::from_secs(60));
    assert_eq!(member.names(), ["y"]);
    assert!(member.last_report("b").gone);
}

#[test]
fn wa_an_older_generation_is_refused_even_after_a_restart() {
    let mut member = Member::started();
    let old = member.want("a", &[config_map("x", "old")]);
    let new = member.want("a", &[config_map("x", "new")]);
    member.deliver(new);
    member.deliver(old.clone());
    member.hub_is_there = false;
    member.start();
    member.tell(Event::Connected);
    member.deliver(old);
    assert_eq!(member.object("configmaps", "x").unwrap()["data"]["key"], "new");
}

#[test]
fn wa_the_digest_of_a_sync_names_what_is_held() {
    let mut member = Member::started();
    let a = member.want("a", &[config_map("x", "1")]);
    let b = member.want("b", &[config_map("y", "1")]);
    member.deliver(a.clone());
    member.deliver(b);
    let gone = member.remove("b");
    member.deliver(gone);
    member.pass(Duration::from_secs(700));
    let held = BTreeMap::from([("a".to_owned(), a.generation)]);
    assert_eq!(member.syncs, [BTreeMap::new(), held]);
}

#[test]
fn wa_a_missed_removal_is_made_good_by_the_next_sync() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    member.tell(Event::Disconnected);
    member.remove("a");
    member.tell(Event::Connected);
    assert!(member.objects.is_empty() && member.last_report("a").gone);
    assert_eq!(member.machine.desired().works().count(), 0);
}

#[test]
fn wa_a_report_is_sent_when_it_changes_and_only_then() {
    let mut member = Member::started();
    let rule = FeedbackRule { r#type: Some("WellKnownStatus".into()), json_paths: vec![] };
    let spec = configured("deployments", |config| config.feedback_rules = vec![rule]);
    let delivery = member.want_with("a", &[deployment("d", None)], spec);
    member.deliver(delivery.clone());
    assert_eq!(member.reports.len(), 1);
    assert_eq!(says(&member.last_report("a"), "Available"), "True");
    member.deliver(delivery);
    member.pass(Duration::from_secs(700));
    assert_eq!(member.reports.len(), 1);
    let mut ready = member.object("deployments", "d").unwrap().clone();
    ready["status"] = json!({ "readyReplicas": 1 });
    member.write(&ready);
    assert_eq!(member.reports.len(), 2, "readiness is told at once");
    let manifests = member.last_report("a").status.unwrap().resource_status.unwrap().manifests;
    let value = &manifests[0].status_feedback.as_ref().unwrap().values[0];
    assert_eq!(value.name.as_deref(), Some("ReadyReplicas"));
    assert_eq!(value.field_value.as_ref().unwrap().integer, Some(1));
    assert_eq!(member.deeds.len(), 1, "a change of state is no drift");
}

#[test]
fn wa_the_second_look_finds_nothing_to_do() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1"), deployment("d", None)]);
    member.deliver(delivery);
    let (deeds, records) = (member.deeds.clone(), member.records.clone());
    for _ in 0..3 {
        member.pass(Duration::from_secs(700));
        member.start();
        member.tell(Event::Connected);
    }
    assert_eq!((member.deeds.clone(), member.records.clone()), (deeds, records));
}

#[test]
fn wa_drift_is_repaired_without_the_hub() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    member.tell(Event::Disconnected);
    member.hub_is_there = false;
    member.write(&config_map("x", "edited"));
    assert_eq!(member.object("configmaps", "x").unwrap()["data"]["key"], "1");
    member.delete("configmaps", "y");
    member.pass(Duration::from_secs(5));
    assert_eq!(member.names(), ["x", "y"]);
}

#[test]
fn wa_repairs_that_do_not_last_come_slower_and_slower() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    for _ in 0..600 {
        member.write(&config_map("x", "theirs"));
        member.pass(Duration::from_secs(1));
    }
    let repairs = member.deeds.len() - 1;
    assert!((5..=14).contains(&repairs), "{repairs} repairs in ten minutes");
}

#[test]
fn wa_an_orphan_is_applied_and_stays_when_the_work_goes() {
    let mut member = Member::started();
    let option =
        DeleteOption { propagation_policy: Some("Orphan".into()), ..DeleteOption::default() };
    let spec = ManifestWorkSpec { delete_option: Some(option), ..ManifestWorkSpec::default() };
    let delivery = member.want_with("a", &[config_map("x", "1")], spec);
    member.deliver(delivery);
    let meta = &member.object("configmaps", "x").unwrap()["metadata"];
    assert!(meta.get("ownerReferences").is_none());
    let gone = member.remove("a");
    member.deliver(gone);
    assert_eq!(member.names(), ["x"]);
    assert!(member.records.is_empty() && member.last_report("a").gone);
}

#[test]
fn wa_create_only_never_changes_what_is_there() {
    let mut member = Member::started();
    member.write(&config_map("x", "theirs"));
    let update = UpdateStrategy { r#type: Some("CreateOnly".into()), server_side_apply: None };
    let spec = configured("configmaps", |config| config.update_strategy = Some(update));
    let both = [config_map("x", "ours"), config_map("y", "ours")];
    let delivery = member.want_with("a", &both, spec);
    member.deliver(delivery);
    let value = |name: &str| member.object("configmaps", name).unwrap()["data"]["key"].clone();
    assert_eq!((value("x"), value("y")), (json!("theirs"), json!("ours")));
}

#[test]
fn wa_read_only_is_looked_at_and_never_touched() {
    let mut member = Member::started();
    let update = UpdateStrategy { r#type: Some("ReadOnly".into()), server_side_apply: None };
    let spec = configured("configmaps", |config| config.update_strategy = Some(update));
    let delivery = member.want_with("a", &[config_map("x", "1")], spec);
    member.deliver(delivery);
    let report = member.last_report("a");
    let seen = (says(&report, "Applied"), says(&report, "Available"));
    assert_eq!(seen, ("True".to_owned(), "False".to_owned()));
    member.write(&config_map("x", "theirs"));
    assert_eq!(says(&member.last_report("a"), "Available"), "True");
    let gone = member.remove("a");
    member.deliver(gone);
    assert_eq!(member.names(), ["x"]);
}

#[test]
fn wa_one_manifest_that_fails_blocks_no_other_and_is_tried_again() {
    let mut member = Member::started();
    member.refused = BTreeSet::from(["x".to_owned()]);
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    assert_eq!(member.names(), ["y"]);
    let report = member.last_report("a");
    assert_eq!(says(&report, "Applied"), "False");
    assert_eq!(first_message(report), "Failed to apply manifest: refused by the member");
    member.refused.clear();
    member.pass(Duration::from_secs(2));
    assert_eq!(member.names(), ["x", "y"]);
    assert_eq!(says(&member.last_report("a"), "Applied"), "True");
}

#[test]
fn wa_a_report_of_many_manifests_fits_a_message_and_lists_what_is_not_well() {
    let mut member = Member::started();
    let name = |number: usize| format!("{number:04}-{}", "x".repeat(200));
    member.refused = BTreeSet::from([name(1_999)]);
    let manifests: Vec<Value> = (0..2_000).map(|number| config_map(&name(number), "1")).collect();
    let delivery = member.want("a", &manifests);
    member.deliver(delivery);
    assert_eq!(member.names().len(), 1_999);
    let report = member.last_report("a");
    assert!(report.encoded_len() < 256 * 1024, "{} bytes", report.encoded_len());
    let said = &condition(&report, "Applied").message;
    let status = report.status.clone().unwrap();
    let listed = status.resource_status.unwrap().manifests;
    let ordinal = |entry: &ManifestCondition| entry.resource_meta.clone().unwrap().ordinal();
    let ordinals: Vec<i32> = listed.iter().map(ordinal).collect();
    assert!(ordinals.is_sorted() && listed.len() > 100);
    assert_eq!(ordinals.last(), Some(&1_999), "what failed is listed");
    let count = listed.len();
    let sentence = format!("Failed to apply manifest work; {count} of 2000 manifests are listed");
    assert_eq!(said.as_deref(), Some(sentence.as_str()));
    member.refused.clear();
    member.pass(Duration::from_secs(2));
    assert_eq!(says(&member.last_report("a"), "Applied"), "True");
}

#[test]
fn wa_a_definition_that_is_refused_says_why_and_not_that_it_is_missing() {
    let mut member = Member::started();
    member.refused = BTreeSet::from(["widgets.example.com".to_owned()]);
    let delivery = member.want("a", &[definition()]);
    member.deliver(delivery);
    let message = first_message(member.last_report("a"));
    assert_eq!(message, "Failed to apply manifest: refused by the member");
}

#[test]
fn wa_manifests_that_could_not_be_fetched_are_fetched_later() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    let bundles = std::mem::take(&mut member.bundles);
    member.deliver(delivery);
    assert!(member.objects.is_empty());
    member.bundles = bundles;
    member.pass(Duration::from_secs(2));
    assert_eq!(member.names(), ["x"]);
}

#[test]
fn wa_a_record_that_somebody_deleted_is_made_again() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    let record = member.records.remove(&Record::name(HUB, "a")).unwrap();
    let watch = fleetlog_agent_core::record_watch();
    member.tell(Event::Gone(watch, Box::new(record.clone())));
    let anew = &member.records[&Record::name(HUB, "a")];
    assert_ne!(anew["metadata"]["uid"], record["metadata"]["uid"]);
    assert_eq!(Record::of(anew, HUB).unwrap().made.len(), 1);
    let owner = &member.object("configmaps", "x").unwrap()["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], anew["metadata"]["uid"]);
}

#[test]
fn wa_a_crash_between_making_and_noting_leaves_nothing_unrecorded() {
    let mut member = Member::started();
    member.crash_after_applies = true;
    let delivery = member.want("a", &[config_map("x", "1"), config_map("y", "1")]);
    member.deliver(delivery);
    assert_eq!(member.names(), ["x", "y"]);
    member.crash_after_applies = false;
    member.start();
    member.want("a", &[config_map("y", "1")]);
    member.tell(Event::Connected);
    assert_eq!(member.names(), ["y"]);
}

#[test]
fn wa_manifests_that_cannot_be_read_drop_nothing() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    let mut broken = member.want("a", &[]);
    let bundle = broken.bundle.as_mut().unwrap();
    bundle.hash = "broken".into();
    member.bundles.insert("broken".into(), b"no json".to_vec());
    member.deliver(broken.clone());
    broken.bundle = None;
    broken.generation += 1;
    member.deliver(broken);
    member.pass(Duration::from_secs(600));
    assert_eq!(member.names(), ["x"]);
}

#[test]
fn wa_what_is_slow_to_go_is_said_to_be_going() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    member.slow_to_go = true;
    let gone = member.remove("a");
    member.deliver(gone);
    member.pass(Duration::from_secs(5));
    let report = member.last_report("a");
    assert!(!report.gone && says(&report, "Deleting") == "True");
    member.delete("configmaps", "x");
    assert!(member.last_report("a").gone);
}

#[test]
fn wa_bounds_that_cannot_be_kept_are_told_and_nothing_is_written() {
    let executor = Some(ManifestWorkExecutor::default());
    let spec = ManifestWorkSpec { executor, ..ManifestWorkSpec::default() };
    let mut member = Member::started();
    let delivery = member.want_with("a", &[config_map("x", "1")], spec);
    member.deliver(delivery);
    member.pass(Duration::from_secs(60));
    assert!(member.objects.is_empty());
    let report = member.last_report("a");
    assert_eq!(says(&report, "Applied"), "False");
    let manifests = report.status.unwrap().resource_status.unwrap().manifests;
    assert!(manifests[0].conditions[0].message.as_ref().unwrap().contains("executor"));
}
