//! A hub, a member and an agent between them, set up in one line.

use crate::hub::{Hub, TOKEN, cluster};
use crate::member::{Api, Member, Times};
use async_trait::async_trait;
use fleetlog_agent::{
    Agent, Caller, Dialer, Gate, Gated, KeyStore, MemoryKeys, Parts, Settings, Shared,
};
use fleetlog_bus::{Fault, SharedBroker};
use fleetlog_chassis::Clock;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::work::{
    FeedbackRule, ManifestConfigOption, ManifestWorkSpec, ReportWork, ResourceIdentifier,
    UpdateStrategy,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A server that refuses agents while it is told to.
#[derive(Default)]
pub struct Door(AtomicBool);

impl Door {
    pub fn refuse_agents(&self, refuse: bool) {
        self.0.store(refuse, Ordering::Relaxed);
    }
}

struct Guarded(Shared, Arc<Door>);

#[async_trait]
impl Dialer for Guarded {
    fn token_key(&self) -> String {
        self.0.token_key()
    }

    async fn dial(&self, caller: &Caller) -> Result<SharedBroker, Fault> {
        if matches!(caller, Caller::Agent(_)) && self.1.0.load(Ordering::Relaxed) {
            return Err(Fault::lasting("dial the hub", "authorization violation"));
        }
        self.0.dial(caller).await
    }
}

pub struct Stage {
    pub hub: Hub,
    pub api: Api,
    pub agent: Agent,
    pub gate: Gate,
    pub door: Arc<Door>,
    pub keys: Arc<MemoryKeys>,
    /// The namespace of this case; nothing else is in it.
    pub shop: String,
    pub times: Times,
    member: Box<dyn Member>,
}

impl Stage {
    /// A connected agent.
    pub async fn connected(member: Box<dyn Member>) -> Self {
        let stage = Self::joining(member, |_, _| {}).await;
        stage.agent.connected().await;
        stage
    }

    /// An agent that has just started, of a hub that was prepared.
    pub async fn joining(member: Box<dyn Member>, prepare: impl FnOnce(&Hub, &Times)) -> Self {
        let hub =
            Hub::new(Clock::tokio(Timestamp::of_seconds(1_800_000_000)), &member.shop()).await;
        let (shop, times) = (member.shop(), member.times());
        prepare(&hub, &times);
        let (gate, door) = (Gate::default(), Arc::<Door>::default());
        let keys = Arc::new(MemoryKeys::fresh().unwrap());
        let agent = start(&hub, member.as_ref(), (&gate, &door), &keys);
        Self { hub, api: Api::new(member.client()), agent, gate, door, keys, shop, times, member }
    }

    /// The namespace of this case, as a manifest.
    pub fn namespace(&self) -> Value {
        let name = &self.shop;
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
    }

    /// A config map of this case.
    pub fn config_map(&self, name: &str, value: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": self.shop }, "data": { "key": value },
        })
    }

    /// Where a config map of this case lies; without a name, where all do.
    pub fn at(&self, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("/api/v1/namespaces/{}/configmaps{slash}{name}", self.shop)
    }

    /// How many records this hub has in the member.
    pub async fn records(&self) -> usize {
        let path = "/apis/work.open-cluster-management.io/v1/appliedmanifestworks";
        let list = self.api.get(path).await.unwrap_or_default();
        let hash = self.hub.hash();
        let records = list["items"].as_array().into_iter().flatten();
        records.filter(|record| record["spec"]["hubHash"] == hash.as_str()).count()
    }

    /// The agent ends as by a crash.
    pub fn crash(&self) {
        self.agent.stop();
    }

    /// It starts again, with what it kept.
    pub fn restart(&mut self) {
        self.agent.stop();
        let way = (&self.gate, &self.door);
        self.agent = start(&self.hub, self.member.as_ref(), way, &self.keys);
    }
}

fn start(
    hub: &Hub,
    member: &dyn Member,
    (gate, door): (&Gate, &Arc<Door>),
    keys: &Arc<MemoryKeys>,
) -> Agent {
    let shared = Shared::new(hub.broker.clone(), TOKEN);
    let dialer: Arc<dyn Dialer> = Arc::new(Guarded(shared, door.clone()));
    let keys: Arc<dyn KeyStore> = keys.clone();
    let labels = BTreeMap::from([("region".to_owned(), "west".to_owned())]);
    Agent::start(
        Settings { labels, ..Settings::new(cluster()) },
        Parts {
            client: member.client(),
            dialer: Arc::new(Gated::new(dialer, gate.clone())),
            keys,
            clock: hub.clock.clone(),
            tasks: hub.tasks.clone(),
        },
    )
}

/// The status of one of a work's own conditions.
pub fn says<'a>(report: &'a ReportWork, kind: &str) -> Option<&'a str> {
    let conditions = &report.status.as_ref()?.conditions;
    conditions.iter().find(|c| c.r#type.as_deref() == Some(kind))?.status.as_deref()
}

/// Whether a work is reported as applied and available, for its n-th change.
pub fn is_well(report: &ReportWork, generation: i64) -> bool {
    let both = ["Applied", "Available"].map(|kind| says(report, kind) == Some("True"));
    report.generation == generation && both == [true, true]
}

/// The manifests of a report.
pub fn manifests(report: &ReportWork) -> Vec<fleetlog_messages::work::ManifestCondition> {
    let status = report.status.clone().unwrap_or_default();
    status.resource_status.unwrap_or_default().manifests
}

/// A value fed back of one manifest.
pub fn fed_back(report: &ReportWork, name: &str, value: &str) -> Option<i64> {
    let all = manifests(report);
    let is = |m: &&fleetlog_messages::work::ManifestCondition| {
        m.resource_meta.as_ref().is_some_and(|meta| meta.name.as_deref() == Some(name))
    };
    let values = &all.iter().find(is)?.status_feedback.as_ref()?.values;
    let found = values.iter().find(|v| v.name.as_deref() == Some(value))?;
    found.field_value.as_ref()?.integer
}

/// A spec that says something of every object of a resource.
pub fn configured(
    group: &str,
    resource: &str,
    change: impl FnOnce(&mut ManifestConfigOption),
) -> ManifestWorkSpec {
    let id = ResourceIdentifier {
        group: Some(group.into()),
        resource: Some(resource.into()),
        name: Some("*".into()),
        namespace: Some("*".into()),
    };
    let mut config =
        ManifestConfigOption { resource_identifier: Some(id), ..ManifestConfigOption::default() };
    change(&mut config);
    ManifestWorkSpec { manifest_configs: vec![config], ..ManifestWorkSpec::default() }
}

/// A spec whose deployments are fed back by what they are known for.
pub fn well_known() -> ManifestWorkSpec {
    configured("apps", "deployments", |config| {
        let rule = FeedbackRule { r#type: Some("WellKnownStatus".into()), json_paths: vec![] };
        config.feedback_rules = vec![rule];
    })
}

/// A spec with an update strategy for config maps.
pub fn strategy(update: UpdateStrategy) -> ManifestWorkSpec {
    configured("", "configmaps", |config| config.update_strategy = Some(update))
}

/// The manifests of the story, as published.
pub fn boutique() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/cli/demo/online-boutique.yaml");
    fleetlog_objects::yaml(&std::fs::read_to_string(path).unwrap()).unwrap()
}
