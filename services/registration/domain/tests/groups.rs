//! What is decided about sets and bindings: each command of their story, and each refusal.

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{NameError, Position};
use fleetlog_messages::common::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use fleetlog_messages::registration::{
    BindingDeleted, BindingSpecified, ClusterSetCounted, ClusterSetDeleted, ClusterSetSpecified,
    ManagedClusterSelector, ManagedClusterSet, ManagedClusterSetBinding,
    ManagedClusterSetBindingSpec, ManagedClusterSetSpec, cluster_set_event,
};
use fleetlog_messages::registration_v2::{BindingBound, BindingUnbound, binding_event};
use fleetlog_registration_domain::command::{Apply, BindingCommand, SetCommand, Target};
use fleetlog_registration_domain::names::{self, kind};
use fleetlog_registration_domain::set::{Members, built_in};
use fleetlog_registration_domain::{Binding, ClusterSet, Refusal};
use fleetlog_rules::condition::find;
use fleetlog_rules::labels::SelectorError;

mod sets {
    use super::*;
    use cluster_set_event::Event;

    const NOTHING: [Event; 0] = [];

    fn selecting(kind: Option<&str>, labels: Option<LabelSelector>) -> ManagedClusterSet {
        let selector =
            ManagedClusterSelector { selector_type: kind.map(Into::into), label_selector: labels };
        ManagedClusterSet {
            metadata: Some(meta("blue", &[])),
            spec: Some(ManagedClusterSetSpec {
                cluster_selector: Some(selector),
                ..ManagedClusterSetSpec::default()
            }),
            ..ManagedClusterSet::default()
        }
    }

    fn apply(set: ManagedClusterSet) -> SetCommand {
        SetCommand::Apply { apply: apply_as("blue", set) }
    }

    fn specified(set: ManagedClusterSet) -> Event {
        let set = ManagedClusterSet { metadata: Some(born("blue", &[])), ..set };
        Event::Specified(ClusterSetSpecified { set: Some(set) })
    }

    fn blue() -> Event {
        specified(selecting(Some(names::EXCLUSIVE), None))
    }

    fn counted(clusters: u64) -> Event {
        Event::Counted(ClusterSetCounted { clusters, at: at(NOW) })
    }

    #[test]
    fn a_set_selects_by_the_exclusive_label_unless_it_says_otherwise() {
        let bare = ManagedClusterSet { metadata: Some(meta("blue", &[])), ..Default::default() };
        given::<ClusterSet>(NOTHING).at(NOW).when(apply(bare)).then([blue()]);
        let empty = selecting(Some(""), None);
        given::<ClusterSet>(NOTHING).at(NOW).when(apply(empty)).then([blue()]);
    }

    #[test]
    fn the_same_set_again_is_no_event() {
        let again = selecting(Some(names::EXCLUSIVE), None);
        given::<ClusterSet>([blue(), counted(2)]).at(LATER).when(apply(again)).then_nothing();
    }

    #[test]
    fn a_changed_selector_moves_the_generation() {
        let all = selecting(Some(names::BY_SELECTOR), Some(LabelSelector::default()));
        let events = given::<ClusterSet>([blue()]).at(LATER).when(apply(all)).events();
        let [Event::Specified(ClusterSetSpecified { set: Some(set) })] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(set.metadata.as_ref().unwrap().generation(), 2);
    }

    #[test]
    fn selectors_that_mean_nothing_are_refused() {
        given::<ClusterSet>(NOTHING)
            .when(apply(selecting(Some("LegacyClusterSetLabel"), None)))
            .then_refused(Refusal::SelectorType { given: "LegacyClusterSetLabel".into() });
        let bad = LabelSelectorRequirement {
            key: Some("a".into()),
            operator: Some("Bad".into()),
            ..Default::default()
        };
        let selector = LabelSelector { match_expressions: vec![bad], ..Default::default() };
        given::<ClusterSet>(NOTHING)
            .when(apply(selecting(Some(names::BY_SELECTOR), Some(selector))))
            .then_refused(Refusal::Selector(SelectorError::Operator("Bad".into())));
    }

    #[test]
    fn a_name_or_a_version_that_does_not_fit_is_refused() {
        let mut wrong = apply_as("Blue", ManagedClusterSet::default());
        let Err(NameError { rule, .. }) = fleetlog_kernel::dns_subdomain("Blue") else {
            panic!("a good name")
        };
        given::<ClusterSet>(NOTHING)
            .when(SetCommand::Apply { apply: wrong.clone() })
            .then_refused(Refusal::Name(NameError { name: "Blue".into(), rule }));
        wrong.target.name = "blue".into();
        wrong.expected = Some(Position(1));
        given::<ClusterSet>(NOTHING).when(SetCommand::Apply { apply: wrong }).then_refused(
            Refusal::Conflict { name: "blue".into(), expected: "16384".into(), actual: "0".into() },
        );
    }

    #[test]
    fn what_does_not_exist_is_neither_deleted_nor_counted() {
        let absent = || Refusal::NotFound { kind: "ManagedClusterSet", name: String::new() };
        let delete = SetCommand::Delete { by: "alice".into() };
        given::<ClusterSet>(NOTHING).when(delete).then_refused(absent());
        given::<ClusterSet>(NOTHING).when(SetCommand::Count { clusters: 1 }).then_refused(absent());
        assert_eq!(absent().about("blue").to_string(), "ManagedClusterSet \"blue\" does not exist");
    }

    #[test]
    fn a_deleted_set_is_gone() {
        let gone = Event::Deleted(ClusterSetDeleted { by: "alice".into() });
        given::<ClusterSet>([blue()])
            .when(SetCommand::Delete { by: "alice".into() })
            .then([gone.clone()]);
        assert_eq!(given::<ClusterSet>([blue(), gone]).state(), ClusterSet::default());
    }

    #[test]
    fn a_count_is_an_event_when_it_says_something_new() {
        let count = |clusters| SetCommand::Count { clusters };
        given::<ClusterSet>([blue()]).at(NOW).when(count(0)).then([counted(0)]);
        given::<ClusterSet>([blue(), counted(0)]).at(NOW).when(count(0)).then_nothing();
        given::<ClusterSet>([blue(), counted(0)]).at(NOW).when(count(3)).then([counted(3)]);
    }

    #[test]
    fn the_condition_says_how_many_clusters_are_selected() {
        let said = |events: Vec<Event>| {
            let set = given::<ClusterSet>(events).state();
            let conditions = &set.object().unwrap().status.as_ref().unwrap().conditions;
            let empty = find(conditions, kind::EMPTY).unwrap().clone();
            (empty.status().to_owned(), empty.reason().to_owned(), empty.message().to_owned())
        };
        let words = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            said(vec![blue(), counted(0)]),
            words("True", "NoClusterMatched", "No ManagedCluster selected")
        );
        assert_eq!(
            said(vec![blue(), counted(0), counted(1)]),
            words("False", "ClustersSelected", "1 ManagedClusters selected")
        );
    }

    #[test]
    fn membership_is_by_label_by_selector_or_none() {
        let of = |set: &ManagedClusterSet| Members::of("blue", set).unwrap();
        let (mine, other) =
            (labels(&[(names::SET_LABEL, "blue")]), labels(&[(names::SET_LABEL, "red")]));
        let exclusive = of(&selecting(None, None));
        assert!(exclusive.include(&mine) && !exclusive.include(&other));
        let all = of(&selecting(Some(names::BY_SELECTOR), Some(LabelSelector::default())));
        assert!(all.include(&mine) && all.include(&other));
        let none = of(&selecting(Some(names::BY_SELECTOR), None));
        assert!(!none.include(&mine));
        assert!(of(&built_in("global").unwrap()).include(&other));
        assert!(built_in("blue").is_none());
    }
}

mod bindings {
    use super::*;
    use binding_event::Event;

    const NOTHING: [Event; 0] = [];

    fn object(set: &str) -> ManagedClusterSetBinding {
        ManagedClusterSetBinding {
            metadata: Some(meta("blue", &[])),
            spec: Some(ManagedClusterSetBindingSpec { cluster_set: Some(set.into()) }),
            ..ManagedClusterSetBinding::default()
        }
    }

    fn apply_to(namespace: Option<&str>, name: &str, set: &str, exists: bool) -> BindingCommand {
        let mut given = object(set);
        given.metadata = Some(meta(name, &[]));
        let target = Target { namespace: namespace.map(Into::into), name: name.into() };
        let apply = Apply { target, ..*apply_as(name, given) };
        BindingCommand::Apply { apply: Box::new(apply), exists }
    }

    fn bound(exists: bool) -> Event {
        match exists {
            true => Event::Bound(BindingBound { at: at(NOW) }),
            false => Event::Unbound(BindingUnbound { at: at(NOW) }),
        }
    }

    fn specified() -> Event {
        let meta = ObjectMeta { namespace: Some("shop".into()), ..born("blue", &[]) };
        let binding = ManagedClusterSetBinding { metadata: Some(meta), ..object("blue") };
        Event::Specified(BindingSpecified { binding: Some(binding) })
    }

    #[test]
    fn a_new_binding_says_at_once_whether_its_set_exists() {
        for exists in [true, false] {
            given::<Binding>(NOTHING)
                .at(NOW)
                .when(apply_to(Some("shop"), "blue", "blue", exists))
                .then([specified(), bound(exists)]);
        }
    }

    #[test]
    fn the_same_binding_again_is_no_event() {
        given::<Binding>([specified(), bound(true)])
            .at(LATER)
            .when(apply_to(Some("shop"), "blue", "blue", true))
            .then_nothing();
    }

    #[test]
    fn a_binding_has_the_name_of_its_set() {
        given::<Binding>(NOTHING)
            .when(apply_to(Some("shop"), "blue", "red", true))
            .then_refused(Refusal::BindingName { name: "blue".into(), set: "red".into() });
    }

    #[test]
    fn a_binding_lies_in_a_namespace() {
        for namespace in [None, Some("Shop")] {
            let error = fleetlog_kernel::dns_label(namespace.unwrap_or_default()).unwrap_err();
            given::<Binding>(NOTHING)
                .when(apply_to(namespace, "blue", "blue", true))
                .then_refused(Refusal::Name(error));
        }
    }

    #[test]
    fn the_condition_follows_the_set() {
        let note = |exists| BindingCommand::NoteBound { exists };
        given::<Binding>([specified(), bound(false)]).at(NOW).when(note(true)).then([bound(true)]);
        given::<Binding>([specified(), bound(true)]).at(NOW).when(note(true)).then_nothing();
        given::<Binding>([specified(), bound(true)]).at(NOW).when(note(false)).then([bound(false)]);
        let state = given::<Binding>([specified(), bound(false)]).state();
        let conditions = &state.object().unwrap().status.as_ref().unwrap().conditions;
        assert_eq!(find(conditions, kind::BOUND).unwrap().reason(), "ClusterSetNotFound");
    }

    #[test]
    fn a_binding_is_deleted() {
        let gone = Event::Deleted(BindingDeleted { by: "alice".into() });
        given::<Binding>([specified(), bound(true)])
            .when(BindingCommand::Delete { by: "alice".into() })
            .then([gone.clone()]);
        assert_eq!(given::<Binding>([specified(), gone]).state(), Binding::default());
    }

    #[test]
    fn what_does_not_exist_is_neither_deleted_nor_noted() {
        let absent = || Refusal::NotFound { kind: "ManagedClusterSetBinding", name: String::new() };
        let delete = BindingCommand::Delete { by: "alice".into() };
        given::<Binding>(NOTHING).when(delete).then_refused(absent());
        given::<Binding>(NOTHING)
            .when(BindingCommand::NoteBound { exists: true })
            .then_refused(absent());
    }
}

#[test]
fn every_refusal_has_a_code_of_its_own_a_sentence_and_an_advice() {
    let name = || String::from("x");
    let label = fleetlog_rules::labels::LabelError { text: name(), what: "key" };
    let all = [
        Refusal::Name(NameError { name: name(), rule: "r" }),
        Refusal::NotFound { kind: "ManagedCluster", name: name() },
        Refusal::InsecureUrl { url: name() },
        Refusal::Taint { key: name(), rule: "r" },
        Refusal::Conflict { name: name(), expected: name(), actual: name() },
        Refusal::KeyHeld { name: name() },
        Refusal::Denied { name: name() },
        Refusal::NotAccepted { name: name() },
        Refusal::BindingName { name: name(), set: name() },
        Refusal::Selector(SelectorError::Operator(name())),
        Refusal::Label(label),
        Refusal::TaintTime { key: name() },
        Refusal::OtherName { given: name(), target: name() },
        Refusal::Lease { seconds: -1 },
        Refusal::Claim { name: name(), rule: "r" },
        Refusal::SelectorType { given: name() },
        Refusal::Signature { name: name() },
        Refusal::Kind { kind: name() },
        Refusal::OtherKey { name: name() },
        Refusal::NotForUsers { command: "NoteBeat", by: name() },
        Refusal::Unreadable { reason: name() },
        Refusal::LeaseHolds { name: name() },
        Refusal::Late(fleetlog_rules::finalizers::Late { finalizers: vec![name()] }),
        Refusal::Leaving { name: name() },
    ];
    let mut codes: Vec<&str> = all.iter().map(Refusal::code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    for refusal in all {
        let sentence = refusal.to_string();
        assert!(!sentence.is_empty() && !sentence.ends_with('.'), "{sentence}");
        assert!(!refusal.advice().is_empty(), "{sentence}");
    }
}
