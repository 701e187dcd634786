//! Each command of a placement and each refusal: given, when, then.

use crate::story::{AT, apply, key, misconfigured, number, predicate, text};
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Position, Uid};
use fleetlog_messages::common::{IntOrString, ObjectMeta, Time, int_or_string::Value};
use fleetlog_messages::placement::{
    self as message, AddOnScore, ClusterCelSelector, ClusterPredicate, ClusterSelector,
    DecidedCluster, DecisionStrategy, GroupStrategy, PlacementDecided, PlacementDeleted,
    PlacementJudged, PlacementSpec, PlacementSpecified, PrioritizerConfig, PrioritizerPolicy,
    ScoreCoordinate, placement_event::Event,
};
use fleetlog_objects::Refusal as Object;
use fleetlog_placement_domain::command::{Apply, PlacementKey};
use fleetlog_placement_domain::schedule::{Choice, Schedule, Verdict};
use fleetlog_placement_domain::{Placement, PlacementCommand, Refusal};
use fleetlog_rules::condition::Status;
use fleetlog_rules::labels::LabelError;
use fleetlog_rules::metadata::Change;
use std::collections::BTreeMap;

fn spec() -> PlacementSpec {
    PlacementSpec {
        number_of_clusters: Some(2),
        sort_by: text("ClusterName"),
        score_rate_limit: text("1m"),
        ..PlacementSpec::default()
    }
}

fn object(spec: PlacementSpec) -> message::Placement {
    let metadata = ObjectMeta {
        name: text("p"),
        namespace: text("ns"),
        uid: text("u"),
        generation: Some(1),
        creation_timestamp: Some(Time { seconds: AT.seconds(), ..Time::default() }),
        ..ObjectMeta::default()
    };
    message::Placement {
        metadata: Some(metadata),
        spec: Some(spec),
        ..message::Placement::default()
    }
}

fn specified(object: message::Placement) -> Event {
    Event::Specified(PlacementSpecified { placement: Some(object) })
}

fn there() -> Vec<Event> {
    vec![specified(object(spec()))]
}

fn applying(apply: Apply) -> PlacementCommand {
    PlacementCommand::Apply(Box::new(apply))
}

fn decided(revision: u64, added: &[&str], removed: &[&str]) -> PlacementDecided {
    let chosen = |name: &&str| DecidedCluster { cluster: (*name).to_owned(), ..Default::default() };
    PlacementDecided {
        revision,
        added: added.iter().map(chosen).collect(),
        removed: removed.iter().map(|name| (*name).to_owned()).collect(),
        inputs: 7,
        generation: 1,
        at: Some(Time { seconds: AT.seconds(), ..Time::default() }),
        ..PlacementDecided::default()
    }
}

fn choice(clusters: &[&str]) -> Choice {
    let chosen = |name: &&str| {
        let name = (*name).to_owned();
        (name.clone(), DecidedCluster { cluster: name, ..DecidedCluster::default() })
    };
    Choice {
        decision: clusters.iter().map(chosen).collect(),
        dropped: BTreeMap::new(),
        unmet: 0,
        satisfied: Verdict {
            status: Status::True,
            reason: "AllDecisionsScheduled",
            message: "All cluster decisions scheduled".to_owned(),
        },
        warnings: vec![],
        rebalanced: false,
    }
}

fn scheduling(schedule: Schedule) -> PlacementCommand {
    PlacementCommand::Schedule { schedule: Box::new(schedule), inputs: Position(7) }
}

fn refused(with: PlacementSpec, refusal: Refusal) {
    let when = given::<Placement>([]).at(AT).when(applying(apply("p", with)));
    when.then_refused(refusal);
}

fn invalid(path: &str, found: &str, rule: &str) -> Refusal {
    let (path, found, rule) = (path.to_owned(), found.to_owned(), rule.to_owned());
    Refusal::Object(Object::Invalid { path, found, rule })
}

#[test]
fn a_new_placement_is_specified_whole_with_defaults() {
    given::<Placement>([])
        .at(AT)
        .when(applying(apply("p", number(2))))
        .then([specified(object(spec()))]);
}

#[test]
fn the_same_again_changes_nothing() {
    given::<Placement>(there()).at(AT).when(applying(apply("p", number(2)))).then_nothing();
}

#[test]
fn another_spec_moves_the_generation() {
    let mut after = object(PlacementSpec { number_of_clusters: Some(3), ..spec() });
    after.metadata.as_mut().unwrap().generation = Some(2);
    let when = given::<Placement>(there()).at(AT).when(applying(apply("p", number(3))));
    when.then([specified(after)]);
}

#[test]
fn another_label_does_not_move_the_generation_and_a_merge_keeps_those_that_are_there() {
    let with = |labels: &[(&str, &str)]| {
        let mut object = object(spec());
        object.metadata.as_mut().unwrap().labels = crate::story::pairs(labels);
        object
    };
    let labelled = |change| {
        let mut apply = apply("p", number(2));
        apply.change = change;
        apply.object.metadata.get_or_insert_default().labels = crate::story::pairs(&[("b", "2")]);
        applying(apply)
    };
    let history = || [specified(with(&[("a", "1")]))];
    given::<Placement>(history())
        .at(AT)
        .when(labelled(Change::Merge))
        .then([specified(with(&[("a", "1"), ("b", "2")]))]);
    given::<Placement>(history())
        .at(AT)
        .when(labelled(Change::Replace))
        .then([specified(with(&[("b", "2")]))]);
}

#[test]
fn names_that_kubernetes_refuses_are_refused() {
    let bad = Apply { target: PlacementKey::new("ns", "A_b"), ..apply("p", number(1)) };
    let name = fleetlog_kernel::dns_subdomain("A_b").unwrap_err();
    given::<Placement>([]).when(applying(bad)).then_refused(Refusal::Name(name));
    let bad = Apply { target: PlacementKey::new("n.s", "p"), ..apply("p", number(1)) };
    let name = fleetlog_kernel::dns_label("n.s").unwrap_err();
    given::<Placement>([]).when(applying(bad)).then_refused(Refusal::Name(name));
}

#[test]
fn an_object_of_another_name_or_namespace_is_refused() {
    for (namespace, name) in [("ns", "q"), ("other", "p")] {
        let mut apply = apply("p", number(1));
        let meta = apply.object.metadata.get_or_insert_default();
        (meta.namespace, meta.name) = (text(namespace), text(name));
        let expected =
            Refusal::OtherName { given: format!("{namespace}/{name}"), target: "ns/p".to_owned() };
        given::<Placement>([]).when(applying(apply)).then_refused(expected);
    }
}

#[test]
fn an_object_may_say_its_own_name_and_namespace() {
    let mut apply = apply("p", number(2));
    let meta = apply.object.metadata.get_or_insert_default();
    (meta.namespace, meta.name) = (text("ns"), text("p"));
    given::<Placement>([]).at(AT).when(applying(apply)).then([specified(object(spec()))]);
}

#[test]
fn a_label_that_no_object_can_have_is_refused() {
    let mut apply = apply("p", number(1));
    apply.object.metadata.get_or_insert_default().labels = crate::story::pairs(&[("a", "-")]);
    let label = LabelError { text: "-".to_owned(), what: "value" };
    given::<Placement>([]).when(applying(apply)).then_refused(Refusal::Label(label));
}

#[test]
fn a_change_of_something_read_too_early_is_refused() {
    let mut state = given::<Placement>(there()).state();
    state.0.changed = 9;
    let late = Apply { expected: Some(Position(8)), ..apply("p", number(3)) };
    let refusal = fleetlog_kernel::Decider::decide(&state, &applying(late), AT).unwrap_err();
    let (name, expected) = ("ns/p".to_owned(), Position(8).resource_version(0));
    let actual = Position(9).resource_version(0);
    assert_eq!(refusal, Refusal::Conflict { name, expected, actual });
    let right = Apply { expected: Some(Position(9)), ..apply("p", number(3)) };
    assert!(fleetlog_kernel::Decider::decide(&state, &applying(right), AT).is_ok());
    let absent = Apply { expected: Some(Position(8)), ..apply("p", number(3)) };
    let refusal = Refusal::Conflict {
        name: "ns/p".to_owned(),
        expected: Position(8).resource_version(0),
        actual: "0".to_owned(),
    };
    given::<Placement>([]).when(applying(absent)).then_refused(refusal);
}

#[test]
fn a_placement_without_a_spec_is_refused() {
    let mut apply = apply("p", number(1));
    apply.object.spec = None;
    let missing = Object::Missing { path: "spec".to_owned() };
    given::<Placement>([]).when(applying(apply)).then_refused(Refusal::Object(missing));
}

#[test]
fn fields_that_break_their_rule_are_refused_by_path() {
    refused(number(-1), invalid("spec.numberOfClusters", "-1", "it must be 0 or more"));
    let size = |text: &str| {
        let size = IntOrString { value: Some(Value::Str(text.to_owned())) };
        let groups =
            GroupStrategy { clusters_per_decision_group: Some(size), ..Default::default() };
        let strategy = DecisionStrategy { group_strategy: Some(groups) };
        PlacementSpec { decision_strategy: Some(strategy), ..PlacementSpec::default() }
    };
    let path = "spec.decisionStrategy.groupStrategy.clustersPerDecisionGroup";
    for bad in ["150%", "0", "ten", "", "0%", "%", "101%"] {
        let expected = invalid(path, &format!("\"{bad}\""), "it must be a number, or 1% to 100%");
        refused(size(bad), expected);
    }
    let heavy = PrioritizerConfig {
        score_coordinate: Some(ScoreCoordinate { built_in: text("Steady"), ..Default::default() }),
        weight: Some(11),
    };
    let policy = PrioritizerPolicy { configurations: vec![heavy], ..Default::default() };
    let with = PlacementSpec { prioritizer_policy: Some(policy), ..PlacementSpec::default() };
    let state = given::<Placement>([]).state();
    let refusal = fleetlog_kernel::Decider::decide(&state, &applying(apply("p", with)), AT);
    let said = refusal.unwrap_err().to_string();
    assert!(
        said.starts_with("\"spec.prioritizerPolicy.configurations[0].weight\" is 11"),
        "{said}"
    );
}

#[test]
fn an_add_on_s_score_counts_once() {
    let add_on = AddOnScore { resource_name: text("demo"), score_name: text("cpu") };
    let coordinate =
        ScoreCoordinate { r#type: text("AddOn"), add_on: Some(add_on), ..Default::default() };
    let config = PrioritizerConfig { score_coordinate: Some(coordinate), weight: Some(1) };
    let configurations = vec![config.clone(), config];
    let policy = PrioritizerPolicy { configurations, ..PrioritizerPolicy::default() };
    let path = "spec.prioritizerPolicy.configurations[1].scoreCoordinate";
    let refusal = invalid(path, "\"demo/cpu\"", "an add-on's score counts once");
    refused(PlacementSpec { prioritizer_policy: Some(policy), ..spec() }, refusal);
}

#[test]
fn an_empty_list_of_cel_expressions_restricts_nothing() {
    let selector =
        ClusterSelector { cel_selector: Some(ClusterCelSelector::default()), ..Default::default() };
    let predicate = ClusterPredicate { required_cluster_selector: Some(selector) };
    let with = PlacementSpec { predicates: vec![predicate], ..spec() };
    let events = given::<Placement>([]).at(AT).when(applying(apply("p", with))).events();
    assert_eq!(events.len(), 1);
}

#[test]
fn a_misconfigured_spec_is_taken_as_ocm_does() {
    let events = given::<Placement>([]).at(AT).when(applying(apply("p", misconfigured()))).events();
    assert!(matches!(events[..], [Event::Specified(_)]));
}

#[test]
fn a_deleted_placement_is_gone_and_another_of_the_name_is_another() {
    let delete = || PlacementCommand::Delete { target: key("p"), by: "ann".to_owned() };
    let gone = Event::Deleted(PlacementDeleted { by: "ann".to_owned() });
    given::<Placement>(there()).when(delete()).then([gone.clone()]);
    let missing = || Refusal::NotFound { name: "ns/p".to_owned() };
    given::<Placement>([]).when(delete()).then_refused(missing());
    let history =
        || [there(), vec![Event::Decided(decided(1, &["c1"], &[])), gone.clone()]].concat();
    given::<Placement>(history()).when(delete()).then_refused(missing());
    let again = Apply { uid: Uid::new("u2"), ..apply("p", number(2)) };
    let mut fresh = object(spec());
    fresh.metadata.as_mut().unwrap().uid = text("u2");
    given::<Placement>(history()).at(AT).when(applying(again)).then([specified(fresh)]);
}

#[test]
fn a_first_choice_is_a_revision_even_when_it_is_empty() {
    let events =
        given::<Placement>(there()).at(AT).when(scheduling(Schedule::Chosen(choice(&[])))).events();
    assert_eq!(events[0], Event::Decided(decided(1, &[], &[])));
    assert!(matches!(events[1], Event::Judged(_)));
}

#[test]
fn a_revision_says_how_many_each_rule_dropped_and_how_many_are_lacking() {
    let dropped: BTreeMap<String, u32> = [("Predicate".to_owned(), 3)].into();
    let short = Choice { dropped: dropped.clone(), unmet: 2, ..choice(&["c1"]) };
    let events =
        given::<Placement>(there()).at(AT).when(scheduling(Schedule::Chosen(short))).events();
    let expected = PlacementDecided { dropped, unmet: 2, ..decided(1, &["c1"], &[]) };
    assert_eq!(events[0], Event::Decided(expected));
}

#[test]
fn a_revision_holds_only_what_changed_and_the_same_choice_holds_nothing() {
    let first = || Event::Decided(decided(1, &["c1", "c2"], &[]));
    let to = |clusters: &[&str]| scheduling(Schedule::Chosen(choice(clusters)));
    let judged = given::<Placement>([there(), vec![first()]].concat())
        .at(AT)
        .when(to(&["c1", "c2"]))
        .events();
    let [Event::Judged(PlacementJudged { conditions, inputs: 7, generation: 1 })] = &judged[..]
    else {
        panic!("{judged:?}")
    };
    assert_eq!(conditions.len(), 2);
    let history = || [there(), vec![first()], judged.clone()].concat();
    given::<Placement>(history()).at(AT).when(to(&["c1", "c2"])).then_nothing();
    let next = Event::Decided(decided(2, &["c3"], &["c1"]));
    given::<Placement>(history()).at(AT).when(to(&["c2", "c3"])).then([next]);
}

#[test]
fn a_flawed_placement_keeps_its_decision_less_the_clusters_that_left() {
    let history = || [there(), vec![Event::Decided(decided(1, &["c1", "c2"], &[]))]].concat();
    let flawed = |kept: &[&str]| {
        let kept = kept.iter().map(|name| (*name).to_owned()).collect();
        scheduling(Schedule::Flawed { kept, message: "Predicate:bad".to_owned() })
    };
    let events = given::<Placement>(history()).at(AT).when(flawed(&["c1", "c2"])).events();
    assert!(matches!(events[..], [Event::Judged(_)]), "{events:?}");
    let events = given::<Placement>(history()).at(AT).when(flawed(&["c2"])).events();
    assert_eq!(events[0], Event::Decided(decided(2, &[], &["c1"])));
}

#[test]
fn a_placement_that_is_gone_or_left_to_another_scheduler_is_left_alone() {
    let to = || scheduling(Schedule::Chosen(choice(&["c1"])));
    given::<Placement>([]).when(to()).then_nothing();
    let mut disabled = object(spec());
    let name = "cluster.open-cluster-management.io/experimental-scheduling-disable";
    disabled.metadata.as_mut().unwrap().annotations = crate::story::pairs(&[(name, "true")]);
    given::<Placement>([specified(disabled)]).when(to()).then_nothing();
}

#[test]
fn a_revision_of_a_placement_that_is_gone_changes_nothing() {
    let orphan = given::<Placement>([Event::Decided(decided(1, &["c1"], &[]))]).state();
    assert_eq!(orphan, Placement::default());
}

#[test]
fn every_refusal_has_its_own_code_and_words_to_act_on() {
    let name = || "x".to_owned();
    let all = [
        Refusal::Name(fleetlog_kernel::dns_label("").unwrap_err()),
        Refusal::NotFound { name: name() },
        Refusal::Conflict { name: name(), expected: name(), actual: name() },
        Refusal::OtherName { given: name(), target: name() },
        Refusal::Label(LabelError { text: name(), what: "key" }),
        Refusal::TooCostly { path: name(), why: name() },
        Refusal::Kind { kind: name() },
        Refusal::Selector(fleetlog_rules::labels::Selector::parse("a,,b").unwrap_err()),
        Refusal::ResourceVersion { given: name() },
        Refusal::NotTold { actor: name() },
        Refusal::NoScore { name: name() },
        Refusal::NoCluster { cluster: name() },
        Refusal::Question { why: name() },
        Refusal::Late(fleetlog_rules::finalizers::Late { finalizers: vec![name()] }),
        invalid("spec", "x", "y"),
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), all.len());
    let advised: std::collections::BTreeSet<_> = all.iter().map(Refusal::advice).collect();
    assert_eq!(advised.len(), all.len());
    for refusal in all {
        let said = fleetlog_messages::common::Refusal::from(refusal);
        assert!(!said.advice.is_empty() && !said.sentence.ends_with('.'), "{said:?}");
        let first = said.sentence.chars().find(|c| c.is_alphabetic()).unwrap();
        let kinds = ["Placement \"", "AddOnPlacementScore \""];
        let starts_low =
            first.is_lowercase() || kinds.iter().any(|kind| said.sentence.starts_with(kind));
        assert!(starts_low, "{said:?}");
    }
}

#[test]
fn a_predicate_by_labels_and_claims_is_taken_as_it_was_given() {
    let with =
        PlacementSpec { predicates: vec![predicate(&[("a", "b")], &[("c", "d")])], ..spec() };
    let when = given::<Placement>([]).at(AT).when(applying(apply("p", with.clone())));
    when.then([specified(object(with))]);
}
