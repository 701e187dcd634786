//! What an expression sees: a cluster and its scores as values of the interpreter, measured as
//! they are made. Maps keep the order of their keys: the same input always gives the same answer.

use super::shape::Sizes;
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelNull, CelString, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use fleetlog_messages::ApiObject;
use fleetlog_messages::placement::AddOnPlacementScoreItem;
use fleetlog_messages::registration::ManagedCluster;
use serde_json::Value;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep a document that an expression reads may be.
const DEPTH: usize = 32;

pub(super) type Boxed = Box<dyn Val>;

/// One cluster as expressions see it: make it once and ask many programs about it.
#[derive(Clone, Debug)]
pub struct Subject {
    pub(super) cluster: Fields,
    pub(super) sizes: Sizes,
}

impl Subject {
    /// The whole object: metadata, spec and status.
    #[must_use]
    pub fn new(cluster: &ManagedCluster) -> Self {
        let mut value = serde_json::to_value(cluster).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.insert("apiVersion".to_owned(), ManagedCluster::INFO.api_version().into());
            fields.insert("kind".to_owned(), ManagedCluster::INFO.kind.into());
        }
        let mut sizes = Sizes::default();
        let entries = match value {
            Value::Object(fields) => entries(fields, &mut sizes, DEPTH),
            _ => BTreeMap::new(),
        };
        Self { cluster: Fields { entries: Arc::new(entries), scores: Some(Arc::default()) }, sizes }
    }

    /// With the scores of the AddOnPlacementScore of this name in the cluster's namespace.
    #[must_use]
    pub fn with_scores(mut self, name: &str, scores: &[AddOnPlacementScoreItem]) -> Self {
        self.sizes.items = self.sizes.items.max(len(scores.len()));
        let items = scores.iter().map(|score| {
            let name = score.name();
            self.sizes.text = self.sizes.text.max(len(name.len()));
            self.sizes.weight = self.sizes.weight.saturating_add(len(name.len()) + 4);
            let name: Boxed = Box::new(CelString::from(name.to_owned()));
            let value: Boxed = Box::new(CelInt::from(i64::from(score.value())));
            let pair = [("name", name), ("value", value)];
            Box::new(Fields::of(pair.map(|(key, value)| (key.to_owned(), value)))) as Boxed
        });
        let list = CelList::from(items.collect::<Vec<Boxed>>());
        let all = self.cluster.scores.get_or_insert_default();
        Arc::make_mut(all).insert(name.to_owned(), list);
        self
    }
}

pub(super) fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A document as a value; what is deeper than the bound is null.
pub(super) fn of_json(value: Value, sizes: &mut Sizes, depth: usize) -> Boxed {
    sizes.weight = sizes.weight.saturating_add(1);
    let Some(below) = depth.checked_sub(1) else { return Box::new(CelNull) };
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Box::new(CelInt::from(whole)),
            None => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
        },
        Value::String(text) => {
            sizes.text = sizes.text.max(len(text.len()));
            sizes.weight = sizes.weight.saturating_add(len(text.len()));
            Box::new(CelString::from(text))
        }
        Value::Array(items) => {
            sizes.items = sizes.items.max(len(items.len()));
            let items = items.into_iter().map(|item| of_json(item, sizes, below));
            Box::new(CelList::from(items.collect::<Vec<Boxed>>()))
        }
        Value::Object(fields) => {
            let entries = Arc::new(entries(fields, sizes, below));
            Box::new(Fields { entries, scores: None })
        }
    }
}

/// A document that an expression reads itself.
pub(super) fn of_text(text: &str) -> Option<Boxed> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some(of_json(value, &mut Sizes::default(), DEPTH))
}

fn entries(
    fields: serde_json::Map<String, Value>,
    sizes: &mut Sizes,
    depth: usize,
) -> BTreeMap<String, Entry> {
    sizes.items = sizes.items.max(len(fields.len()));
    let entry = |(key, value): (String, Value)| {
        sizes.text = sizes.text.max(len(key.len()));
        sizes.weight = sizes.weight.saturating_add(len(key.len()) + 1);
        let value = of_json(value, sizes, depth);
        let entry = Entry::new(&key, value);
        (key, entry)
    };
    fields.into_iter().map(entry).collect()
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    key: CelString<'static>,
    value: Boxed,
}

impl Entry {
    fn new(key: &str, value: Boxed) -> Self {
        Self { key: CelString::from(key.to_owned()), value }
    }
}

/// A map with text keys. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    entries: Arc<BTreeMap<String, Entry>>,
    /// Scores by the name of their object; `None` but for a cluster.
    scores: Option<Arc<BTreeMap<String, CelList<'static>>>>,
}

impl Fields {
    pub(super) fn of(entries: impl IntoIterator<Item = (String, Boxed)>) -> Self {
        let entry = |(key, value): (String, Boxed)| {
            let entry = Entry::new(&key, value);
            (key, entry)
        };
        Self { entries: Arc::new(entries.into_iter().map(entry).collect()), scores: None }
    }

    pub(super) fn scores(&self, name: &str) -> Option<&CelList<'static>> {
        self.scores.as_ref()?.get(name)
    }

    fn find(&self, key: &dyn Val) -> Result<Option<&Entry>, ExecutionError> {
        match key.downcast_ref::<CelString>() {
            Some(key) => Ok(self.entries.get(key.inner())),
            None => Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "map key".to_owned(),
            }),
        }
    }

    fn entry(&self, key: &dyn Val) -> Result<&Entry, ExecutionError> {
        let text = || key.downcast_ref::<CelString>().map_or("", |key| key.inner());
        self.find(key)?.ok_or_else(|| ExecutionError::no_such_key(text()))
    }
}

impl StaticVal for Fields {}

impl Val for Fields {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        if let Some(other) = other.downcast_ref::<Self>() {
            let same = |key: &String, entry: &Entry| {
                other.entries.get(key).is_some_and(|found| entry.value.equals(&*found.value))
            };
            return self.entries.len() == other.entries.len()
                && self.entries.iter().all(|(key, entry)| same(key, entry));
        }
        let Some(other) = other.downcast_ref::<CelMap>() else { return false };
        let same = |entry: &Entry| {
            let found = Indexer::get(other, &entry.key);
            found.is_ok_and(|found| entry.value.equals(&*found))
        };
        self.entries.len() == other.len() && self.entries.values().all(same)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Container for Fields {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key)?.is_some())
    }
}

impl Indexer for Fields {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::Borrowed(&*self.entry(key)?.value))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self.entry(key)?.value.clone())
    }
}

impl Iterable for Fields {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.entries.values()))
    }
}

impl Sizer for Fields {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.entries.len()).unwrap_or(i64::MAX))
    }
}

struct Keys<'b>(std::collections::btree_map::Values<'b, String, Entry>);

impl<'b, 'v> Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|entry| &entry.key as &(dyn Val + 'v))
    }
}
