//! Pages: those of other schedulers are kept as they are given, and one of our own that is deleted
//! is there again under another uid.

use crate::story::{AT, Story, key, number, text};
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Position, Projection as _, Uid};
use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_messages::placement::{
    ClusterDecision, DecisionDeleted, DecisionDeletionRequested, DecisionSpecified, PageDiscarded,
    PlacementDecision, PlacementDecisionStatus, decision_event::Event, placement_event,
};
use fleetlog_placement_domain::others::{ApplyDecision, DecisionCommand, Foreign, Part};
use fleetlog_placement_domain::{Change, PlacementCommand, PlacementKey, Refusal, pages};
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::metadata::Change as How;

fn now() -> Option<Time> {
    Some(Time { seconds: AT.seconds(), ..Time::default() })
}

fn page(finalizers: &[&str], clusters: &[&str]) -> PlacementDecision {
    let labels = crate::story::pairs(&[("cluster.open-cluster-management.io/placement", "p")]);
    let finalizers = finalizers.iter().map(|&one| one.to_owned()).collect();
    let decided = |name: &&str| ClusterDecision {
        cluster_name: text(name),
        reason: text(""),
        ..ClusterDecision::default()
    };
    let decisions = clusters.iter().map(decided).collect();
    PlacementDecision {
        metadata: Some(ObjectMeta { labels, finalizers, ..ObjectMeta::default() }),
        status: Some(PlacementDecisionStatus { decisions }),
        ..PlacementDecision::default()
    }
}

fn apply(object: PlacementDecision, part: Part) -> DecisionCommand {
    let (target, expected, change) = (key("mine"), None, How::Replace);
    let (uid, by) = (Uid::new("u"), "ann".to_owned());
    DecisionCommand::Apply(Box::new(ApplyDecision {
        object,
        part,
        target,
        expected,
        change,
        uid,
        by,
    }))
}

fn delete() -> DecisionCommand {
    DecisionCommand::Delete { target: key("mine"), by: "ann".to_owned() }
}

/// The page as it is kept.
fn kept(finalizers: &[&str], status: Option<&[&str]>) -> Event {
    let mut object = page(finalizers, status.unwrap_or_default());
    object.status = status.and(object.status);
    let meta = object.metadata.get_or_insert_default();
    (meta.name, meta.namespace, meta.uid) = (text("mine"), text("ns"), text("u"));
    (meta.generation, meta.creation_timestamp) = (Some(1), now());
    Event::Specified(DecisionSpecified { decision: Some(object) })
}

#[test]
fn a_page_of_others_is_kept_and_its_status_is_written_apart() {
    let made = || kept(&[], None);
    given::<Foreign>([]).at(AT).when(apply(page(&[], &["c1"]), Part::Object)).then([made()]);
    given::<Foreign>([made()]).when(apply(page(&[], &["c9"]), Part::Object)).then_nothing();
    let status = || kept(&[], Some(&["c1"]));
    given::<Foreign>([made()]).when(apply(page(&["x/y"], &["c1"]), Part::Status)).then([status()]);
    given::<Foreign>([made(), status()])
        .when(apply(page(&[], &["c1"]), Part::Status))
        .then_nothing();
    let held = kept(&["x/y"], Some(&["c1"]));
    given::<Foreign>([made(), status()])
        .when(apply(page(&["x/y"], &[]), Part::Object))
        .then([held]);
}

#[test]
fn it_goes_at_once_or_with_its_last_finalizer() {
    let by = || "ann".to_owned();
    let gone = || Event::Deleted(DecisionDeleted { by: by() });
    given::<Foreign>([kept(&[], None)]).when(delete()).then([gone()]);
    let asked = || Event::DeletionRequested(DecisionDeletionRequested { by: by(), at: now() });
    given::<Foreign>([kept(&["x/y"], None)]).at(AT).when(delete()).then([asked()]);
    let leaving = || [kept(&["x/y"], None), asked()];
    given::<Foreign>(leaving()).when(delete()).then_nothing();
    let late = Refusal::Late(Late { finalizers: vec!["x/z".to_owned()] });
    given::<Foreign>(leaving()).when(apply(page(&["x/z"], &[]), Part::Object)).then_refused(late);
    given::<Foreign>(leaving()).when(apply(page(&[], &[]), Part::Object)).then([gone()]);
    let [first, second] = leaving();
    assert_eq!(given::<Foreign>([first, second, gone()]).state(), Foreign::default());
}

#[test]
fn what_is_not_there_is_refused() {
    let absent = || Refusal::NoDecision { name: "ns/mine".into() };
    assert_eq!(absent().code(), "PLC0016");
    given::<Foreign>([]).when(delete()).then_refused(absent());
    given::<Foreign>([]).when(apply(page(&[], &[]), Part::Status)).then_refused(absent());
    let DecisionCommand::Apply(mut late) = apply(page(&[], &[]), Part::Object) else { panic!() };
    late.expected = Some(Position(7));
    let conflict = Refusal::Conflict {
        name: "ns/mine".into(),
        expected: Position(7).resource_version(0),
        actual: Position(0).resource_version(0),
    };
    given::<Foreign>([kept(&[], None)]).when(DecisionCommand::Apply(late)).then_refused(conflict);
}

fn discard(page: &str, uid: &str) -> PlacementCommand {
    let (page, uid, by) = (page.to_owned(), Uid::new(uid), "ann".to_owned());
    PlacementCommand::Discard { page, uid, by }
}

#[test]
fn a_page_of_ours_that_is_deleted_is_there_again_under_another_uid() {
    let mut story = Story::of(&["c1", "c2"]);
    story.place("p", number(2));
    let before = pages::objects(&story.placement("p"));
    let events = story.command(&key("p"), &discard("p-decision-1", "fresh")).unwrap();
    let discarded = PageDiscarded {
        by: "ann".into(),
        page: "p-decision-1".into(),
        uid: "fresh".into(),
        at: now(),
    };
    assert_eq!(events, [placement_event::Event::PageDiscarded(discarded)]);
    story.settle();
    let after = pages::objects(&story.placement("p"));
    assert_eq!((before.len(), after.len()), (1, 1));
    let meta = |all: &[PlacementDecision]| all[0].metadata.clone().unwrap();
    let (was, is) = (meta(&before), meta(&after));
    assert_eq!((is.uid(), after[0].status.clone()), ("fresh", before[0].status.clone()));
    assert_eq!((&is.labels, &is.owner_references), (&was.labels, &was.owner_references));
    let version = |meta: &ObjectMeta| meta.resource_version().parse::<u64>().unwrap();
    assert!(version(&is) > version(&was));
    // The command again, as after a crash, is no event.
    let again = story.command(&key("p"), &discard("p-decision-1", "fresh")).unwrap();
    assert_eq!(again, []);
    story.delete("p");
    story.place("p", number(2));
    let anew = meta(&pages::objects(&story.placement("p")));
    assert_ne!(anew.uid(), "fresh", "another placement");
}

#[test]
fn pages_are_known_by_their_names() {
    let mut story = Story::of(&["c1"]);
    story.place("p", number(1));
    let world = &story.world;
    let of = |name: &str| world.page_of(&PlacementKey::new("ns", name)).map(|(key, _)| key);
    assert_eq!(of("p-decision-1"), Some(key("p")));
    for other in
        ["p-decision-2", "p-decision-0", "p-decision-01", "p-decision-+1", "p", "q-decision-1"]
    {
        assert_eq!(of(other), None, "{other}");
    }
    let taken = |name: &str| world.will_have(&PlacementKey::new("ns", name));
    assert_eq!(taken("p-decision-2"), Some(key("p")));
    assert_eq!((taken("q-decision-1"), taken("mine")), (None, None));
}

#[test]
fn pages_of_others_move_no_decision() {
    let mut story = Story::of(&["c1", "c2"]);
    story.place("p", number(1));
    let before = story.events.len();
    let specified = DecisionSpecified { decision: Some(page(&[], &["c1", "c2"])) };
    let touched = story.commit(vec![Change::Decision(key("mine"), Event::Specified(specified))]);
    assert_eq!((touched, story.events.len()), (vec![], before));
    assert_eq!(story.world.others().len(), 1);
    assert_eq!(story.pages("p").len(), 1);
    let deleted = Change::Decision(key("mine"), Event::Deleted(DecisionDeleted::default()));
    story.world.apply(&deleted, Position(99));
    assert!(story.world.others().is_empty());
}
