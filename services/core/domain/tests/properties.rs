//! What holds for any history of plain objects.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod stage;

use fleetlog_core_domain::World;
use proptest::prelude::*;
use serde_json::json;
use stage::{Stage, map, namespace};

#[derive(Clone, Debug)]
enum Move {
    Namespace(u8),
    Map { namespace: u8, name: u8, value: u8, held: bool },
    Other { namespace: u8, name: u8, there: bool },
    Delete { namespace: u8, name: Option<u8> },
    Release { namespace: u8, name: u8 },
    Empty(u8),
}

fn moves() -> impl Strategy<Value = Move> {
    let (n, m) = (0..2_u8, 0..3_u8);
    prop_oneof![
        n.clone().prop_map(Move::Namespace),
        (n.clone(), m.clone(), 0..2_u8, any::<bool>())
            .prop_map(|(namespace, name, value, held)| Move::Map { namespace, name, value, held }),
        (n.clone(), m.clone(), any::<bool>()).prop_map(|(namespace, name, there)| Move::Other {
            namespace,
            name,
            there
        }),
        (n.clone(), prop::option::of(m.clone()))
            .prop_map(|(namespace, name)| Move::Delete { namespace, name }),
        (n.clone(), m).prop_map(|(namespace, name)| Move::Release { namespace, name }),
        n.prop_map(Move::Empty),
    ]
}

fn make(stage: &mut Stage, step: Move) {
    let (n, m) = (|n: u8| format!("n{n}"), |m: u8| format!("m{m}"));
    match step {
        Move::Namespace(of) => drop(stage.apply(&namespace(&n(of)))),
        Move::Map { namespace, name, value, held } => {
            let mut object = map(&n(namespace), &m(name), &value.to_string());
            if held {
                object["metadata"]["finalizers"] = json!(["example.com/hold"]);
            }
            drop(stage.apply(&object));
        }
        Move::Other { namespace, name, there } => {
            stage.others("placement", &n(namespace), &m(name), there);
        }
        Move::Delete { namespace, name: None } => {
            drop(stage.delete("namespace", "", &n(namespace)))
        }
        Move::Delete { namespace, name: Some(name) } => {
            drop(stage.delete("configmap", &n(namespace), &m(name)));
        }
        Move::Release { namespace, name } => {
            if let Some(mut object) = stage.object("configmap", &n(namespace), &m(name)) {
                object["metadata"]["finalizers"] = json!([]);
                drop(stage.apply(&object));
            }
        }
        Move::Empty(of) => drop(stage.empty(&n(of))),
    }
}

proptest! {
    #[test]
    fn any_history_is_read_back_from_its_rows_and_empties_what_is_deleted(
        steps in prop::collection::vec(moves(), 0..40),
    ) {
        let mut stage = Stage::default();
        for step in steps {
            make(&mut stage, step);
            let rows = stage.world.rows();
            let back = World::of_rows(&rows).unwrap();
            prop_assert_eq!(back.rows(), rows);
            for name in ["n0", "n1"] {
                prop_assert_eq!(back.left(name), stage.world.left(name));
            }
        }
        // Whatever happened: what is held is let go, all is deleted, and nothing is left.
        for namespace in 0..2 {
            drop(stage.delete("namespace", "", &format!("n{namespace}")));
            for name in 0..3 {
                make(&mut stage, Move::Delete { namespace, name: Some(name) });
                make(&mut stage, Move::Release { namespace, name });
                make(&mut stage, Move::Other { namespace, name, there: false });
            }
            make(&mut stage, Move::Empty(namespace));
        }
        prop_assert_eq!(stage.world.rows(), vec![]);
    }
}
