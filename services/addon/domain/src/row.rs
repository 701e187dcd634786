//! The state as rows: `addon/<cluster>/<name>`, `choice/<ns>/<name>`, `cluster/<name>`,
//! `definition/<name>`, `template/<name>` and `work/<cluster>/<add-on>`. What is derived is in
//! none; it is made again on reading.

use crate::names::{AddOnKey, PlacementKey};
use crate::projection::Fleet;
use crate::state::{AddOn, Definition, Template};
use fleetlog_messages::common::Row;
use prost::Message;
use std::fmt::Display;

const ADD_ON: &str = "addon/";
const CHOICE: &str = "choice/";
const CLUSTER: &str = "cluster/";
const DEFINITION: &str = "definition/";
const TEMPLATE: &str = "template/";
const WORK: &str = "work/";

impl Fleet {
    /// The whole state, in the order of the keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut row = |prefix: &str, key: &dyn Display, value: Vec<u8>| {
            rows.push(Row { key: format!("{prefix}{key}"), value });
        };
        for (key, add_on) in &self.add_ons {
            row(ADD_ON, key, add_on.state().encode_to_vec());
        }
        for (key, choice) in &self.choices {
            row(CHOICE, key, choice.encode_to_vec());
        }
        for (name, cluster) in &self.clusters {
            row(CLUSTER, name, cluster.encode_to_vec());
        }
        for (name, definition) in &self.definitions {
            row(DEFINITION, name, definition.state().encode_to_vec());
        }
        for (name, template) in &self.templates {
            row(TEMPLATE, name, template.state().encode_to_vec());
        }
        for (key, work) in &self.works {
            row(WORK, key, work.encode_to_vec());
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The state that [`Self::rows`] wrote.
    ///
    /// # Errors
    /// The row that cannot be read, in words.
    pub fn of_rows(rows: &[Row]) -> Result<Self, String> {
        let mut fleet = Self::default();
        for row in rows {
            let unknown = || format!("row \"{}\" is of no kind", row.key);
            let add_on = |rest: &str| AddOnKey::parse(rest).ok_or_else(unknown);
            if let Some(rest) = row.key.strip_prefix(ADD_ON) {
                fleet.add_ons.insert(add_on(rest)?, AddOn::of(read(row)?));
            } else if let Some(rest) = row.key.strip_prefix(CHOICE) {
                let (namespace, name) = rest.split_once('/').ok_or_else(unknown)?;
                fleet.choices.insert(PlacementKey::new(namespace, name), read(row)?);
            } else if let Some(name) = row.key.strip_prefix(CLUSTER) {
                fleet.clusters.insert(name.to_owned(), read(row)?);
            } else if let Some(name) = row.key.strip_prefix(DEFINITION) {
                fleet.definitions.insert(name.to_owned(), Definition::of(read(row)?));
            } else if let Some(name) = row.key.strip_prefix(TEMPLATE) {
                fleet.templates.insert(name.to_owned(), Template::of(read(row)?));
            } else if let Some(rest) = row.key.strip_prefix(WORK) {
                fleet.works.insert(add_on(rest)?, read(row)?);
            } else {
                return Err(unknown());
            }
        }
        Ok(fleet.derive())
    }
}

fn read<T: Message + Default>(row: &Row) -> Result<T, String> {
    T::decode(row.value.as_slice()).map_err(|error| format!("row \"{}\": {error}", row.key))
}
