//! What an add-on serves as its status: configuration, manifests, progress and health, as its
//! template, its work and its cluster make them (spec 2.4, 2.5, 2.11). Equal to what is served when
//! nothing moved, whatever the time.

use crate::conditions::Saying;
use crate::config::Config;
use crate::names::{AddOnKey, GROUP, TEMPLATES, kind};
use crate::render::{self, Workload};
use crate::state::{AddOn, Definition, Template};
use crate::turns::Turn;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::addon::{
    ConfigGroupResource, ConfigReference, ConfigSpecHash, HealthCheck, ManagedClusterAddOnStatus,
    SeenMember, SeenWork,
};
use fleetlog_messages::common::{Condition, ObjectMeta};
use fleetlog_messages::work::ManifestCondition;
use fleetlog_rules::condition::{self, Status};

/// What the status of an add-on follows from.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Which add-on.
    pub key: &'a AddOnKey,
    /// The add-on.
    pub add_on: &'a AddOn,
    /// Its definition.
    pub definition: Option<&'a Definition>,
    /// What it is rendered from.
    pub template: Source<'a>,
    /// Whether it is its turn to be.
    pub turn: &'a Turn,
    /// What it has until its turn comes, if there is a template that still says it.
    pub has: Option<&'a Template>,
    /// Its work.
    pub work: Option<&'a SeenWork>,
    /// Its cluster.
    pub cluster: Option<&'a SeenMember>,
}

/// What an add-on is rendered from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Nothing names a template.
    Unnamed,
    /// The named template does not exist.
    Missing(&'a str),
    /// The named template is another add-on's.
    Foreign(&'a str),
    /// The template.
    Found(&'a Template),
}

/// How far the work is with what the template says now.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    NoWork,
    /// The work has an older configuration, or its agent has not reported of the newest.
    Waiting,
    Failed(String),
    Applied,
    /// Applied, and all objects exist.
    Complete,
}

/// Reason, message and status of a condition.
type Verdict = (Status, &'static str, String);

/// The status.
#[must_use]
pub fn status(scene: Scene<'_>, at: Timestamp) -> ManagedClusterAddOnStatus {
    let served = scene.add_on.object().and_then(|object| object.status.clone());
    let served = served.unwrap_or_default();
    let stage = stage(scene);
    let mut saying = Saying::new(&served.conditions, scene.add_on.generation(), at);
    let mut say = |kind: &str, (status, reason, message): Verdict| {
        if !is_others(scene, kind) {
            saying.say(kind, status, reason, &message);
        }
    };
    say(kind::CONFIGURED, configured(scene.template));
    let nothing = "the template asks for no registration".to_owned();
    say(kind::REGISTERED, (Status::True, "NilRegistration", nothing));
    say(kind::APPLIED, applied(&stage));
    say(kind::PROGRESSING, progressing(scene, &stage));
    say(kind::AVAILABLE, available(scene, &stage));
    let namespace = match (scene.turn, scene.template) {
        (Turn::Waits(_), _) => scene.has.map(render::namespace).or(served.namespace),
        (Turn::Come, Source::Unnamed) if run_by_others(scene) => served.namespace,
        (Turn::Come, Source::Found(template)) => Some(render::namespace(template)),
        (Turn::Come, Source::Unnamed | Source::Missing(_) | Source::Foreign(_)) => None,
    };
    let spec = scene.definition.and_then(|d| d.object()?.spec.as_ref());
    let supported = spec.map_or(&[][..], |spec| &spec.supported_configs);
    let kinds = supported.iter().map(|config| ConfigGroupResource {
        group: config.group.clone(),
        resource: config.resource.clone(),
    });
    ManagedClusterAddOnStatus {
        conditions: saying.end(),
        add_on_meta: spec.and_then(|spec| spec.add_on_meta.clone()),
        supported_configs: kinds.collect(),
        config_references: references(scene, &stage, &served.config_references),
        namespace,
        health_check: match run_by_others(scene) {
            true => served.health_check,
            false => Some(HealthCheck { mode: Some("Customized".to_owned()) }),
        },
        related_objects: served.related_objects,
        registrations: served.registrations,
        kube_client_driver: served.kube_client_driver,
    }
}

/// Whether another than this service runs the add-on and says how it is: no template names what it
/// runs, it has no work of the service's, and somebody has written its status.
fn run_by_others(scene: Scene<'_>) -> bool {
    let unnamed = matches!(scene.template, Source::Unnamed) && scene.work.is_none();
    unnamed && !scene.add_on.state().written.is_empty()
}

/// Whether a condition is for another to say (spec 2.4). Of a cluster that is silent nobody can say
/// that an add-on is available.
fn is_others(scene: Scene<'_>, kind: &str) -> bool {
    let silent = scene.cluster.is_some_and(|cluster| cluster.available == Some(false));
    let said = kind != kind::AVAILABLE || !silent;
    said && run_by_others(scene) && scene.add_on.is_written(kind)
}

fn stage(scene: Scene<'_>) -> Stage {
    let Some(work) = scene.work else { return Stage::NoWork };
    let current = match (scene.turn, scene.template) {
        (Turn::Waits(has), _) => has.as_ref().is_some_and(|c| work.config_hashes == c.hashes()),
        (Turn::Come, Source::Found(t)) => work.config_hashes == Config::of(t).hashes(),
        (Turn::Come, Source::Unnamed | Source::Missing(_) | Source::Foreign(_)) => true,
    };
    if !current || work.deleting || work.reported_generation != work.generation {
        return Stage::Waiting;
    }
    let conditions = work.status.as_ref().map_or(&[][..], |status| &status.conditions);
    match condition::find(conditions, "Applied") {
        None => Stage::Waiting,
        Some(applied) if applied.status() != "True" => Stage::Failed(applied.message().to_owned()),
        Some(_) if condition::is(conditions, "Available", Status::True) => Stage::Complete,
        Some(_) => Stage::Applied,
    }
}

fn configured(template: Source<'_>) -> Verdict {
    let not = |message: String| (Status::False, "ConfigurationsNotConfigured", message);
    match template {
        Source::Unnamed => not("no AddOnTemplate is named".to_owned()),
        Source::Missing(name) => not(format!("AddOnTemplate \"{name}\" does not exist")),
        Source::Foreign(name) => not(format!("AddOnTemplate \"{name}\" is of another add-on")),
        Source::Found(template) => {
            let name = template.metadata().map_or("", ObjectMeta::name);
            let message = format!("AddOnTemplate \"{name}\" is found");
            (Status::True, "ConfigurationsConfigured", message)
        }
    }
}

fn applied(stage: &Stage) -> Verdict {
    match stage {
        Stage::NoWork | Stage::Waiting => {
            let message = "the cluster has not reported on the manifests yet".to_owned();
            (Status::False, "WaitingForManifestApplied", message)
        }
        Stage::Failed(why) => (Status::False, "ManifestWorkApplyFailed", why.clone()),
        Stage::Applied | Stage::Complete => {
            (Status::True, "AddonManifestApplied", "all manifests are applied".to_owned())
        }
    }
}

fn progressing(scene: Scene<'_>, stage: &Stage) -> Verdict {
    let goes_on = |message: &str| (Status::True, "Progressing", message.to_owned());
    if let Turn::Waits(_) = scene.turn {
        let message = "other clusters get the configuration first: waiting for its turn";
        return (Status::True, "WaitingForCanary", message.to_owned());
    }
    match (scene.template, stage) {
        (Source::Unnamed, _) => {
            let message = "there is no configuration to bring it to".to_owned();
            (Status::False, "ConfigurationUnsupported", message)
        }
        (Source::Missing(_) | Source::Foreign(_), _) => goes_on("waiting for its template"),
        (_, Stage::NoWork) => goes_on("its work is being made"),
        (_, Stage::Waiting) => goes_on("its work is on its way to the cluster"),
        (_, Stage::Failed(why)) => (Status::False, "Failed", why.clone()),
        (_, Stage::Applied) => goes_on("not all of its objects exist yet"),
        (_, Stage::Complete) => (Status::False, "Completed", "it has its configuration".to_owned()),
    }
}

fn available(scene: Scene<'_>, stage: &Stage) -> Verdict {
    let unknown = |reason, message: &str| (Status::Unknown, reason, message.to_owned());
    if scene.cluster.is_some_and(|cluster| cluster.available == Some(false)) {
        let message = "the cluster has stopped to renew its lease";
        return unknown("ManagedClusterLeaseUpdateStopped", message);
    }
    if scene.work.is_none() {
        return unknown("WorkNotFound", "it has no work on the cluster");
    }
    let probes = match (scene.turn, scene.has, scene.template) {
        (Turn::Waits(_), Some(template), _) | (Turn::Come, _, Source::Found(template)) => {
            render::workloads(template, scene.key)
        }
        (Turn::Waits(_), None, _) => probed(scene.work).filter_map(told).collect(),
        (Turn::Come, _, Source::Unnamed | Source::Missing(_) | Source::Foreign(_)) => vec![],
    };
    match stage {
        Stage::Failed(why) => return (Status::False, "WorkApplyFailed", why.clone()),
        Stage::NoWork => return unknown("WorkNotFound", "it has no work on the cluster"),
        Stage::Waiting if probed(scene.work).next().is_none() => {
            return unknown("WorkNotApplied", "its work is not applied yet");
        }
        Stage::Waiting | Stage::Applied | Stage::Complete => {}
    }
    if probes.is_empty() {
        return (Status::True, "WorkApplied", "its work is applied".to_owned());
    }
    healthy(&probes, scene.work)
}

/// Health by the workloads' own states: those that are known decide (spec 2.11).
fn healthy(probes: &[Workload], work: Option<&SeenWork>) -> Verdict {
    let mut known = 0;
    for probe in probes {
        let found = probed(work).find(|manifest| is_of(manifest, probe));
        let value = |name: &str| found.and_then(|manifest| integer(manifest, name));
        let names = match probe.kind.as_str() {
            "DaemonSet" => ["DesiredNumberScheduled", "NumberReady"],
            _ => ["Replicas", "ReadyReplicas"],
        };
        let [want, have] = names.map(value);
        if want.is_none() && have.is_none() && !probe.idle {
            continue;
        }
        known += 1;
        let have = have.unwrap_or_default();
        let enough = match probe.kind.as_str() {
            "DaemonSet" => have >= want.unwrap_or_default(),
            _ => probe.idle || have >= 1,
        };
        if !enough {
            let Workload { kind, namespace, name, .. } = probe;
            let message = format!("{kind} \"{namespace}/{name}\" is not ready");
            return (Status::False, "ProbeUnavailable", message);
        }
    }
    if known == 0 {
        let message = "the cluster has not told of its workloads yet".to_owned();
        return (Status::Unknown, "NoProbeResult", message);
    }
    (Status::True, "ProbeAvailable", "its workloads are ready".to_owned())
}

/// What is known of the manifests whose state is fed back.
fn probed(work: Option<&SeenWork>) -> impl Iterator<Item = &ManifestCondition> {
    let status = work.and_then(|work| work.status.as_ref());
    let resources = status.and_then(|status| status.resource_status.as_ref());
    let manifests = resources.map_or(&[][..], |resources| &resources.manifests);
    manifests.iter().filter(|manifest| manifest.status_feedback.is_some())
}

/// The workload that a manifest tells of, where no template says any more what it should be.
fn told(manifest: &ManifestCondition) -> Option<Workload> {
    let meta = manifest.resource_meta.as_ref()?;
    let known = matches!(meta.kind(), "Deployment" | "DaemonSet");
    known.then(|| Workload {
        kind: meta.kind().to_owned(),
        namespace: meta.namespace().to_owned(),
        name: meta.name().to_owned(),
        idle: false,
    })
}

fn is_of(manifest: &ManifestCondition, probe: &Workload) -> bool {
    manifest.resource_meta.as_ref().is_some_and(|meta| {
        meta.kind() == probe.kind
            && meta.name() == probe.name
            && meta.namespace() == probe.namespace
    })
}

fn integer(manifest: &ManifestCondition, name: &str) -> Option<i64> {
    let values = &manifest.status_feedback.as_ref()?.values;
    let found = values.iter().find(|value| value.name() == name)?;
    found.field_value.as_ref()?.integer
}

/// The configuration that is wanted, and the one that was reached last.
fn references(scene: Scene<'_>, stage: &Stage, served: &[ConfigReference]) -> Vec<ConfigReference> {
    let config = match (scene.turn, scene.template) {
        (Turn::Waits(None), _) | (Turn::Come, Source::Unnamed) => return vec![],
        (Turn::Waits(Some(has)), _) => has.clone(),
        (Turn::Come, Source::Missing(name) | Source::Foreign(name)) => {
            Config { template: name.to_owned(), hash: String::new() }
        }
        (Turn::Come, Source::Found(template)) => Config::of(template),
    };
    let (name, hash) = (config.template.as_str(), config.hash.as_str());
    let desired = spec_hash(name, hash);
    let before = served.iter().find(|c| c.group() == GROUP && c.resource() == TEMPLATES);
    let reached = match stage {
        Stage::Complete if !hash.is_empty() => Some(desired.clone()),
        _ => before.and_then(|config| config.last_applied_config.clone()),
    };
    vec![ConfigReference {
        group: Some(GROUP.to_owned()),
        resource: Some(TEMPLATES.to_owned()),
        name: Some(name.to_owned()),
        desired_config: Some(desired),
        last_applied_config: reached,
        ..ConfigReference::default()
    }]
}

/// A template and its hash; a missing one has an empty hash (spec 2.5).
#[must_use]
pub(crate) fn spec_hash(name: &str, hash: &str) -> ConfigSpecHash {
    ConfigSpecHash {
        name: Some(name.to_owned()),
        spec_hash: Some(hash.to_owned()),
        ..ConfigSpecHash::default()
    }
}

/// The template that a status says the add-on should have; `None` where there is none.
#[must_use]
pub fn desired(status: &ManagedClusterAddOnStatus) -> Option<Config> {
    let mut all = status.config_references.iter();
    let found = all.find(|c| c.group() == GROUP && c.resource() == TEMPLATES)?;
    let desired = found.desired_config.as_ref().filter(|d| !d.spec_hash().is_empty())?;
    let (template, hash) = (desired.name().to_owned(), desired.spec_hash().to_owned());
    Some(Config { template, hash })
}

/// Whether an add-on's own status says that it has its configuration.
#[must_use]
pub fn progress(conditions: &[Condition]) -> Progress {
    match condition::find(conditions, kind::PROGRESSING) {
        Some(said) if said.reason() == "Completed" => Progress::Completed,
        Some(said) if said.status() == "False" => Progress::Failed,
        _ => Progress::Under,
    }
}

/// How far an add-on is with its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Under,
    /// It has it.
    Completed,
    /// It could not be brought to it.
    Failed,
}
