//! The state as rows: `cluster/<name>`, `decision/<ns>/<name>`, `set/<ns>/<name>` and
//! `work/<cluster>/<name>`. What is derived is in none; it is made again on reading.

use crate::name::{PlacementKey, SetKey, WorkKey};
use crate::projection::Fleet;
use crate::state::{ReplicaSet, Work};
use fleetlog_kernel::Position;
use fleetlog_messages::common::Row;
use fleetlog_messages::work::{ReplicaSetState, SeenDecision, WorkState};
use prost::Message;
use std::collections::BTreeMap;

const CLUSTER: &str = "cluster/";
const DECISION: &str = "decision/";
const SET: &str = "set/";
const WORK: &str = "work/";

impl Fleet {
    /// The whole state, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let row = |prefix, key: &dyn ToString, value: Vec<u8>| {
            let key = format!("{prefix}{}", key.to_string());
            Row { key, value }
        };
        let clusters = self.clusters.iter().map(|(k, at)| row(CLUSTER, k, at.0.encode_to_vec()));
        let decisions = self.decisions().map(|(k, seen)| row(DECISION, k, seen.encode_to_vec()));
        let sets = self.sets.iter().map(|(k, set)| row(SET, k, set.state().encode_to_vec()));
        let works = self.works.iter().map(|(k, work)| row(WORK, k, work.state().encode_to_vec()));
        let mut rows: Vec<Row> = clusters.chain(decisions).chain(sets).chain(works).collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The state that [`Self::rows`] wrote.
    ///
    /// # Errors
    /// The row that cannot be read, in words.
    pub fn of_rows(rows: &[Row]) -> Result<Self, String> {
        let (mut works, mut sets) = (BTreeMap::new(), BTreeMap::new());
        let (mut decisions, mut clusters) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            let unknown = || format!("row \"{}\" is of no kind", row.key);
            let pair = |rest: &str| {
                let (scope, name) = rest.split_once('/')?;
                Some((scope.to_owned(), name.to_owned()))
            };
            if let Some(cluster) = row.key.strip_prefix(CLUSTER) {
                clusters.insert(cluster.to_owned(), Position(read(row)?));
            } else if let Some(rest) = row.key.strip_prefix(DECISION) {
                let (namespace, name) = pair(rest).ok_or_else(unknown)?;
                decisions.insert(PlacementKey { namespace, name }, read::<SeenDecision>(row)?);
            } else if let Some(rest) = row.key.strip_prefix(SET) {
                let (namespace, name) = pair(rest).ok_or_else(unknown)?;
                let set = ReplicaSet::of(read::<ReplicaSetState>(row)?);
                sets.insert(SetKey { namespace, name }, set);
            } else if let Some(rest) = row.key.strip_prefix(WORK) {
                let (cluster, name) = pair(rest).ok_or_else(unknown)?;
                works.insert(WorkKey { cluster, name }, Work::of(read::<WorkState>(row)?));
            } else {
                return Err(unknown());
            }
        }
        Ok(Self::of(works, sets, decisions, clusters))
    }
}

fn read<T: Message + Default>(row: &Row) -> Result<T, String> {
    T::decode(row.value.as_slice()).map_err(|error| format!("row \"{}\": {error}", row.key))
}
