//! Each command on scores and each refusal: given, when, then.

use crate::story::Story;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Position, Timestamp, Uid};
use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_messages::placement::{
    AddOnPlacementScore, AddOnPlacementScoreItem, AddOnPlacementScoreStatus, ScoreDeleted,
    ScoreSpecified, score_event::Event,
};
use fleetlog_objects::Refusal as Object;
use fleetlog_placement_domain::Refusal;
use fleetlog_placement_domain::held_scores::{ApplyScore, Held, ScoreCommand, ScoreKey};
use fleetlog_rules::metadata::Change;

const AT: Timestamp = Timestamp::of_seconds(1_700_000_000);

fn scores(value: i32) -> AddOnPlacementScore {
    let item = AddOnPlacementScoreItem { name: Some("cpu".into()), value: Some(value) };
    let status = AddOnPlacementScoreStatus {
        scores: vec![item],
        valid_until: Some(Time { seconds: 5, ..Time::default() }),
        ..AddOnPlacementScoreStatus::default()
    };
    AddOnPlacementScore { status: Some(status), ..AddOnPlacementScore::default() }
}

fn key() -> ScoreKey {
    ScoreKey { cluster: "c1".into(), name: "demo".into() }
}

fn apply(object: AddOnPlacementScore) -> ApplyScore {
    let (expected, change) = (None, Change::Merge);
    let (uid, by) = (Uid::new("u"), "ann".to_owned());
    ApplyScore { object, target: key(), expected, change, uid, by }
}

fn applying(apply: ApplyScore) -> ScoreCommand {
    ScoreCommand::Apply(Box::new(apply))
}

fn specified(value: i32) -> Event {
    let metadata = ObjectMeta {
        name: Some("demo".into()),
        namespace: Some("c1".into()),
        uid: Some("u".into()),
        generation: Some(1),
        creation_timestamp: Some(Time { seconds: AT.seconds(), ..Time::default() }),
        ..ObjectMeta::default()
    };
    let score = AddOnPlacementScore { metadata: Some(metadata), ..scores(value) };
    Event::Specified(ScoreSpecified { score: Some(score) })
}

#[test]
fn new_scores_are_specified_whole_and_the_same_again_changes_nothing() {
    given::<Held>([]).at(AT).when(applying(apply(scores(90)))).then([specified(90)]);
    given::<Held>([specified(90)]).at(AT).when(applying(apply(scores(90)))).then_nothing();
    given::<Held>([specified(90)]).at(AT).when(applying(apply(scores(91)))).then([specified(91)]);
}

#[test]
fn scores_say_what_they_are_and_until_when_they_count() {
    let held = given::<Held>([specified(90)]).state();
    assert_eq!((held.value("cpu"), held.value("memory")), (Some(90), None));
    assert!(!held.is_expired(Timestamp::of_seconds(5)));
    assert!(held.is_expired(Timestamp::of_seconds(6)));
}

#[test]
fn a_score_out_of_bounds_is_refused_with_its_path() {
    let refusal = Refusal::Object(Object::Invalid {
        path: "status.scores[0].value".into(),
        found: "101".into(),
        rule: "at most 100".into(),
    });
    let when = given::<Held>([]).at(AT).when(applying(apply(scores(101))));
    when.then_refused(refusal);
}

#[test]
fn what_is_not_there_is_not_deleted() {
    let delete = ScoreCommand::Delete { target: key(), by: "ann".into() };
    let refusal = Refusal::NoScore { name: "c1/demo".into() };
    assert_eq!(refusal.code(), "PLC0011");
    given::<Held>([]).at(AT).when(delete.clone()).then_refused(refusal);
    let gone = Event::Deleted(ScoreDeleted { by: "ann".into() });
    given::<Held>([specified(1)]).at(AT).when(delete).then([gone.clone()]);
    assert_eq!(given::<Held>([specified(1), gone]).state(), Held::default());
}

#[test]
fn all_scores_are_told_by_cluster_and_name() {
    let mut story = Story::default();
    for (cluster, name) in [("c1", "demo"), ("c2", "demo"), ("c1", "other")] {
        story.score(cluster, name, &[("cpu", 1)], None);
    }
    let mut all: Vec<_> = story.world.scores().all().map(|(c, name, _)| (c, name)).collect();
    all.sort_unstable();
    assert_eq!(all, [("c1", "demo"), ("c1", "other"), ("c2", "demo")]);
}

#[test]
fn another_name_and_another_position_are_refused() {
    let mut other = apply(scores(1));
    other.object.metadata = Some(ObjectMeta { name: Some("x".into()), ..ObjectMeta::default() });
    let refusal = Refusal::OtherName { given: "/x".into(), target: "c1/demo".into() };
    given::<Held>([]).at(AT).when(applying(other)).then_refused(refusal);
    let mut late = apply(scores(1));
    late.expected = Some(Position(7));
    let refusal = Refusal::Conflict {
        name: "c1/demo".into(),
        expected: Position(7).resource_version(0),
        actual: Position(0).resource_version(0),
    };
    given::<Held>([]).at(AT).when(applying(late)).then_refused(refusal);
    let mut right = apply(scores(2));
    right.expected = Some(Position::START);
    let before = given::<Held>([]).at(AT).when(applying(apply(scores(1)))).events();
    let events = given::<Held>(before).at(AT).when(applying(right)).events();
    assert_eq!(events.len(), 1, "who has seen what is there may change it");
}
