//! What all objects share: conditions, metadata, taints.

use fleetlog_kernel::{Timestamp, Uid};
use fleetlog_messages::common::{ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use fleetlog_messages::placement::Toleration;
use fleetlog_messages::registration::Taint;
use fleetlog_rules::condition::{self, Say, Status};
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::{self, Birth, Change};
use fleetlog_rules::taint::{self, Standing, TolerationError, Until};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_transition_time_moves_only_with_the_status() {
    let mut conditions = vec![];
    let say = |status, message| Say { kind: "Ready", status, reason: "R", message };
    let at = Timestamp::of_seconds;
    assert!(condition::set(&mut conditions, say(Status::True, "a"), at(1)));
    assert!(!condition::set(&mut conditions, say(Status::True, "a"), at(2)));
    assert!(condition::set(&mut conditions, say(Status::True, "b"), at(3)));
    let since = |c: &[_]| condition::find(c, "Ready").unwrap().last_transition_time.clone();
    assert_eq!(since(&conditions).unwrap().seconds, 1);
    assert!(condition::set(&mut conditions, say(Status::False, "b"), at(4)));
    assert_eq!(since(&conditions).unwrap().seconds, 4);
    assert!(condition::is(&conditions, "Ready", Status::False));
    assert!(!condition::is(&conditions, "Other", Status::False));
    assert_eq!(conditions.len(), 1);
}

#[test]
fn the_hub_sets_what_is_its_own_and_a_merge_keeps_what_is_not_given() {
    let given = ObjectMeta {
        name: text("ignored"),
        uid: text("ignored"),
        resource_version: text("9"),
        labels: [("a".to_owned(), "1".to_owned())].into(),
        finalizers: vec!["f".to_owned()],
        ..ObjectMeta::default()
    };
    let birth = Birth {
        namespace: text("ns"),
        name: "n".to_owned(),
        uid: Uid::new("u"),
        at: Timestamp::of_nanos(5_500_000_000),
    };
    let born = metadata::born(&given, &birth);
    assert_eq!((born.name(), born.namespace(), born.uid()), ("n", "ns", "u"));
    assert_eq!((born.generation(), born.resource_version.as_ref()), (1, None));
    assert_eq!(born.creation_timestamp.as_ref().map(|t| (t.seconds, t.nanos)), Some((5, 0)));
    let given =
        ObjectMeta { labels: [("b".to_owned(), "2".to_owned())].into(), ..ObjectMeta::default() };
    let merged = metadata::changed(&born, &given, Change::Merge);
    assert_eq!(merged.labels.len(), 2);
    assert_eq!(merged.finalizers, ["f"]);
    let mut replaced = metadata::changed(&born, &given, Change::Replace);
    assert_eq!(replaced.labels.keys().collect::<Vec<_>>(), ["b"]);
    assert!(replaced.finalizers.is_empty());
    assert_eq!((replaced.uid(), replaced.generation()), ("u", 1));
    metadata::next_generation(&mut replaced);
    assert_eq!(replaced.generation(), 2);
}

#[test]
fn owners_and_managed_fields_stay_unless_a_merge_gives_others() {
    let owned = |uid: &str| ObjectMeta {
        owner_references: vec![OwnerReference { uid: text(uid), ..OwnerReference::default() }],
        managed_fields: vec![ManagedFieldsEntry { manager: text(uid), ..Default::default() }],
        finalizers: vec![uid.to_owned()],
        annotations: [("of".to_owned(), uid.to_owned())].into(),
        ..ObjectMeta::default()
    };
    let current = owned("a");
    let merged = |given: &ObjectMeta| metadata::changed(&current, given, Change::Merge);
    assert_eq!(merged(&ObjectMeta::default()), current);
    assert_eq!(merged(&current), current, "a finalizer is there once");
    let birth = Birth {
        namespace: None,
        name: "n".to_owned(),
        uid: Uid::new("u"),
        at: Timestamp::of_seconds(1),
    };
    let born = metadata::born(&current, &birth);
    assert_eq!(born.annotations, current.annotations);
    assert_eq!(born.owner_references, current.owner_references);
    assert_eq!(born.managed_fields, current.managed_fields);
    let both = ObjectMeta { finalizers: vec!["a".to_owned(), "b".to_owned()], ..owned("b") };
    assert_eq!(merged(&owned("b")), both);
}

#[test]
fn labels_and_annotation_keys_are_checked() {
    let mut meta = ObjectMeta::default();
    meta.annotations.insert("Example.io/Some".to_owned(), "any text, {}".to_owned());
    assert_eq!(metadata::check(&meta), Ok(()));
    meta.annotations.insert("a b".to_owned(), String::new());
    assert_eq!(metadata::check(&meta).unwrap_err().what, "key");
    let meta =
        ObjectMeta { labels: [("a".to_owned(), "-".to_owned())].into(), ..Default::default() };
    assert_eq!(metadata::check(&meta).unwrap_err().what, "value");
}

const AT: Timestamp = Timestamp::of_seconds(1_700_000_000);

fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
    Toleration {
        key: text(key),
        operator: text(operator),
        value: text(value),
        effect: text(effect),
        ..Toleration::default()
    }
}

fn tainted(effect: &str) -> Vec<Taint> {
    vec![Taint { key: text("k"), value: text("v"), effect: text(effect), ..Taint::default() }]
}

#[test]
fn a_taint_is_tolerated_by_key_value_and_effect() {
    let taints = tainted(taint::NO_SELECT);
    for (toleration, expected) in [
        (toleration("k", "Equal", "v", ""), true),
        (toleration("k", "", "v", "NoSelect"), true),
        (toleration("k", "Equal", "other", ""), false),
        (toleration("k", "Exists", "", ""), true),
        (toleration("", "Exists", "", ""), true),
        (toleration("k", "Exists", "", "NoSelectIfNew"), false),
        (toleration("other", "Exists", "", ""), false),
    ] {
        let standing = Standing::Chosen;
        let given = std::slice::from_ref(&toleration);
        assert_eq!(taint::tolerated(given, &taints, standing, AT), expected, "{toleration:?}");
    }
    assert!(!taint::tolerated(&[], &taints, Standing::Chosen, AT));
}

#[test]
fn softer_effects_keep_only_new_clusters_away_or_none() {
    let if_new = tainted(taint::NO_SELECT_IF_NEW);
    assert!(taint::tolerated(&[], &if_new, Standing::Chosen, AT));
    assert!(!taint::tolerated(&[], &if_new, Standing::New, AT));
    assert!(taint::tolerated(&[], &tainted(taint::PREFER_NO_SELECT), Standing::New, AT));
}

#[test]
fn a_limit_counts_from_when_the_taint_was_added_and_the_longest_toleration_wins() {
    let mut taints = tainted(taint::NO_SELECT);
    taints[0].time_added = Some(Time { seconds: 100, ..Time::default() });
    let limited = |seconds| Toleration {
        toleration_seconds: Some(seconds),
        ..toleration("k", "Exists", "", "")
    };
    let until = |given: &[Toleration]| taint::until(given, &taints, Standing::Chosen);
    let at = |seconds| Until::Moment(Timestamp::of_seconds(seconds));
    assert_eq!(until(&[limited(10)]), at(110));
    assert_eq!(until(&[limited(10), limited(20)]), at(120));
    assert_eq!(until(&[limited(0)]), Until::Never);
    assert_eq!(until(&[limited(-5)]), Until::Never);
    assert_eq!(until(&[limited(10), toleration("k", "Exists", "", "")]), Until::Forever);
    assert!(at(110).lasts(Timestamp::of_seconds(109)));
    assert!(!at(110).lasts(Timestamp::of_seconds(110)), "the end is no part of it");
    assert!(Until::Forever.lasts(AT) && !Until::Never.lasts(AT));
}

#[test]
fn a_toleration_that_means_nothing_is_refused_in_ocms_words() {
    let refused = |key, operator, value| taint::check(&toleration(key, operator, value, ""));
    assert_eq!(refused("", "Equal", "v"), Err(TolerationError::EmptyKey));
    assert_eq!(refused("", "", ""), Err(TolerationError::EmptyKey));
    assert_eq!(refused("k", "Exists", "v"), Err(TolerationError::ValueWithExists));
    assert_eq!(refused("k", "Exists", ""), Ok(()));
    assert_eq!(refused("", "Exists", ""), Ok(()));
    assert_eq!(refused("k", "Equal", "v"), Ok(()));
    assert_eq!(
        TolerationError::EmptyKey.to_string(),
        "If the key is empty, operator must be Exists."
    );
}

fn kept_by(finalizers: &[&str]) -> ObjectMeta {
    let finalizers = finalizers.iter().map(|&one| one.to_owned()).collect();
    ObjectMeta { generation: Some(3), finalizers, ..ObjectMeta::default() }
}

#[test]
fn what_is_kept_waits_and_is_marked_once() {
    assert_eq!(finalizers::wish(&kept_by(&[])), Wish::Granted);
    let mut meta = kept_by(&["x/a"]);
    assert_eq!(finalizers::wish(&meta), Wish::Waits);
    let at = |seconds| Time { seconds, ..Time::default() };
    finalizers::terminate(&mut meta, Some(&at(7)));
    let marked = meta.clone();
    assert_eq!(meta.deletion_timestamp, Some(at(7)));
    assert_eq!((meta.deletion_grace_period_seconds, meta.generation), (Some(0), Some(4)));
    assert_eq!(finalizers::wish(&meta), Wish::Repeated);
    finalizers::terminate(&mut meta, Some(&at(9)));
    assert_eq!(meta, marked);
}

#[test]
fn what_is_on_its_way_out_takes_no_new_finalizer_and_goes_with_the_last() {
    let before = kept_by(&["x/a", "x/b"]);
    assert_eq!(finalizers::write(&before, &kept_by(&["x/c"])), Ok(Left::Stays));
    assert_eq!(finalizers::write(&before, &kept_by(&[])), Ok(Left::Stays));
    let mut going = before;
    finalizers::terminate(&mut going, None);
    assert_eq!(finalizers::write(&going, &kept_by(&["x/b"])), Ok(Left::Stays));
    assert_eq!(finalizers::write(&going, &kept_by(&[])), Ok(Left::Goes));
    let late = finalizers::write(&going, &kept_by(&["x/b", "x/c", "x/d"])).unwrap_err();
    assert_eq!(
        late.to_string(),
        "no new finalizers can be added if the object is being deleted, found new finalizers \
         \"x/c\", \"x/d\""
    );
}
