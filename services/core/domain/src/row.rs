//! The state as rows: `object/<subject>` for each object, `there/<subject>` for what other services
//! have in namespaces.

use crate::projection::World;
use crate::state::Plain;
use fleetlog_messages::common::Row;
use fleetlog_messages::core::ObjectState;
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;
use std::collections::BTreeMap;

const OBJECT: &str = "object/";
const THERE: &str = "there/";

impl World {
    /// The whole state, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let own = self.objects.iter().map(|(id, plain)| Row {
            key: format!("{OBJECT}{}", id.event()),
            value: plain.state().encode_to_vec(),
        });
        let others =
            self.others().map(|id| Row { key: format!("{THERE}{}", id.event()), value: vec![] });
        let mut rows: Vec<Row> = own.chain(others).collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The state that [`Self::rows`] wrote.
    ///
    /// # Errors
    /// The row that cannot be read, in words.
    pub fn of_rows(rows: &[Row]) -> Result<Self, String> {
        let (mut objects, mut others) = (BTreeMap::new(), vec![]);
        for row in rows {
            let unknown = || format!("row \"{}\" is of no kind", row.key);
            let id = |rest: &str| AggregateId::of_event(rest).ok_or_else(unknown);
            let damaged = |error: String| format!("row \"{}\": {error}", row.key);
            if let Some(rest) = row.key.strip_prefix(OBJECT) {
                let state = ObjectState::decode(row.value.as_slice());
                let state = state.map_err(|error| damaged(error.to_string()))?;
                objects.insert(id(rest)?, Plain::of(state).map_err(damaged)?);
            } else if let Some(rest) = row.key.strip_prefix(THERE) {
                others.push(id(rest)?);
            } else {
                return Err(unknown());
            }
        }
        Ok(Self::of(objects, others.into_iter()))
    }
}
