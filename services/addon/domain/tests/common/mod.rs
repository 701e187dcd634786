//! What the tests of add-ons build their cases from.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use fleetlog_addon_domain::command::{
    AddOnCommand, Apply, Chosen, Defined, DefinitionCommand, Member, OfAddOn, OfDefinition,
    OfTemplate, TemplateCommand, Work,
};
use fleetlog_addon_domain::names::{AddOnKey, DEFINITION_FINALIZER, FINALIZER, PlacementKey};
use fleetlog_kernel::{CommandId, Position, Timestamp, Uid};
use fleetlog_messages::addon::{
    AddOnSpecified, AddOnTemplate, ClusterManagementAddOn, DefinitionSpecified, InstallPlanned,
    InstallTarget, ManagedClusterAddOn, ManagedClusterAddOnSpec, TemplateSpecified,
    add_on_event::Event as AddOnEvent, definition_event::Event as DefinitionEvent,
    template_event::Event as TemplateEvent,
};
use fleetlog_messages::common::{ObjectMeta, OwnerReference};
use fleetlog_rules::metadata::Change;
use serde_json::{Value, json};

pub const NOW: Timestamp = Timestamp::of_seconds(1_700_000_000);

pub fn object<T: fleetlog_messages::ApiObject>(value: Value) -> T {
    fleetlog_objects::read::<T>(value).unwrap().0
}

pub fn uid() -> Uid {
    Uid::derived(&CommandId::new("c"), "test")
}

pub fn meta(namespace: &str, name: &str, finalizers: &[&str]) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        uid: Some(uid().to_string()),
        generation: Some(1),
        creation_timestamp: Some(fleetlog_rules::time(NOW)),
        finalizers: finalizers.iter().map(|f| (*f).to_owned()).collect(),
        ..ObjectMeta::default()
    }
}

/// The definition `metrics`, installed where these placements of `ops` say; by hand without any.
pub fn definition(placements: &[&str]) -> ClusterManagementAddOn {
    let placed = placements.iter().map(|name| json!({"namespace": "ops", "name": name}));
    let strategy = match placements {
        [] => json!({"type": "Manual"}),
        _ => json!({"type": "Placements", "placements": placed.collect::<Vec<_>>()}),
    };
    object(json!({
        "apiVersion": "addon.open-cluster-management.io/v1alpha1",
        "kind": "ClusterManagementAddOn",
        "metadata": {"name": "metrics"},
        "spec": {
            "addOnMeta": {"displayName": "Metrics"},
            "supportedConfigs": [{
                "group": "addon.open-cluster-management.io", "resource": "addontemplates",
                "defaultConfig": {"name": "metrics-1"},
            }],
            "installStrategy": strategy,
        },
    }))
}

pub fn defined(placements: &[&str]) -> DefinitionEvent {
    let metadata = Some(meta("", "metrics", &[DEFINITION_FINALIZER]));
    let definition = Some(ClusterManagementAddOn { metadata, ..definition(placements) });
    DefinitionEvent::Specified(DefinitionSpecified { definition })
}

pub fn of_definition(command: DefinitionCommand) -> OfDefinition {
    OfDefinition { name: "metrics".into(), uid: uid(), command }
}

pub fn applying<T>(object: T) -> Box<Apply<T>> {
    Box::new(Apply { object, resource_version: String::new(), change: Change::Merge })
}

pub fn target(cluster: &str, placement: &str) -> InstallTarget {
    InstallTarget { cluster: cluster.into(), placement: placement.into() }
}

pub fn planned(plan: u64, install: &[(&str, &str)], remove: &[&str]) -> DefinitionEvent {
    DefinitionEvent::InstallPlanned(InstallPlanned {
        plan,
        generation: 1,
        install: install.iter().map(|(c, p)| target(c, p)).collect(),
        remove: remove.iter().map(|c| (*c).to_owned()).collect(),
        decision: 5,
        ..InstallPlanned::default()
    })
}

pub fn chosen(placement: &str, clusters: &[&str]) -> (PlacementKey, Chosen) {
    let clusters = clusters.iter().map(|c| (*c).to_owned()).collect();
    (PlacementKey::new("ops", placement), Chosen { clusters, position: Position(5) })
}

pub fn key() -> AddOnKey {
    AddOnKey::new("c1", "metrics")
}

pub fn owner() -> OwnerReference {
    OwnerReference {
        api_version: Some("addon.open-cluster-management.io/v1alpha1".into()),
        kind: Some("ClusterManagementAddOn".into()),
        name: Some("metrics".into()),
        uid: Some("u".into()),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A command on the add-on `metrics` of `c1`, whose cluster and definition are there.
pub fn of_add_on(command: AddOnCommand) -> OfAddOn {
    OfAddOn {
        key: key(),
        uid: uid(),
        cluster: Member::Known,
        definition: Defined::Here(Box::new(owner())),
        work: Work::None,
        command,
    }
}

pub fn add_on() -> ManagedClusterAddOn {
    let given = ObjectMeta { name: Some("metrics".into()), ..ObjectMeta::default() };
    let spec = Some(ManagedClusterAddOnSpec::default());
    ManagedClusterAddOn { metadata: Some(given), spec, ..ManagedClusterAddOn::default() }
}

pub fn installed(placement: &str) -> AddOnEvent {
    let metadata =
        ObjectMeta { owner_references: vec![owner()], ..meta("c1", "metrics", &[FINALIZER]) };
    let decision = if placement.is_empty() { 0 } else { 5 };
    let add_on = Some(ManagedClusterAddOn { metadata: Some(metadata), ..add_on() });
    AddOnEvent::Specified(AddOnSpecified { add_on, placement: placement.into(), decision })
}

pub fn of_template(command: TemplateCommand) -> OfTemplate {
    OfTemplate { name: "metrics-1".into(), uid: uid(), command }
}

pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "agent", "namespace": "metrics"},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [
                {"name": "agent", "image": "m:1", "args": ["--cluster={{CLUSTER_NAME}}", "{{X}}"]},
            ]}},
        },
    })
}

pub fn account() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "agent", "namespace": "metrics"},
    })
}

pub fn template(manifests: &[Value]) -> AddOnTemplate {
    object(json!({
        "apiVersion": "addon.open-cluster-management.io/v1alpha1",
        "kind": "AddOnTemplate",
        "metadata": {"name": "metrics-1"},
        "spec": {
            "addonName": "metrics",
            "agentSpec": {"workload": {"manifests": manifests}},
        },
    }))
}

pub fn templated(manifests: &[Value]) -> TemplateEvent {
    let metadata = Some(meta("", "metrics-1", &[]));
    let template = Some(AddOnTemplate { metadata, ..template(manifests) });
    TemplateEvent::Specified(TemplateSpecified { template })
}
