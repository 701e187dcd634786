//! The questions of placement's own: why it chose whom it chose, and whom it would choose if
//! something were otherwise. Bytes in, bytes out; the answers are the domain's.

use bytes::Bytes;
use fleetlog_kernel::{Timestamp, Uid};
use fleetlog_messages::common::Query;
use fleetlog_messages::placement::{ExplainPlacement, SimulatePlacement};
use fleetlog_placement_domain::command::Apply;
use fleetlog_placement_domain::suppose::{self, Supposed};
use fleetlog_placement_domain::why::Why;
use fleetlog_placement_domain::{PlacementKey, Refusal, World};
use fleetlog_rules::metadata::Change;
use prost::Message;

/// `explain`.
pub(crate) fn explain(world: &World, query: &Query, at: Timestamp) -> Result<Vec<Bytes>, Refusal> {
    let asked: ExplainPlacement = read(query)?;
    let key = PlacementKey::new(&query.namespace, &query.name);
    let why = Why::of(world, &key, at);
    let why = why.ok_or_else(|| Refusal::NotFound { name: key.to_string() })?;
    let clusters = match asked.cluster.as_str() {
        "" => why.clusters(),
        one => vec![why.cluster(one)],
    };
    Ok(encoded(&why.placement(), &clusters))
}

/// `simulate`.
pub(crate) fn simulate(world: &World, query: &Query, at: Timestamp) -> Result<Vec<Bytes>, Refusal> {
    let asked: SimulatePlacement = read(query)?;
    let key = PlacementKey::new(&query.namespace, &query.name);
    let apply = |object| Apply {
        object,
        target: key.clone(),
        expected: None,
        change: Change::Merge,
        uid: Uid::new("supposed"),
        by: String::new(),
    };
    let SimulatePlacement { placement, clusters, changes } = asked;
    let supposed = Supposed { placement: placement.map(apply), clusters, changes };
    let (simulated, clusters) = suppose::simulate(world, &key, &supposed, at)?;
    Ok(encoded(&simulated, &clusters))
}

fn read<M: Message + Default>(query: &Query) -> Result<M, Refusal> {
    let why = |error: prost::DecodeError| Refusal::Question { why: error.to_string() };
    M::decode(query.asked.as_slice()).map_err(why)
}

fn encoded(first: &impl Message, others: &[impl Message]) -> Vec<Bytes> {
    let others = others.iter().map(|other| other.encode_to_vec().into());
    [first.encode_to_vec().into()].into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_refused(asked in prop::collection::vec(any::<u8>(), 0..64)) {
            let (name, namespace) = ("p".to_owned(), "ns".to_owned());
            let query = Query { name, namespace, asked, ..Query::default() };
            let world = World::default();
            for ask in [explain, simulate] {
                // There is no placement at all, so nothing but a refusal is right.
                let refusal = ask(&world, &query, Timestamp::default()).unwrap_err();
                prop_assert!(!refusal.code().is_empty() && !refusal.advice().is_empty());
            }
        }
    }
}
