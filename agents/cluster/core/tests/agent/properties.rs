//! What holds for any sequence of deliveries, syncs, restarts and meddling. The member itself
//! checks each delete: after a complete sync, and only what its record names.

use crate::member::{Member, config_map};
use fleetlog_agent_core::{Event, record_watch};
use fleetlog_messages::work::Delivery;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Move {
    /// The hub changes a work; the agent hears it or not.
    Want { work: u8, names: Vec<u8>, value: u8, heard: bool },
    /// The hub removes a work; the agent hears it or not.
    Remove { work: u8, heard: bool },
    /// Some earlier delivery comes (again).
    Late(usize),
    /// Somebody writes an object.
    Write { name: u8, value: u8 },
    /// Somebody deletes an object.
    Delete(u8),
    /// The member refuses an object from now on, or none.
    Refuse(Option<u8>),
    /// The hub goes or comes back.
    Hub(bool),
    /// A list of the records comes that is older than all of them.
    StaleList,
    /// The agent starts again.
    Restart,
    /// Time passes.
    Pass(u16),
}

fn moves() -> impl Strategy<Value = Move> {
    let names = prop::collection::vec(0..5_u8, 0..4);
    prop_oneof![
        4 => (0..3_u8, names, 0..3_u8, any::<bool>())
            .prop_map(|(work, names, value, heard)| Move::Want { work, names, value, heard }),
        2 => (0..3_u8, any::<bool>()).prop_map(|(work, heard)| Move::Remove { work, heard }),
        2 => (0..20_usize).prop_map(Move::Late),
        2 => (0..5_u8, 0..3_u8).prop_map(|(name, value)| Move::Write { name, value }),
        1 => (0..5_u8).prop_map(Move::Delete),
        1 => prop::option::of(0..5_u8).prop_map(Move::Refuse),
        1 => any::<bool>().prop_map(Move::Hub),
        1 => Just(Move::StaleList),
        1 => Just(Move::Restart),
        2 => (1..900_u16).prop_map(Move::Pass),
    ]
}

fn make(member: &mut Member, heard: &mut Vec<Delivery>, step: Move) {
    let name = |n: u8| format!("n{n}");
    match step {
        Move::Want { work, names, value, heard: hears } => {
            let names: std::collections::BTreeSet<u8> = names.into_iter().collect();
            let manifests: Vec<_> =
                names.into_iter().map(|n| config_map(&name(n), &name(value))).collect();
            let delivery = member.want(&name(work), &manifests);
            heard.push(delivery.clone());
            if hears {
                member.deliver(delivery);
            }
        }
        Move::Remove { work, heard: hears } => {
            let delivery = member.remove(&name(work));
            heard.push(delivery.clone());
            if hears {
                member.deliver(delivery);
            }
        }
        Move::Late(at) => {
            if let Some(delivery) = heard.get(at).cloned() {
                member.deliver(delivery);
            }
        }
        Move::Write { name: n, value } => member.write(&config_map(&name(n), &name(value))),
        Move::Delete(n) => {
            if member.object("configmaps", &name(n)).is_some() {
                member.delete("configmaps", &name(n));
            }
        }
        Move::Refuse(n) => member.refused = n.map(name).into_iter().collect(),
        Move::Hub(there) => {
            member.hub_is_there = there;
            member.tell(if there { Event::Connected } else { Event::Disconnected });
        }
        Move::StaleList => {
            member.tell(Event::Listed(record_watch(), std::collections::BTreeSet::new()));
        }
        Move::Restart => {
            member.start();
            if member.hub_is_there {
                member.tell(Event::Connected);
            }
        }
        Move::Pass(seconds) => member.pass(Duration::from_secs(seconds.into())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_history_deletes_only_what_is_recorded_and_ends_as_wanted(
        steps in prop::collection::vec(moves(), 1..30),
    ) {
        let (mut member, mut heard) = (Member::started(), vec![]);
        for step in steps {
            make(&mut member, &mut heard, step);
        }
        // Quiet: the hub is there, nothing is refused, an hour passes.
        member.refused.clear();
        member.hub_is_there = true;
        member.tell(Event::Connected);
        member.pass(Duration::from_secs(3_600));
        for delivery in member.wanted.clone().into_values() {
            let bundle = &member.bundles[&delivery.bundle.unwrap().hash];
            let manifests: Vec<serde_json::Value> = serde_json::from_slice(bundle).unwrap();
            for manifest in manifests {
                let name = manifest["metadata"]["name"].as_str().unwrap();
                prop_assert!(member.object("configmaps", name).is_some(), "{name} is missing");
            }
        }
        prop_assert_eq!(member.records.len(), member.wanted.len());
        // And then nothing more is done, unless two works want one object differently.
        let names = |d: &Delivery| {
            let bundle = &member.bundles[&d.bundle.as_ref().unwrap().hash];
            let all: Vec<serde_json::Value> = serde_json::from_slice(bundle).unwrap();
            all.into_iter().map(|m| m["metadata"]["name"].clone()).collect::<Vec<_>>()
        };
        let all: Vec<_> = member.wanted.values().flat_map(names).collect();
        let contested = all.iter().enumerate().any(|(at, name)| all[..at].contains(name));
        if !contested {
            let deeds = member.deeds.len();
            member.start();
            member.tell(Event::Connected);
            member.pass(Duration::from_secs(3_600));
            prop_assert_eq!(member.deeds.len(), deeds, "{:?}", &member.deeds[deeds..]);
        }
    }
}
