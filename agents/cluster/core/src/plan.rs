//! The plan of one pass: desired x record x observed -> ordered steps. It is made completely before
//! anything is done, and carried out without choices.

use crate::drift::is_settled;
use crate::kind::{Kinds, ObjectKey, Resource, is_established};
use crate::manifest::{Manifest, rank};
use crate::observed::{Live, Observed, is_other_record, is_terminating, meta, owners, refers_to};
use crate::options::{self, MANAGER, Strategy};
use crate::record::{Made, Record};
use crate::step::{Failure, Force, Step};
use fleetlog_kernel::ContentHash;
use fleetlog_messages::work::ManifestWorkSpec;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a plan may delete: not before the first complete sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes<'a> {
    /// It may, but not these: other works that are wanted have made them too, whether or not the
    /// objects say so just now. Two works that make an object at once each name only themselves
    /// as its owner, and the second write is what is left.
    AllBut(&'a BTreeSet<ObjectKey>),
    /// Not yet.
    Withheld,
}

/// What is planned for one manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It is as wanted.
    Settled(Resource),
    /// A step will see to it.
    Planned(Resource),
    /// Nothing can be done: the kind is unknown, the manifest names nothing.
    Impossible(Option<Resource>, Failure),
}

impl Entry {
    /// The object, as far as it is known.
    #[must_use]
    pub const fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Settled(resource) | Self::Planned(resource) => Some(resource),
            Self::Impossible(resource, _) => resource.as_ref(),
        }
    }
}

/// All that is to be done for one work now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// Per manifest, in the user's order.
    pub entries: Vec<Entry>,
    /// What is on its way out: look again soon.
    pub leaving: BTreeSet<ObjectKey>,
}

/// What is wanted of one work.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which hub's.
    pub hub_hash: &'a str,
    /// Which agent's.
    pub agent_id: &'a str,
    /// Its name.
    pub work: &'a str,
    /// Its generation.
    pub generation: i64,
    /// Its options.
    pub spec: &'a ManifestWorkSpec,
    /// Its objects.
    pub manifests: &'a [Manifest],
}

/// Plans a work that should be there.
#[must_use]
pub fn plan(
    wanted: &Wanted<'_>,
    kinds: &Kinds,
    record: Option<&Record>,
    observed: &Observed,
    deletes: Deletes<'_>,
) -> Plan {
    let mut plan = Plan::default();
    let name = Record::name(wanted.hub_hash, wanted.work);
    let noted = record.filter(|record| record.generation >= wanted.generation);
    let Some(record) = noted else {
        let Wanted { hub_hash, agent_id, work, generation, .. } = *wanted;
        let intends = match record {
            None => intended(wanted, kinds, observed),
            // What an earlier note named may have been made since.
            Some(record) if record.made.iter().all(|made| made.uid.is_empty()) => {
                record.made.clone()
            }
            Some(_) => vec![],
        };
        let body = Record::body(hub_hash, agent_id, work, generation, &intends);
        plan.steps.push(Step::Note { name, body });
        return plan;
    };
    let mut steps: Vec<(u16, Step)> = Vec::new();
    let mut mine = BTreeSet::new();
    for manifest in wanted.manifests {
        let (entry, step) = of_manifest(wanted, manifest, kinds, record, observed);
        steps.extend(established(manifest, &entry, observed).map(|step| (ESTABLISH, step)));
        steps.extend(step.map(|step| (rank(&manifest.gvk.kind), step)));
        if let Some(resource) = entry.resource() {
            mine.insert(resource.key.clone());
        }
        plan.entries.push(entry);
    }
    steps.sort_by_key(|(rank, _)| *rank);
    let (prune, kept) = removals(record, observed, deletes, |made| {
        mine.contains(&made.resource.key) || wanted.manifests.iter().any(|m| may_be(m, made))
    });
    // Written before anything is made, so that a crash in between leaves nothing unrecorded.
    let made = made_now(&plan.entries, record, observed, wanted.spec, kept.made);
    if made != record.made {
        plan.steps.push(Step::Record { name, made });
    }
    plan.steps.extend(steps.into_iter().map(|(_, step)| step));
    plan.steps.extend(prune);
    plan.leaving = kept.leaving;
    plan
}

/// What a new work is about to make: exactly what its first plan after the note will record.
fn intended(wanted: &Wanted<'_>, kinds: &Kinds, observed: &Observed) -> Vec<Made> {
    let named = wanted.manifests.iter().filter_map(|manifest| manifest.resource(kinds));
    let free = |resource: &Resource| {
        options::unsupported(wanted.spec, &resource.key).is_none()
            && options::strategy(wanted.spec, &resource.key) != Strategy::ReadOnly
            && matches!(observed.get(&resource.key), None | Some(Live::Absent))
    };
    let made = |resource| Made { resource, uid: String::new() };
    let made: BTreeSet<Made> = named.filter(free).map(made).collect();
    made.into_iter().collect()
}

/// When definitions are waited for: after everything else, before objects of other kinds.
const ESTABLISH: u16 = 999;

/// The wait for a definition that is about to be made, or that the server has not taken up.
fn established(manifest: &Manifest, entry: &Entry, observed: &Observed) -> Option<Step> {
    let resource = match entry {
        Entry::Settled(resource) | Entry::Planned(resource) => resource,
        Entry::Impossible(..) => return None,
    };
    let live = observed.get(&resource.key).and_then(Live::object);
    let waits = manifest.gvk.kind == "CustomResourceDefinition"
        && manifest.gvk.group == "apiextensions.k8s.io"
        && !live.is_some_and(is_established);
    waits.then(|| Step::Establish { resource: resource.clone() })
}

/// Plans the end of a work: what it made goes in reverse order, the record last.
#[must_use]
pub fn plan_removal(
    hub_hash: &str,
    work: &str,
    record: Option<&Record>,
    observed: &Observed,
    deletes: Deletes<'_>,
) -> Plan {
    let Some(record) = record else { return Plan::default() };
    let name = Record::name(hub_hash, work);
    let (steps, kept) = removals(record, observed, deletes, |_| false);
    let mut plan = Plan { steps, leaving: kept.leaving, ..Plan::default() };
    if kept.made.is_empty() && deletes != Deletes::Withheld {
        plan.steps.push(Step::Forget { name, uid: record.uid.clone() });
    } else if kept.made != record.made {
        plan.steps.insert(0, Step::Record { name, made: kept.made });
    }
    plan
}

/// A manifest of a kind that is unknown just now may be what a record's entry is about.
fn may_be(manifest: &Manifest, made: &Made) -> bool {
    let key = &made.resource.key;
    manifest.gvk.group == key.group
        && manifest.name == key.name
        && (key.namespace.is_empty() || manifest.namespace_or_default() == key.namespace)
        && plural_may_be(&manifest.gvk.kind, &key.resource)
}

fn plural_may_be(kind: &str, plural: &str) -> bool {
    let kind = kind.to_lowercase();
    plural.starts_with(kind.trim_end_matches('y').trim_end_matches('s'))
}

fn of_manifest(
    wanted: &Wanted<'_>,
    manifest: &Manifest,
    kinds: &Kinds,
    record: &Record,
    observed: &Observed,
) -> (Entry, Option<Step>) {
    let Some(resource) = manifest.resource(kinds) else {
        let message = if manifest.is_named() {
            format!("no matches for kind \"{}\"", manifest.gvk)
        } else {
            "the manifest lacks apiVersion, kind or metadata.name".to_owned()
        };
        let failure = Failure { message, soon: manifest.is_named() };
        return (Entry::Impossible(None, failure), None);
    };
    if let Some(why) = options::unsupported(wanted.spec, &resource.key) {
        let failure = Failure { message: why.to_owned(), soon: false };
        return (Entry::Impossible(Some(resource), failure), None);
    }
    let live = observed.get(&resource.key);
    if let Some(Live::Unknown(why)) = live {
        let failure = Failure { message: why.clone(), soon: true };
        return (Entry::Impossible(Some(resource), failure), None);
    }
    let live = live.unwrap_or(&Live::Absent);
    if live.object().is_some_and(is_terminating) {
        let message = "the object is being deleted by somebody else".to_owned();
        return (Entry::Impossible(Some(resource), Failure { message, soon: true }), None);
    }
    let step = keep(wanted, manifest, &resource, record, live);
    match step {
        Some(step) => (Entry::Planned(resource), Some(step)),
        None => (Entry::Settled(resource), None),
    }
}

fn keep(
    wanted: &Wanted<'_>,
    manifest: &Manifest,
    resource: &Resource,
    record: &Record,
    live: &Live,
) -> Option<Step> {
    let ours = options::is_owned(wanted.spec, &resource.key)
        .then(|| Record::owner(wanted.hub_hash, wanted.work, &record.uid));
    let resource = resource.clone();
    let (manager, force) = match options::strategy(wanted.spec, &resource.key) {
        Strategy::ReadOnly => return None,
        Strategy::CreateOnly => return create_only(manifest, resource, record, ours, live),
        Strategy::Update => (MANAGER.to_owned(), Force::Yes),
        Strategy::ServerSideApply { manager, force } => {
            (manager, if force { Force::Yes } else { Force::No })
        }
    };
    let body = body(manifest, &resource, record, ours, live.object());
    let hash = ContentHash::of(body.to_string().as_bytes());
    let settled = match live {
        Live::Present { applied: Some(applied), .. } if *applied == hash => true,
        Live::Present { object, .. } => is_settled(&body, object, &manager),
        _ => false,
    };
    (!settled).then_some(Step::Apply { resource, body, manager, force })
}

fn create_only(
    manifest: &Manifest,
    resource: Resource,
    record: &Record,
    ours: Option<Value>,
    live: &Live,
) -> Option<Step> {
    let Some(object) = live.object() else {
        let body = body(manifest, &resource, record, ours, None);
        return Some(Step::Create { resource, body });
    };
    let has = owners(object).any(|owner| refers_to(owner, &record.uid));
    if has == ours.is_some() {
        return None;
    }
    let others = owners(object).filter(|owner| !refers_to(owner, &record.uid)).cloned();
    let owners = others.chain(ours).collect();
    Some(Step::Own { resource, owners, seen: meta(object, "resourceVersion").to_owned() })
}

/// The manifest with its owners: other works' that it has, the manifest's own, and ours.
fn body(
    manifest: &Manifest,
    resource: &Resource,
    record: &Record,
    ours: Option<Value>,
    live: Option<&Value>,
) -> Value {
    let mut body = manifest.body.clone();
    let given: Vec<Value> = owners(&body).cloned().collect();
    let others = live.into_iter().flat_map(owners);
    let others = others.filter(|owner| is_other_record(owner, &record.name)).cloned();
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for owner in given.into_iter().chain(others).chain(ours) {
        let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        all.insert(uid, owner);
    }
    if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for server_set in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            meta.remove(server_set);
        }
        if resource.key.namespace.is_empty() {
            meta.remove("namespace");
        }
        meta.remove("ownerReferences");
        if !all.is_empty() {
            meta.insert("ownerReferences".into(), json!(all.into_values().collect::<Vec<_>>()));
        }
    }
    body
}

/// What of a record stays recorded, whether wanted or still on its way out.
struct Kept {
    made: Vec<Made>,
    leaving: BTreeSet<ObjectKey>,
}

/// The steps that remove what the record has and nobody wants, in reverse order.
fn removals(
    record: &Record,
    observed: &Observed,
    deletes: Deletes<'_>,
    wanted: impl Fn(&Made) -> bool,
) -> (Vec<Step>, Kept) {
    let mut steps = Vec::new();
    let mut kept = Kept { made: Vec::new(), leaving: BTreeSet::new() };
    let mut made: Vec<&Made> = record.made.iter().collect();
    made.sort_by_key(|made| rank(&made.resource.key.resource));
    for made in made.into_iter().rev() {
        let shared = match deletes {
            Deletes::AllBut(shared) if !wanted(made) => shared.contains(&made.resource.key),
            _ => {
                kept.made.push(made.clone());
                continue;
            }
        };
        let (step, fate) = removal(record, made, observed.get(&made.resource.key), shared);
        steps.extend(step);
        match fate {
            Fate::Forgotten => {}
            Fate::Leaving => {
                kept.leaving.insert(made.resource.key.clone());
                kept.made.push(made.clone());
            }
        }
    }
    kept.made.sort();
    (steps, kept)
}

enum Fate {
    /// It needs no entry any more once this plan is done.
    Forgotten,
    /// It stays recorded until it is seen to be gone.
    Leaving,
}

fn removal(
    record: &Record,
    made: &Made,
    live: Option<&Live>,
    shared: bool,
) -> (Option<Step>, Fate) {
    let object = match live {
        Some(Live::Present { object, .. }) => object,
        Some(Live::Absent) => return (None, Fate::Forgotten),
        Some(Live::Unknown(_)) | None => return (None, Fate::Leaving),
    };
    let ours = owners(object).any(|owner| refers_to(owner, &record.uid));
    let uid = meta(object, "uid");
    if !ours || (uid != made.uid && !made.uid.is_empty()) {
        return (None, Fate::Forgotten);
    }
    let others = shared || owners(object).any(|owner| is_other_record(owner, &record.name));
    let resource = made.resource.clone();
    if others {
        let left = owners(object).filter(|owner| !refers_to(owner, &record.uid)).cloned();
        let seen = meta(object, "resourceVersion").to_owned();
        return (Some(Step::Own { resource, owners: left.collect(), seen }), Fate::Leaving);
    }
    if is_terminating(object) {
        return (None, Fate::Leaving);
    }
    (Some(Step::Delete { resource, uid: uid.to_owned() }), Fate::Leaving)
}

/// What the record should say: what is wanted (not what is only looked at) and there or about to
/// be, and what is still on its way out.
fn made_now(
    entries: &[Entry],
    record: &Record,
    observed: &Observed,
    spec: &ManifestWorkSpec,
    kept: Vec<Made>,
) -> Vec<Made> {
    let mut all: BTreeMap<ObjectKey, Made> =
        kept.into_iter().map(|made| (made.resource.key.clone(), made)).collect();
    for entry in entries {
        let Some(resource) = entry.resource() else { continue };
        let key = &resource.key;
        if options::strategy(spec, key) == Strategy::ReadOnly {
            all.remove(key);
            continue;
        }
        let object = observed.get(key).and_then(Live::object);
        let owners = object.into_iter().flat_map(owners);
        let ours = owners.into_iter().any(|owner| refers_to(owner, &record.uid))
            || (object.is_some() && !options::is_owned(spec, key));
        if ours || matches!(entry, Entry::Planned(_)) {
            let uid = object.map_or("", |object| meta(object, "uid")).to_owned();
            all.insert(key.clone(), Made { resource: resource.clone(), uid });
        }
    }
    let mut made: Vec<Made> = all.into_values().collect();
    made.sort();
    made
}
