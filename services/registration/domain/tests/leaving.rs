//! Finalizers: an object that somebody wants gone stays until the last of them is taken away, and
//! what follows from its going follows then.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_kernel::{Decider, Position, Projection as _, Reaction as _};
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::{ObjectMeta, Time};
use fleetlog_messages::registration::{
    ClusterDeleted, ClusterSetDeleted, ClusterSetDeletionRequested, ClusterSpecified,
    ManagedCluster, ManagedClusterSet, ManagedClusterSetBinding, ManagedClusterSetBindingSpec,
    ManagedClusterSpec, cluster_event::Event, cluster_set_event,
};
use fleetlog_messages::registration_v2::binding_event;
use fleetlog_registration_domain::command::{Apply, BindingCommand, ClusterCommand, SetCommand};
use fleetlog_registration_domain::reaction::{Follow, Follows};
use fleetlog_registration_domain::rights::Standing;
use fleetlog_registration_domain::set::built_in;
use fleetlog_registration_domain::{Binding, Change, Cluster, ClusterSet, Fleet, Refusal, names};
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::metadata::Change as How;
use proptest::prelude::*;

const HOLD: &str = "example.com/hold";

/// A beating cluster that something keeps.
fn kept() -> Vec<Event> {
    let mut history = beating();
    for event in &mut history {
        if let Event::Specified(ClusterSpecified { cluster }) = event {
            *cluster = cluster.take().map(|cluster| kept_by(cluster, &[HOLD]));
        }
    }
    history
}

/// The same, wanted gone.
fn leaving() -> Vec<Event> {
    [kept(), vec![wanted_gone()]].concat()
}

fn delete() -> ClusterCommand {
    ClusterCommand::Delete { by: "alice".into() }
}

/// The whole metadata from now on: these finalizers, and labels.
fn whole(finalizers: &[&str], pairs: &[(&str, &str)]) -> ClusterCommand {
    let object = ManagedCluster { metadata: Some(meta("c1", pairs)), ..Default::default() };
    let apply = apply_as("c1", kept_by(object, finalizers));
    ClusterCommand::Apply(Box::new(Apply { change: How::Replace, ..*apply }))
}

fn late(finalizer: &str) -> Refusal {
    Refusal::Late(Late { finalizers: vec![finalizer.to_owned()] })
}

#[test]
fn a_cluster_that_is_kept_is_marked_and_a_second_wish_is_no_event() {
    given::<Cluster>(kept()).at(NOW).when(delete()).then([wanted_gone()]);
    given::<Cluster>(leaving()).at(LATER).when(delete()).then_nothing();
    let cluster = given::<Cluster>(leaving()).state();
    let meta = cluster.object().unwrap().metadata.as_ref().unwrap();
    assert_eq!(meta.deletion_timestamp, at(NOW));
    assert_eq!((meta.deletion_grace_period_seconds(), meta.generation()), (0, 5));
    assert!(cluster.is_leaving() && cluster.accepted() && cluster.available());
}

#[test]
fn it_goes_with_the_last_of_its_finalizers() {
    given::<Cluster>(leaving()).at(LATER).when(whole(&[], &[])).then([deleted()]);
    assert_eq!(given::<Cluster>([leaving(), vec![deleted()]].concat()).state(), Cluster::default());
    // Without the mark it only loses the finalizer, and goes at the first wish.
    let freed = given::<Cluster>(kept()).at(LATER).when(whole(&[], &[])).events();
    assert!(matches!(&freed[..], [Event::Specified(_)]), "{freed:?}");
    given::<Cluster>([kept(), freed].concat()).at(LATER).when(delete()).then([deleted()]);
}

#[test]
fn a_marked_cluster_takes_labels_and_a_spec_and_no_new_finalizer() {
    let labelled =
        given::<Cluster>(leaving()).at(LATER).when(whole(&[HOLD], &[("a", "b")])).events();
    let [Event::Specified(ClusterSpecified { cluster: Some(cluster) })] = &labelled[..] else {
        panic!("{labelled:?}")
    };
    assert_eq!(cluster.metadata().unwrap().deletion_timestamp, at(NOW), "the mark stays");
    assert_eq!(cluster.metadata().unwrap().labels["a"], "b");
    let lease = ManagedClusterSpec { lease_duration_seconds: Some(5), ..Default::default() };
    let slower = given::<Cluster>(leaving()).at(LATER).when(apply(written(lease))).events();
    assert!(matches!(&slower[..], [Event::Specified(_)]), "{slower:?}");
    let both = whole(&[HOLD, "example.com/late"], &[]);
    given::<Cluster>(leaving()).when(both).then_refused(late("example.com/late"));
    assert_eq!(late("x/y").code(), "REG0023");
}

#[test]
fn an_apply_that_adds_to_metadata_takes_no_finalizer_away() {
    let bare = || ManagedCluster { metadata: Some(meta("c1", &[])), ..Default::default() };
    given::<Cluster>(leaving()).at(LATER).when(apply(bare())).then_nothing();
    let again = apply(kept_by(bare(), &[HOLD]));
    given::<Cluster>(leaving()).at(LATER).when(again).then_nothing();
}

#[test]
fn what_is_on_its_way_out_is_not_taken_in_and_may_be_denied() {
    let pending: Vec<Event> = leaving().into_iter().filter(|event| *event != accepted()).collect();
    let leaves = || Refusal::Leaving { name: "c1".into() };
    assert_eq!(leaves().code(), "REG0024");
    let accept = ClusterCommand::Accept { by: "alice".into() };
    given::<Cluster>(pending.clone()).when(accept).then_refused(leaves());
    let opinion = ManagedClusterSpec { hub_accepts_client: Some(true), ..Default::default() };
    given::<Cluster>(pending).when(apply(written(opinion))).then_refused(leaves());
    let deny = ClusterCommand::Deny { by: "alice".into() };
    given::<Cluster>(leaving()).at(NOW).when(deny).then([denied()]);
}

#[test]
fn its_agent_is_heard_until_it_is_gone_and_its_taints_stay_as_they_are() {
    given::<Cluster>(leaving()).at(NOW).when(ClusterCommand::NoteLeaseExpiry).then([expired()]);
    let silent = [leaving(), vec![expired()]].concat();
    given::<Cluster>(silent).at(NOW).when(ClusterCommand::NoteBeat).then([available()]);
    let report = ClusterCommand::Report(facts(&[]));
    given::<Cluster>(leaving()).at(NOW).when(report).then([reported(facts(&[]))]);
}

mod groups {
    use super::*;
    use cluster_set_event::Event;

    fn apply(object: ManagedClusterSet, change: How) -> SetCommand {
        SetCommand::Apply { apply: Box::new(Apply { change, ..*apply_as("blue", object) }) }
    }

    fn set(finalizers: &[&str]) -> ManagedClusterSet {
        let mut set = built_in(names::DEFAULT_SET).unwrap();
        set.metadata = Some(meta("blue", &[]));
        kept_by(set, finalizers)
    }

    fn delete() -> SetCommand {
        SetCommand::Delete { by: "alice".into() }
    }

    #[test]
    fn a_set_waits_for_its_finalizers() {
        let born = given::<ClusterSet>([]).at(NOW).when(apply(set(&[HOLD]), How::Merge)).events();
        let by = || "alice".to_owned();
        let asked = Event::DeletionRequested(ClusterSetDeletionRequested { by: by(), at: at(NOW) });
        given::<ClusterSet>(born.clone()).at(NOW).when(delete()).then([asked.clone()]);
        let leaving = || [born.clone(), vec![asked.clone()]].concat();
        given::<ClusterSet>(leaving()).at(NOW).when(delete()).then_nothing();
        let more = apply(set(&[HOLD, "x/y"]), How::Replace);
        given::<ClusterSet>(leaving()).when(more).then_refused(late("x/y"));
        let gone = Event::Deleted(ClusterSetDeleted { by: by() });
        given::<ClusterSet>(leaving()).when(apply(set(&[]), How::Replace)).then([gone]);
        given::<ClusterSet>(leaving()).at(NOW).when(apply(set(&[]), How::Merge)).then_nothing();
    }

    #[test]
    fn a_binding_waits_for_its_finalizers() {
        use binding_event::Event;
        let object = |finalizers: &[&str]| {
            let object = ManagedClusterSetBinding {
                spec: Some(ManagedClusterSetBindingSpec { cluster_set: Some("blue".into()) }),
                ..ManagedClusterSetBinding::default()
            };
            let mut apply = *apply_as("blue", kept_by(object, finalizers));
            apply.target.namespace = Some("shop".into());
            let apply = Box::new(Apply { change: How::Replace, ..apply });
            BindingCommand::Apply { apply, exists: true }
        };
        let delete = || BindingCommand::Delete { by: "alice".into() };
        let born = given::<Binding>([]).at(NOW).when(object(&[HOLD])).events();
        let asked = given::<Binding>(born.clone()).at(NOW).when(delete()).events();
        assert!(matches!(&asked[..], [Event::DeletionRequested(_)]), "{asked:?}");
        let leaving = || [born.clone(), asked.clone()].concat();
        given::<Binding>(leaving()).when(delete()).then_nothing();
        given::<Binding>(leaving()).when(object(&["x/y"])).then_refused(late("x/y"));
        let gone = given::<Binding>(leaving()).when(object(&[])).events();
        assert!(matches!(&gone[..], [Event::Deleted(_)]), "{gone:?}");
        assert_eq!(given::<Binding>([leaving(), gone].concat()).state(), Binding::default());
    }
}

// --- what follows ----------------------------------------------------------------------------

#[derive(Default)]
struct Story {
    fleet: Fleet,
    position: u64,
}

impl Story {
    fn cluster(&mut self, events: Vec<Event>) -> Vec<Follow> {
        self.position += 1;
        let changes: Vec<Change> =
            events.into_iter().map(|event| Change::Cluster("c1".into(), event)).collect();
        changes.iter().for_each(|change| self.fleet.apply(change, Position(self.position)));
        Follows(&self.fleet).react(&changes)
    }
}

#[test]
fn rights_and_counts_follow_the_going_and_not_the_wish() {
    let mut story = Story { fleet: Fleet::default().speaking(true), position: 0 };
    let set = built_in(names::DEFAULT_SET);
    let set = fleetlog_messages::registration::ClusterSetSpecified { set };
    let set = Change::Set("default".into(), cluster_set_event::Event::Specified(set));
    story.fleet.apply(&set, Position(0));
    story.cluster(kept());
    assert_eq!(story.cluster(vec![wanted_gone()]), []);
    assert_eq!(story.fleet.members("default"), 1, "it is a member until it is gone");
    let gone = story.cluster(vec![Event::Deleted(ClusterDeleted::default())]);
    let rights = gone.iter().any(|follow| matches!(follow, Follow::Rights { .. }));
    assert!(rights && gone.contains(&Follow::Shared { needed: false }), "{gone:?}");
    assert_eq!(story.fleet.members("default"), 0);
}

#[test]
fn an_accepted_cluster_whose_namespace_went_has_its_rights_again() {
    let mut story = Story { fleet: Fleet::default().speaking(true), position: 0 };
    let went = |story: &mut Story, name: &str| {
        let gone = Change::NamespaceGone(name.to_owned());
        story.position += 1;
        story.fleet.apply(&gone, Position(story.position));
        Follows(&story.fleet).react(&vec![gone])
    };
    assert_eq!(went(&mut story, "c1"), [], "there is no such cluster");
    story.cluster(kept());
    let rights = Follow::Rights { cluster: "c1".into(), standing: Standing::Accepted };
    assert_eq!(went(&mut story, "c1"), [rights]);
    assert_eq!(went(&mut story, "team"), [], "it is nobody's");
}

fn any_command() -> impl Strategy<Value = ClusterCommand> {
    let finalizers = prop::sample::subsequence(vec![HOLD, "example.com/more"], 0..=2);
    let label = prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        3 => (finalizers, label).prop_map(|(kept, label)| whole(&kept, &[("l", label)])),
        2 => Just(delete()),
        1 => Just(ClusterCommand::Accept { by: "alice".into() }),
        1 => Just(ClusterCommand::Deny { by: "alice".into() }),
        1 => Just(ClusterCommand::NoteBeat),
        1 => Just(ClusterCommand::NoteLeaseExpiry),
    ]
}

fn marks(meta: &ObjectMeta) -> (Option<Time>, Vec<String>) {
    (meta.deletion_timestamp.clone(), meta.finalizers.clone())
}

proptest! {
    #[test]
    fn whatever_happens_a_marked_cluster_is_kept_and_an_unkept_one_goes(
        commands in prop::collection::vec(any_command(), 0..40)
    ) {
        let mut cluster = Cluster::default();
        for command in commands {
            let before = cluster.object().and_then(|o| o.metadata.clone()).map(|m| marks(&m));
            let Ok(events) = cluster.decide(&command, NOW) else { continue };
            cluster = events.iter().fold(cluster, Decider::evolve);
            let after = cluster.object().and_then(|o| o.metadata.clone()).map(|m| marks(&m));
            match (before, after) {
                (Some((Some(_), kept)), Some((mark, left))) => {
                    prop_assert!(mark.is_some(), "there is no way back");
                    prop_assert!(!left.is_empty(), "nothing keeps it, and it is there");
                    prop_assert!(left.iter().all(|one| kept.contains(one)));
                }
                (_, Some((Some(_), left))) => prop_assert!(!left.is_empty()),
                (Some((Some(_), _)), None) => {
                    prop_assert!(matches!(command, ClusterCommand::Apply(_)), "{:?}", command);
                }
                (Some((None, kept)), None) => prop_assert!(kept.is_empty()),
                _ => {}
            }
        }
    }
}
