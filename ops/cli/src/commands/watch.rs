//! `get --watch`: follows the log and prints an object again whenever a commit changed what is
//! served of it.

use crate::args::{Output, ScopeArgs};
use crate::commands::get::query;
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::kinds;
use crate::print::objects::{
    Layout, Listing, name_of, namespace_of as namespace_in, render, table,
};
use crate::print::out;
use crate::target::{Wanted, namespace_of};
use fleetlog_kernel::{Position, Service};
use fleetlog_messages::KindInfo;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject;
use futures::StreamExt as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is watched and how it is printed.
pub struct Watch<'a> {
    /// The kinds or objects.
    pub wanted: &'a Wanted,
    /// Where.
    pub scope: &'a ScopeArgs,
    /// Which, by labels.
    pub selector: &'a str,
    /// The form.
    pub output: Output,
    /// The layout of the table that was printed.
    pub layout: Layout,
}

type Key = (Option<String>, String);

impl Watch<'_> {
    /// Runs until it is interrupted or the connection fails. `first` was printed already.
    ///
    /// # Errors
    /// A hub that does not answer.
    pub async fn run(&self, hub: &Hub, first: Vec<Listing>, after: u64) -> Done {
        let info = self.kind()?;
        let mut shown: BTreeMap<Key, Value> = BTreeMap::new();
        let objects = first.into_iter().flat_map(|listing| listing.objects);
        shown.extend(objects.map(|object| (key(&object), object)));
        let (service, token) = followed(info)?;
        let filter = subject::events_of_kind(service, token);
        let history = hub.history().await?;
        let mut entries = history.follow(&filter, Position(after)).await?.entries;
        while let Some(entry) = entries.next().await {
            let commit = entry?.into_commit()?;
            for object in self.changed(hub, info, &commit).await? {
                let key = key(&object);
                if self.concerns(info, &key) && shown.get(&key) != Some(&object) {
                    shown.insert(key.clone(), object);
                    self.print(hub, info, &shown, &key);
                }
            }
        }
        Err(Failure::new("CLI0010", "the log ended", "see whether the hub still runs"))
    }

    /// The one kind that is watched.
    fn kind(&self) -> Result<&'static KindInfo, Failure> {
        let mut infos: Vec<&'static KindInfo> = match self.wanted {
            Wanted::Kinds(infos) => infos.clone(),
            Wanted::Objects(targets) => targets.iter().map(|target| target.info).collect(),
        };
        infos.dedup();
        match infos.as_slice() {
            [info] => Ok(info),
            _ => Err(Failure::usage("several kinds cannot be watched at once", "name one kind")),
        }
    }

    async fn changed(
        &self,
        hub: &Hub,
        info: &KindInfo,
        commit: &Recorded,
    ) -> Result<Vec<Value>, Failure> {
        let derived = info.token != commit.aggregate.kind;
        let name = if derived { "" } else { commit.aggregate.name.as_str() };
        let namespace = commit.aggregate.scope.as_deref();
        let bodies = match self.output {
            Output::Json | Output::Yaml => Bodies::Wanted,
            Output::Table | Output::Wide | Output::Name => Bodies::LeftOut,
        };
        let mut query = query(info, namespace, name, self.selector, bodies);
        query.min_position = commit.position.0;
        hub.objects(kinds::service(info)?, query).await
    }

    fn concerns(&self, info: &KindInfo, (namespace, name): &Key) -> bool {
        match self.wanted {
            Wanted::Kinds(_) => {
                let asked = namespace_of(info, self.scope);
                asked.is_none() || asked == *namespace
            }
            Wanted::Objects(targets) => {
                targets.iter().any(|t| t.name == *name && t.namespace == *namespace)
            }
        }
    }

    fn print(&self, hub: &Hub, info: &'static KindInfo, shown: &BTreeMap<Key, Value>, key: &Key) {
        let Some(object) = shown.get(key) else { return };
        let one = |objects| Listing { info, objects };
        match self.output {
            Output::Table | Output::Wide => {
                // All rows are laid out, so that this one stands below those printed before.
                let layout = Layout { wide: self.output == Output::Wide, ..self.layout };
                let all = table(&one(shown.values().cloned().collect()), layout, hub.now());
                let row = shown.keys().position(|other| other == key).unwrap_or_default();
                if let Some(line) = all.lines().nth(row + 1) {
                    out(&format!("{line}\n"));
                }
            }
            output => {
                let listings = [one(vec![object.clone()])];
                out(&render(&listings, output, true, self.layout, hub.now()));
            }
        }
    }
}

fn key(object: &Value) -> Key {
    (namespace_in(object).map(str::to_owned), name_of(object).to_owned())
}

/// Whose commits change what is served of a kind: pages of decisions follow from placements.
fn followed(info: &'static KindInfo) -> Result<(Service, &'static str), Failure> {
    let service = kinds::service(info)?;
    Ok(if info.token == "placementdecision" {
        (service, "placement")
    } else {
        (service, info.token)
    })
}
