//! A member cluster and a hub as plain maps, which perform a machine's actions at once. They check
//! nothing of their own but what must hold at every step.

use fleetlog_agent_core::{
    Action, Config, Done, Event, Failure, Gvk, Kind, Kinds, Live, Machine, Made, ObjectKey, Pace,
    Record, Resource, Scope, Step,
};
use fleetlog_kernel::{ContentHash, Timestamp};
use fleetlog_messages::common::SyncEnd;
use fleetlog_messages::subject::Report;
use fleetlog_messages::work::{Bundle, Delivery, ManifestWorkSpec, ReportWork};
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub const HUB: &str = "hub";

/// What happened to the member, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    Applied(String),
    Deleted(String),
    Forgot(String),
}

pub struct Member {
    pub machine: Machine,
    pub now: Timestamp,
    pub objects: BTreeMap<ObjectKey, Value>,
    pub records: BTreeMap<String, Value>,
    pub bundles: BTreeMap<String, Vec<u8>>,
    /// What the hub wants: the answer to a sync.
    pub wanted: BTreeMap<String, Delivery>,
    pub position: u64,
    pub deeds: Vec<Deed>,
    pub reports: Vec<(String, ReportWork)>,
    pub syncs: Vec<BTreeMap<String, i64>>,
    pub hub_is_there: bool,
    /// Names of objects that the member refuses.
    pub refused: BTreeSet<String>,
    /// The agent ends after it has applied, before it hears of it.
    pub crash_after_applies: bool,
    /// What is deleted stays until somebody lets it go.
    pub slow_to_go: bool,
    version: u64,
}

impl Member {
    pub fn new() -> Self {
        Self {
            machine: machine(),
            now: Timestamp::of_seconds(1_800_000_000),
            objects: BTreeMap::new(),
            records: BTreeMap::new(),
            bundles: BTreeMap::new(),
            wanted: BTreeMap::new(),
            position: 100,
            deeds: vec![],
            reports: vec![],
            syncs: vec![],
            hub_is_there: true,
            refused: BTreeSet::new(),
            crash_after_applies: false,
            slow_to_go: false,
            version: 0,
        }
    }

    /// A member whose agent has started and is connected.
    pub fn started() -> Self {
        let mut member = Self::new();
        member.start();
        member.tell(Event::Connected);
        member
    }

    /// The agent starts (again) and reads its records.
    pub fn start(&mut self) {
        self.machine = machine();
        self.tell(Event::Records(self.records.values().cloned().collect()));
    }

    /// The hub wants this of a work from now on; nobody is told.
    pub fn want(&mut self, work: &str, manifests: &[Value]) -> Delivery {
        self.want_with(work, manifests, ManifestWorkSpec::default())
    }

    pub fn want_with(
        &mut self,
        work: &str,
        manifests: &[Value],
        spec: ManifestWorkSpec,
    ) -> Delivery {
        let bytes = serde_json::to_vec(manifests).unwrap();
        let hash = ContentHash::of(&bytes).to_string();
        let bundle = Bundle { hash: hash.clone(), size: bytes.len() as u64, count: 0 };
        self.bundles.insert(hash, bytes);
        self.position += 1;
        let delivery = Delivery {
            work: work.into(),
            generation: i64::try_from(self.position).unwrap(),
            object_generation: 1,
            spec: Some(spec),
            bundle: Some(bundle),
            ..Delivery::default()
        };
        self.wanted.insert(work.into(), delivery.clone());
        delivery
    }

    /// The hub wants a work gone.
    pub fn remove(&mut self, work: &str) -> Delivery {
        self.position += 1;
        self.wanted.remove(work);
        let generation = i64::try_from(self.position).unwrap();
        Delivery { work: work.into(), generation, deleted: true, ..Delivery::default() }
    }

    pub fn deliver(&mut self, delivery: Delivery) {
        self.tell(Event::Delivered(Box::new(delivery)));
    }

    /// Time passes and what is due is done.
    pub fn pass(&mut self, by: Duration) {
        let until = self.now.plus(by);
        while let Some(due) = self.machine.wake().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.tell(Event::Tick);
        }
        self.now = until;
    }

    /// Tells the machine, and does all that follows.
    pub fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.on(event, self.now) {
                events.extend(self.perform(action));
            }
        }
    }

    pub fn object(&self, resource: &str, name: &str) -> Option<&Value> {
        let found = self.objects.iter().find(|(k, _)| k.resource == resource && k.name == name);
        found.map(|(_, object)| object)
    }

    pub fn names(&self) -> Vec<String> {
        self.objects.keys().map(|key| key.name.clone()).collect()
    }

    pub fn last_report(&self, work: &str) -> ReportWork {
        self.reports.iter().rev().find(|(name, _)| name == work).unwrap().1.clone()
    }

    /// Somebody else writes an object; the watch sees it.
    pub fn write(&mut self, manifest: &Value) {
        let resource = resource_of(manifest);
        let object = self.put(&resource.key, manifest.clone());
        self.tell(Event::Seen(resource.watch(), Box::new(object)));
    }

    /// Somebody else deletes an object; the watch sees it.
    pub fn delete(&mut self, resource: &str, name: &str) {
        let found = self.objects.keys().find(|k| k.resource == resource && k.name == name);
        let key = found.unwrap().clone();
        let object = self.objects.remove(&key).unwrap();
        let resource = Resource { key, version: "v1".into() };
        self.tell(Event::Gone(resource.watch(), Box::new(object)));
    }

    pub fn perform(&mut self, action: Action) -> Vec<Event> {
        match action {
            Action::Sync(held) => {
                self.syncs.push(held);
                let deliveries: Vec<Delivery> = self.wanted.values().cloned().collect();
                let works = u32::try_from(deliveries.len()).unwrap();
                let end = SyncEnd { position: self.position, works };
                let end = self.hub_is_there.then_some(end);
                vec![Event::Synced { deliveries, end }]
            }
            Action::Fetch { work, hash } => {
                let bundle = self.bundles.get(&hash).filter(|_| self.hub_is_there).cloned();
                vec![Event::Fetched { work, hash, bundle }]
            }
            Action::Report(about, payload) => {
                let taken = self.hub_is_there;
                if let (Report::Work(work), true) = (&about, taken) {
                    let report = ReportWork::decode(payload.as_slice()).unwrap();
                    self.reports.push((work.clone(), report));
                }
                vec![Event::Reported { about, taken }]
            }
            Action::Discover(asked) => {
                vec![Event::Discovered { known: asked.clone(), asked, kinds: kinds() }]
            }
            Action::Observe { work, resources } => {
                let observed = resources.into_iter().map(|resource| {
                    let live = match resource.watch() == fleetlog_agent_core::record_watch() {
                        true => self.records.get(&resource.key.name).cloned(),
                        false => self.objects.get(&resource.key).cloned(),
                    };
                    (resource.key, live.map_or(Live::Absent, Live::found))
                });
                vec![Event::Observed { work, observed: observed.collect() }]
            }
            Action::Execute { work, steps } => {
                let applies = steps.iter().any(|step| matches!(step, Step::Apply { .. }));
                let done = steps.iter().map(|step| self.step(&work, step.clone())).collect();
                if applies && self.crash_after_applies {
                    return vec![];
                }
                vec![Event::Executed { work, done }]
            }
            Action::Watch(_) => vec![],
            Action::Describe => {
                vec![Event::Described { version: "v1.36.1".into(), id: "id".into() }]
            }
        }
    }

    fn step(&mut self, work: &str, step: Step) -> Done {
        match step {
            Step::Note { name, body } => {
                let old = self.records.get(&name).cloned();
                let mut record = body;
                record["metadata"]["uid"] = match &old {
                    Some(old) => old["metadata"]["uid"].clone(),
                    None => json!(format!("record-{}", self.next())),
                };
                record["status"] = old.map(|old| old["status"].clone()).unwrap_or_default();
                self.records.insert(name, record.clone());
                Done::Now(Box::new(record))
            }
            Step::Record { name, made } => {
                let Some(record) = self.records.get_mut(&name) else { return Done::Gone };
                record["status"] = Record::status(&made)["status"].clone();
                Done::Now(Box::new(record.clone()))
            }
            Step::Apply { resource, body, .. } | Step::Create { resource, body } => {
                if self.refused.contains(&resource.key.name) {
                    let message = "refused by the member".to_owned();
                    return Done::Failed(Failure { message, soon: true });
                }
                self.deeds.push(Deed::Applied(resource.key.name.clone()));
                Done::Now(Box::new(self.put(&resource.key, body)))
            }
            Step::Establish { resource } => {
                let Some(mut object) = self.objects.get(&resource.key).cloned() else {
                    let message = "not found".to_owned();
                    return Done::Failed(Failure { message, soon: true });
                };
                let established = json!({ "type": "Established", "status": "True" });
                object["status"] = json!({ "conditions": [established] });
                Done::Now(Box::new(self.put(&resource.key, object)))
            }
            Step::Own { resource, owners, .. } => {
                let mut object = self.objects[&resource.key].clone();
                object["metadata"]["ownerReferences"] = json!(owners);
                Done::Now(Box::new(self.put(&resource.key, object)))
            }
            Step::Delete { resource, uid } => {
                self.check_delete(work, &resource, &uid);
                self.deeds.push(Deed::Deleted(resource.key.name.clone()));
                if self.slow_to_go {
                    let mut object = self.objects[&resource.key].clone();
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    return Done::Now(Box::new(self.put(&resource.key, object)));
                }
                self.objects.remove(&resource.key);
                Done::Gone
            }
            Step::Forget { name, uid } => {
                assert_eq!(self.records[&name]["metadata"]["uid"], json!(uid));
                self.records.remove(&name);
                self.deeds.push(Deed::Forgot(work.to_owned()));
                Done::Gone
            }
        }
    }

    /// What must hold of every delete: a sync was complete, and the member's own record of this
    /// work names exactly this object.
    fn check_delete(&self, work: &str, resource: &Resource, uid: &str) {
        assert!(self.machine.desired().is_synced(), "a delete before the first complete sync");
        let record = &self.records[&Record::name(HUB, work)];
        let made = Record::of(record, HUB).unwrap().made;
        let named = made
            .iter()
            .any(|m: &Made| m.resource.key == resource.key && (m.uid == uid || m.uid.is_empty()));
        assert!(named, "\"{}\" is deleted without being recorded", resource.key);
        assert_eq!(self.objects[&resource.key]["metadata"]["uid"], json!(uid));
    }

    /// Stores an object as a server would: a uid of its own, a new version, our manager's entry.
    fn put(&mut self, key: &ObjectKey, body: Value) -> Value {
        let (version, fresh) = (self.next(), format!("uid-{}", self.version));
        let old = self.objects.get(key);
        let uid = old.map_or(json!(fresh), |old| old["metadata"]["uid"].clone());
        let mut object = body;
        object["metadata"]["uid"] = uid;
        object["metadata"]["namespace"] = json!(key.namespace);
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        object["metadata"]["managedFields"] =
            json!([{ "manager": "work-agent", "operation": "Apply", "fieldsV1": {} }]);
        self.objects.insert(key.clone(), object.clone());
        object
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }
}

fn machine() -> Machine {
    Machine::new(Config {
        cluster: "c1".into(),
        hub_hash: HUB.into(),
        agent_id: HUB.into(),
        pace: Pace::default(),
    })
}

pub fn kinds() -> Kinds {
    let known = [
        ("v1", "Namespace", "namespaces", Scope::Cluster),
        ("v1", "ConfigMap", "configmaps", Scope::Namespaced),
        ("v1", "ServiceAccount", "serviceaccounts", Scope::Namespaced),
        ("apps/v1", "Deployment", "deployments", Scope::Namespaced),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            Scope::Cluster,
        ),
    ];
    let kind = |(api, kind, plural, scope): (&str, &str, &str, Scope)| {
        let gvk = Gvk::of(&json!({ "apiVersion": api, "kind": kind })).unwrap();
        (gvk, Kind { plural: plural.into(), scope })
    };
    known.into_iter().map(kind).collect()
}

pub fn resource_of(manifest: &Value) -> Resource {
    fleetlog_agent_core::Manifest::of(0, manifest.clone()).resource(&kinds()).unwrap()
}

pub fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default" }, "data": { "key": value },
    })
}

pub fn deployment(name: &str, ready: Option<i64>) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default" }, "spec": { "replicas": 1 },
    });
    if let Some(ready) = ready {
        object["status"] = json!({ "readyReplicas": ready });
    }
    object
}
