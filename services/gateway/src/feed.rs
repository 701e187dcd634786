//! What fills the view: every kind's objects from the services once, then, commit by commit of the
//! log, what became of the objects that it touched. A state that a service has gone past already is
//! asked for as it was, so that the view is at each moment that of one position.

use crate::board::Board;
use crate::source::Source;
use fleetlog_bus::{ClientError, Entry, Fault, Retry};
use fleetlog_chassis::Tasks;
use fleetlog_gateway_domain::{Key, Seen, served};
use fleetlog_kernel::Position;
use fleetlog_messages::common::Query;
use fleetlog_messages::subject::{self, AggregateId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many commits are taken in together at most.
const TOGETHER: usize = 512;
/// How many questions are under way at once.
const ASKING: usize = 16;
/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(200);
/// The label by which a page of a decision names its placement.
const PLACEMENT: &str = "cluster.open-cluster-management.io/placement";

/// The way from the log to the view.
pub(crate) struct Feed {
    /// Where it comes from.
    pub source: Source,
    /// What is filled.
    pub board: Arc<Board>,
}

/// What one commit touched: an object, or all pages of a placement's decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Object(&'static str, Key),
    Pages(Key),
}

impl Feed {
    /// Runs until the tasks are asked to stop, or the log cannot be read for good.
    pub async fn run(self, tasks: Tasks) -> Result<(), Fault> {
        tokio::select! {
            biased;
            () = tasks.stopped() => Ok(()),
            fault = self.feed() => Err(fault),
        }
    }

    async fn feed(&self) -> Fault {
        let mut from = loop {
            match self.load().await {
                Ok(from) => break from,
                Err(why) => {
                    tracing::warn!(%why, "the services do not tell what there is, asking again")
                }
            }
            sleep(PAUSE).await;
        };
        loop {
            let ended = self.follow(&mut from).await;
            match ended {
                Err(ClientError::Fault(fault)) if fault.retry == Retry::Useless => return fault,
                Err(why) => tracing::warn!(%why, "the reading of the log ended, reading on"),
                Ok(()) => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes in everything there is; answers where the oldest of the answers stood.
    async fn load(&self) -> Result<Position, ClientError> {
        let (mut oldest, mut newest) = (Position(u64::MAX), Position::START);
        for kind in served().filter(|kind| kind.0.service.is_some()) {
            let (at, objects) = self.source.objects(kind, Query::default()).await?;
            (oldest, newest) = (oldest.min(at), newest.max(at));
            self.board.load(kind, objects, at);
        }
        if oldest == newest {
            self.board.set_ready(newest);
        }
        Ok(oldest)
    }

    /// Follows the log from here until the reading ends.
    async fn follow(&self, from: &mut Position) -> Result<(), ClientError> {
        let reading = self.source.client.events(&subject::events(), *from).await?;
        let mut chunks = reading.entries.ready_chunks(TOGETHER);
        while let Some(chunk) = chunks.next().await {
            let mut touched = BTreeMap::new();
            let mut end = *from;
            for entry in chunk {
                let entry = entry?;
                end = end.max(entry.position());
                if let Entry::Commit(commit, _) = entry {
                    touched.extend(of(&commit.aggregate).map(|what| (what, commit.position)));
                }
            }
            let asked = touched.into_iter().map(|(what, at)| self.became(what, at, end));
            let seen: Vec<Vec<Seen>> =
                stream::iter(asked).buffer_unordered(ASKING).try_collect().await?;
            let loaded = self.board.look(|view| view.position());
            self.board.apply(seen.into_iter().flatten().collect(), end);
            *from = end;
            if !self.board.is_ready() && end >= loaded {
                self.board.set_ready(end);
            }
        }
        Ok(())
    }

    /// What became of something that was last touched at `at`, as of `end`.
    async fn became(
        &self,
        what: Touched,
        at: Position,
        end: Position,
    ) -> Result<Vec<Seen>, ClientError> {
        let (kind, query) = what.asked();
        let Some(kind) = served().find(|found| found.0.token == kind) else { return Ok(vec![]) };
        let held = match &what {
            Touched::Object(_, key) => vec![key.clone()],
            Touched::Pages(of) => {
                let held = self.board.look(|view| view.list(kind, Some(&of.namespace)));
                let held = held.into_iter().filter(|(_, page)| is_page_of(&page.object, of));
                held.map(|(key, _)| key).collect()
            }
        };
        let now = Query { min_position: end.0, ..query.clone() };
        let (stands, mut objects) = self.source.objects(kind, now).await?;
        let is_missing = |key: &Key| !objects.iter().any(|object| Key::of(object) == *key);
        let newer = objects.iter().any(|object| version(object) > end);
        if stands > end && (newer || held.iter().any(is_missing)) {
            (_, objects) = self.source.objects(kind, Query { as_of: end.0, ..query }).await?;
        }
        let found = objects.into_iter().map(|object| (Key::of(&object), object));
        let mut found: BTreeMap<Key, Value> = found.collect();
        if let Touched::Pages(of) = &what {
            found.retain(|_, object| is_page_of(object, of));
        }
        let keys: BTreeSet<Key> = held.into_iter().chain(found.keys().cloned()).collect();
        let seen = |key: Key| Seen { kind, object: found.get(&key).cloned(), key, at };
        Ok(keys.into_iter().map(seen).collect())
    }
}

impl Touched {
    /// The kind's token and the question.
    fn asked(&self) -> (&'static str, Query) {
        let (kind, Key { namespace, name }) = match self {
            Self::Object(kind, key) => (*kind, key.clone()),
            Self::Pages(key) => {
                ("placementdecision", Key { namespace: key.namespace.clone(), ..Key::default() })
            }
        };
        (kind, Query { namespace, name, ..Query::default() })
    }
}

/// What a commit of an aggregate touches.
fn of(aggregate: &AggregateId) -> impl Iterator<Item = Touched> {
    let namespace = aggregate.scope.clone().unwrap_or_default();
    let key = Key { namespace, name: aggregate.name.clone() };
    let kind = served()
        .find(|k| k.0.service == Some(aggregate.service) && k.0.token == aggregate.kind)
        .map(|kind| kind.0.token);
    let pages = (kind == Some("placement")).then(|| Touched::Pages(key.clone()));
    kind.map(|kind| Touched::Object(kind, key)).into_iter().chain(pages)
}

fn is_page_of(object: &Value, placement: &Key) -> bool {
    object["metadata"]["labels"][PLACEMENT] == placement.name.as_str()
}

/// The position of an object's last change.
fn version(object: &Value) -> Position {
    let text = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    Position::of_resource_version(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::Service;

    #[test]
    fn a_commit_touches_its_object_and_a_placement_its_pages_too() {
        let id = |service, kind: &str| AggregateId {
            service,
            kind: kind.to_owned(),
            scope: Some("t".to_owned()),
            name: "p".to_owned(),
        };
        let touched = |id| of(&id).collect::<Vec<_>>();
        let key = Key { namespace: "t".into(), name: "p".into() };
        assert_eq!(
            touched(id(Service::Placement, "placement")),
            [Touched::Object("placement", key.clone()), Touched::Pages(key.clone())]
        );
        let work = touched(id(Service::Work, "manifestwork"));
        assert_eq!(work, [Touched::Object("manifestwork", key)]);
        assert_eq!(touched(id(Service::Work, "projection")), []);
    }
}
