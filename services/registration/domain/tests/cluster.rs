//! What is decided about one cluster: each command of its story, and each refusal.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{NameError, Position, Uid};
use fleetlog_messages::registration::{
    ClientConfig, ClusterAccepted, ClusterBecameAvailable, ClusterDenied, ClusterJoinRequested,
    ClusterSpecified, LeaseExpired, ManagedCluster, ManagedClusterSpec, TaintAdded,
    cluster_event::Event,
};
use fleetlog_registration_domain::command::ClusterCommand;
use fleetlog_registration_domain::names::{self, kind};
use fleetlog_registration_domain::{Cluster, Refusal};
use fleetlog_rules::condition::{Status, find, is};
use fleetlog_rules::labels::LabelError;

type Fresh = [Event; 0];
const NOTHING: Fresh = [];

fn join(name: &str, key: &str, wished: &[(&str, &str)]) -> ClusterCommand {
    let (name, public_key, labels) = (name.to_owned(), key.to_owned(), labels(wished));
    ClusterCommand::RequestJoin { name, public_key, labels, uid: Uid::new("uid") }
}

fn accept() -> ClusterCommand {
    ClusterCommand::Accept { by: "alice".into() }
}

fn deny() -> ClusterCommand {
    ClusterCommand::Deny { by: "alice".into() }
}

fn delete() -> ClusterCommand {
    ClusterCommand::Delete { by: "alice".into() }
}

fn not_found() -> Refusal {
    Refusal::NotFound { kind: "ManagedCluster", name: String::new() }
}

fn name_rule(name: &str) -> Refusal {
    let rule = "a DNS-1123 label has lower-case letters, digits and '-', \
                and starts and ends with a letter or digit";
    Refusal::Name(NameError { name: name.into(), rule })
}

mod joining {
    use super::*;

    #[test]
    fn an_unknown_cluster_is_born_unreachable_in_set_default() {
        given::<Cluster>(NOTHING).at(NOW).when(join("c1", "UKEY", &[("region", "east")])).then([
            specified(&[("region", "east")]),
            tainted(),
            asked("UKEY"),
        ]);
    }

    #[test]
    fn a_cluster_that_names_a_set_stays_in_it() {
        let wish = join("c1", "UKEY", &[(names::SET_LABEL, "blue")]);
        let events = given::<Cluster>(NOTHING).at(NOW).when(wish).events();
        let Event::Specified(ClusterSpecified { cluster: Some(cluster) }) = &events[0] else {
            panic!("{events:?}")
        };
        assert_eq!(cluster.metadata.as_ref().unwrap().labels[names::SET_LABEL], "blue");
    }

    #[test]
    fn a_cluster_that_an_administrator_made_before_is_adopted() {
        given::<Cluster>([specified(&[]), tainted()])
            .at(NOW)
            .when(join("c1", "UKEY", &[("ignored", "yes")]))
            .then([asked("UKEY")]);
    }

    #[test]
    fn asking_again_with_the_same_key_changes_nothing() {
        given::<Cluster>(pending()).at(LATER).when(join("c1", "UKEY", &[])).then_nothing();
    }

    #[test]
    fn another_key_is_refused_while_one_holds_the_cluster() {
        given::<Cluster>(pending())
            .when(join("c1", "UOTHER", &[]))
            .then_refused(Refusal::KeyHeld { name: "c1".into() });
    }

    #[test]
    fn a_denied_cluster_is_refused() {
        given::<Cluster>([pending(), vec![denied()]].concat())
            .when(join("c1", "UKEY", &[]))
            .then_refused(Refusal::Denied { name: "c1".into() });
    }

    #[test]
    fn after_a_denial_and_an_accept_another_key_may_ask() {
        given::<Cluster>([taken(), vec![denied(), accepted()]].concat())
            .at(NOW)
            .when(join("c1", "UOTHER", &[]))
            .then([asked("UOTHER")]);
    }

    #[test]
    fn a_name_that_kubernetes_would_refuse_is_refused() {
        given::<Cluster>(NOTHING)
            .when(join("UPPER_case", "UKEY", &[]))
            .then_refused(name_rule("UPPER_case"));
    }

    #[test]
    fn a_label_that_no_object_can_have_is_refused() {
        let error = LabelError { text: "a b".into(), what: "value" };
        given::<Cluster>(NOTHING)
            .when(join("c1", "UKEY", &[("region", "a b")]))
            .then_refused(Refusal::Label(error));
    }

    #[test]
    fn a_deleted_cluster_may_ask_again_as_another_incarnation() {
        given::<Cluster>([beating(), vec![deleted()]].concat())
            .at(NOW)
            .when(join("c1", "UNEW", &[]))
            .then([specified(&[]), tainted(), asked("UNEW")]);
    }
}

mod accepting {
    use super::*;

    #[test]
    fn a_pending_cluster_is_accepted() {
        given::<Cluster>(pending()).at(NOW).when(accept()).then([accepted()]);
    }

    #[test]
    fn an_accepted_cluster_stays_accepted_without_an_event() {
        given::<Cluster>(taken()).when(accept()).then_nothing();
    }

    #[test]
    fn a_denied_cluster_can_be_accepted_after_all() {
        given::<Cluster>([taken(), vec![denied()]].concat())
            .at(NOW)
            .when(accept())
            .then([accepted()]);
    }

    #[test]
    fn acceptance_shows_in_spec_condition_and_generation() {
        let cluster = given::<Cluster>(taken()).state();
        assert!(cluster.accepted());
        let accepted = find(cluster.conditions(), kind::ACCEPTED).unwrap();
        assert_eq!(accepted.reason(), "HubClusterAdminAccepted");
        assert_eq!(accepted.message(), "Accepted by hub cluster admin");
        assert_eq!(cluster.object().unwrap().metadata.as_ref().unwrap().generation(), 3);
    }

    #[test]
    fn an_accepted_cluster_is_denied() {
        given::<Cluster>(taken()).at(NOW).when(deny()).then([denied()]);
        let cluster = given::<Cluster>([taken(), vec![denied()]].concat()).state();
        assert!(is(cluster.conditions(), kind::ACCEPTED, Status::False));
        assert!(cluster.denied() && cluster.agent_key().is_empty());
    }

    #[test]
    fn a_cluster_that_was_never_accepted_is_denied_without_a_condition() {
        given::<Cluster>(pending()).at(NOW).when(deny()).then([denied()]);
        let cluster = given::<Cluster>([pending(), vec![denied()]].concat()).state();
        assert!(find(cluster.conditions(), kind::ACCEPTED).is_none());
    }

    #[test]
    fn denying_twice_changes_nothing() {
        given::<Cluster>([taken(), vec![denied()]].concat()).when(deny()).then_nothing();
    }

    #[test]
    fn a_cluster_that_does_not_exist_can_be_neither_accepted_denied_nor_deleted() {
        for command in [accept(), deny(), delete()] {
            given::<Cluster>(NOTHING).when(command).then_refused(not_found());
        }
    }

    #[test]
    fn a_deletion_is_an_event_and_leaves_nothing() {
        given::<Cluster>(beating()).when(delete()).then([deleted()]);
        let gone = given::<Cluster>([beating(), vec![deleted()]].concat()).state();
        assert_eq!(gone, Cluster::default());
    }
}

mod applying {
    use super::*;

    #[test]
    fn a_new_cluster_gets_its_defaults_and_the_unreachable_taint() {
        let named = ManagedCluster { metadata: Some(meta("c1", &[])), ..ManagedCluster::default() };
        given::<Cluster>(NOTHING).at(NOW).when(apply(named)).then([specified(&[]), tainted()]);
    }

    #[test]
    fn a_cluster_written_as_accepted_is_accepted() {
        let wanted =
            written(ManagedClusterSpec { hub_accepts_client: Some(true), ..Default::default() });
        let by =
            Event::Accepted(ClusterAccepted { by: "spec.hubAcceptsClient".into(), at: at(NOW) });
        given::<Cluster>(NOTHING).at(NOW).when(apply(wanted)).then([specified(&[]), tainted(), by]);
    }

    #[test]
    fn taking_hub_accepts_client_back_denies() {
        let wanted =
            written(ManagedClusterSpec { hub_accepts_client: Some(false), ..Default::default() });
        let by = Event::Denied(ClusterDenied { by: "spec.hubAcceptsClient".into(), at: at(LATER) });
        given::<Cluster>(taken()).at(LATER).when(apply(wanted)).then([by]);
    }

    #[test]
    fn what_was_read_can_be_applied_again_without_an_event() {
        let read = given::<Cluster>(beating()).state().object().cloned().unwrap();
        given::<Cluster>(beating()).at(LATER).when(apply(read)).then_nothing();
    }

    #[test]
    fn an_added_label_is_merged_and_leaves_spec_and_generation() {
        let given_labels = meta("c1", &[("region", "east")]);
        let wanted = ManagedCluster { metadata: Some(given_labels), ..ManagedCluster::default() };
        let events = given::<Cluster>(beating()).at(LATER).when(apply(wanted)).events();
        let [Event::Specified(ClusterSpecified { cluster: Some(cluster) })] = &events[..] else {
            panic!("{events:?}")
        };
        let meta = cluster.metadata.as_ref().unwrap();
        assert_eq!(meta.labels["region"], "east");
        assert_eq!(meta.labels[names::SET_LABEL], "default");
        assert_eq!(meta.generation(), 4, "born, tainted, accepted, untainted");
        assert!(cluster.status.is_none(), "an intent has no status");
    }

    #[test]
    fn a_changed_spec_moves_the_generation() {
        let wanted =
            written(ManagedClusterSpec { lease_duration_seconds: Some(1), ..Default::default() });
        let events = given::<Cluster>(beating()).at(LATER).when(apply(wanted)).events();
        let [Event::Specified(ClusterSpecified { cluster: Some(cluster) })] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(cluster.metadata.as_ref().unwrap().generation(), 5);
        assert_eq!(cluster.spec.as_ref().unwrap().lease_duration_seconds(), 1);
        assert!(cluster.spec.as_ref().unwrap().hub_accepts_client(), "left out, it stays");
    }

    #[test]
    fn a_lease_of_zero_means_sixty_and_a_negative_one_is_refused() {
        let lease = |seconds| {
            let lease_duration_seconds = Some(seconds);
            written(ManagedClusterSpec { lease_duration_seconds, ..Default::default() })
        };
        given::<Cluster>(NOTHING).at(NOW).when(apply(lease(0))).then([specified(&[]), tainted()]);
        given::<Cluster>(NOTHING)
            .when(apply(lease(-1)))
            .then_refused(Refusal::Lease { seconds: -1 });
    }

    #[test]
    fn an_expected_position_that_moved_is_a_conflict() {
        let wanted = || ManagedCluster { metadata: Some(meta("c1", &[])), ..Default::default() };
        let mut history = given::<Cluster>(pending()).state();
        history.0.changed = 7;
        let decide = |expected| {
            use fleetlog_kernel::Decider as _;
            history.decide(&apply_at(wanted(), Position(expected)), LATER)
        };
        assert_eq!(decide(7), Ok(vec![]));
        let conflict = Refusal::Conflict {
            name: "c1".into(),
            expected: Position(6).resource_version(0),
            actual: Position(7).resource_version(0),
        };
        assert_eq!(decide(6), Err(conflict));
    }

    #[test]
    fn another_name_in_the_object_is_refused() {
        let other = ManagedCluster { metadata: Some(meta("c2", &[])), ..Default::default() };
        given::<Cluster>(NOTHING)
            .when(apply(other))
            .then_refused(Refusal::OtherName { given: "c2".into(), target: "c1".into() });
    }

    #[test]
    fn a_url_without_https_is_refused() {
        for url in ["http://x", "https://", "https:///x", "x"] {
            let config = ClientConfig { url: Some(url.into()), ..ClientConfig::default() };
            let wanted = written(ManagedClusterSpec {
                managed_cluster_client_configs: vec![config],
                ..Default::default()
            });
            given::<Cluster>(NOTHING)
                .when(apply(wanted))
                .then_refused(Refusal::InsecureUrl { url: url.into() });
        }
    }
}

mod taints {
    use super::*;

    fn with(taints: Vec<fleetlog_messages::registration::Taint>) -> ClusterCommand {
        apply(written(ManagedClusterSpec { taints, ..Default::default() }))
    }

    fn history() -> Vec<Event> {
        let Event::Specified(ClusterSpecified { cluster: Some(mut cluster) }) = specified(&[])
        else {
            panic!("no birth")
        };
        cluster.spec = Some(spec(vec![taint("gpu", "NoSelect", at(NOW))]));
        vec![Event::Specified(ClusterSpecified { cluster: Some(cluster) }), tainted()]
    }

    #[test]
    fn a_new_cluster_s_taints_get_the_time_of_now() {
        let past = Some(fleetlog_messages::common::Time { seconds: 1, ..Default::default() });
        let events = given::<Cluster>(NOTHING)
            .at(NOW)
            .when(with(vec![taint("gpu", "NoSelect", past)]))
            .events();
        assert_eq!(events, history());
    }

    #[test]
    fn the_hub_s_own_taint_survives_an_apply_without_it() {
        given::<Cluster>(history())
            .at(LATER)
            .when(with(vec![taint("gpu", "NoSelect", None)]))
            .then_nothing();
    }

    #[test]
    fn the_time_of_a_taint_cannot_be_changed() {
        for (key, effect) in [("gpu", "NoSelect"), ("new", "NoSelect"), ("gpu", "PreferNoSelect")] {
            given::<Cluster>(history())
                .when(with(vec![taint(key, effect, at(LATER))]))
                .then_refused(Refusal::TaintTime { key: key.into() });
        }
    }

    #[test]
    fn taints_that_mean_nothing_are_refused() {
        let refused = |taint: fleetlog_messages::registration::Taint, rule| {
            let key = taint.key().to_owned();
            given::<Cluster>(NOTHING)
                .when(with(vec![taint]))
                .then_refused(Refusal::Taint { key, rule });
        };
        refused(taint("a b", "NoSelect", None), "its key is no label key");
        refused(taint("gpu", "NoExecute", None), "its effect is unknown");
        let mut long = taint("gpu", "NoSelect", None);
        long.value = Some("x".repeat(1025));
        refused(long, "its value is longer than 1024 characters");
    }
}

mod living {
    use super::*;

    #[test]
    fn a_first_beat_joins_and_takes_the_taint_away() {
        let beat = ClusterCommand::NoteBeat;
        given::<Cluster>(taken()).at(NOW).when(beat).then([joined(), available(), untainted()]);
    }

    #[test]
    fn a_usual_beat_is_no_event() {
        given::<Cluster>(beating()).at(LATER).when(ClusterCommand::NoteBeat).then_nothing();
    }

    #[test]
    fn a_silent_cluster_becomes_unknown_and_tainted() {
        given::<Cluster>(beating()).at(LATER).when(ClusterCommand::NoteLeaseExpiry).then([
            Event::LeaseExpired(LeaseExpired { at: at(LATER) }),
            Event::TaintAdded(TaintAdded {
                taint: Some(taint(names::UNREACHABLE, "NoSelect", at(LATER))),
            }),
        ]);
        let silent = given::<Cluster>([beating(), vec![expired(), tainted()]].concat()).state();
        let said = find(silent.conditions(), kind::AVAILABLE).unwrap();
        assert_eq!((said.status(), said.reason()), ("Unknown", "ManagedClusterLeaseUpdateStopped"));
        assert_eq!(said.message(), "Registration agent stopped updating its lease.");
        assert!(!silent.awaits_beats());
    }

    #[test]
    fn an_accepted_cluster_that_never_spoke_becomes_unknown_with_the_taint_it_has() {
        given::<Cluster>(taken()).at(NOW).when(ClusterCommand::NoteLeaseExpiry).then([expired()]);
    }

    #[test]
    fn a_second_expiry_changes_nothing() {
        given::<Cluster>([beating(), vec![expired(), tainted()]].concat())
            .when(ClusterCommand::NoteLeaseExpiry)
            .then_nothing();
    }

    #[test]
    fn a_returning_beat_makes_it_available_again() {
        given::<Cluster>([beating(), vec![expired(), tainted()]].concat())
            .at(LATER)
            .when(ClusterCommand::NoteBeat)
            .then([Event::BecameAvailable(ClusterBecameAvailable { at: at(LATER) }), untainted()]);
    }

    #[test]
    fn a_user_s_taint_of_the_same_key_survives_a_returning_beat() {
        let theirs = taint(names::UNREACHABLE, "PreferNoSelect", at(NOW));
        let theirs = Event::TaintAdded(TaintAdded { taint: Some(theirs) });
        let history = [taken(), vec![theirs, joined(), available(), untainted()]].concat();
        let cluster = given::<Cluster>(history).state();
        let effects: Vec<&str> = cluster.taints().iter().map(|t| t.effect()).collect();
        assert_eq!(effects, ["PreferNoSelect"]);
    }

    #[test]
    fn who_is_not_accepted_is_not_heard() {
        let not_accepted = || Refusal::NotAccepted { name: "c1".into() };
        let denied_now = || Refusal::Denied { name: "c1".into() };
        for command in [ClusterCommand::NoteBeat, ClusterCommand::Report(facts(&[]))] {
            given::<Cluster>(NOTHING).when(command.clone()).then_refused(not_found());
            given::<Cluster>(pending()).when(command.clone()).then_refused(not_accepted());
            given::<Cluster>([taken(), vec![denied()]].concat())
                .when(command)
                .then_refused(denied_now());
        }
        given::<Cluster>(NOTHING).when(ClusterCommand::NoteLeaseExpiry).then_refused(not_found());
    }

    #[test]
    fn grace_is_five_beats_and_bounded() {
        let lease = |seconds: i32| {
            let Event::Specified(mut born) = specified(&[]) else { panic!("no birth") };
            let spec = born.cluster.get_or_insert_default().spec.get_or_insert_default();
            spec.lease_duration_seconds = Some(seconds);
            given::<Cluster>([Event::Specified(born)]).state().grace().as_secs()
        };
        assert_eq!((lease(60), lease(1), lease(0)), (300, 5, 300));
        assert_eq!(lease(i32::MAX), 365 * 24 * 60 * 60);
    }
}

#[test]
fn events_that_cannot_follow_change_nothing() {
    let orphan = Event::JoinRequested(ClusterJoinRequested::default());
    for event in [accepted(), denied(), joined(), available(), expired(), tainted(), orphan] {
        assert_eq!(given::<Cluster>([event]).state(), Cluster::default());
    }
}
