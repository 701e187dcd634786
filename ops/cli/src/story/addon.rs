//! The events of add-ons as sentences.

use super::{count, creates, list, name, waits, who};
use fleetlog_messages::addon::{
    AddOnEvent, ClusterManagementAddOn, ClusterManagementAddOnStatus, DefinitionEvent,
    InstallPlanned, ManagedClusterAddOnStatus, TemplateEvent, add_on_event, definition_event,
    template_event,
};
use fleetlog_messages::common::Condition;
use fleetlog_messages::envelope::Recorded;
use prost::Message as _;

/// How many clusters of a plan are named in a sentence.
const NAMED: usize = 5;

pub(super) fn definition(commit: &Recorded, event: &[u8]) -> Option<String> {
    use definition_event::Event;
    let name = name(commit);
    Some(match DefinitionEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let object = specified.definition.unwrap_or_default();
            if let Some(waits) = waits(object.metadata.as_ref()) {
                return Some(format!("add-on {name} {waits}"));
            }
            let verb = creates(commit, object.metadata.as_ref());
            format!("{} {verb} add-on {name}: {}", who(commit), installed(&object))
        }
        Event::InstallPlanned(planned) => {
            format!("plan {} of add-on {name}: {}", planned.plan, steps(&planned))
        }
        Event::Progressed(progressed) => {
            let status = progressed.status.unwrap_or_default();
            format!("add-on {name}: {}", progression(&status))
        }
        Event::Revisited(part) => {
            format!("add-on {name}: the clusters up to {} are seen to", part.through)
        }
        Event::DeletionRequested(asked) => format!("{} wants add-on {name} gone", asked.by),
        Event::Deleted(_) => format!("add-on {name} is gone, and all its installations"),
    })
}

fn installed(object: &ClusterManagementAddOn) -> String {
    let spec = object.spec.clone().unwrap_or_default();
    let strategy = spec.install_strategy.unwrap_or_default();
    if strategy.placements.is_empty() {
        return "installed by hand".to_owned();
    }
    let placed = strategy.placements.iter().map(|p| format!("{}/{}", p.namespace(), p.name()));
    format!("installed where {} says", list(&placed.collect::<Vec<_>>()))
}

fn steps(planned: &InstallPlanned) -> String {
    let named = |clusters: Vec<String>| {
        let all = clusters.len();
        let mut some: Vec<String> = clusters.into_iter().take(NAMED).collect();
        if all > NAMED {
            some.push(format!("{} more", all - NAMED));
        }
        list(&some)
    };
    let install: Vec<String> = planned.install.iter().map(|t| t.cluster.clone()).collect();
    let mut words = vec![];
    if !install.is_empty() {
        words.push(format!("install it on {}", named(install)));
    }
    if !planned.remove.is_empty() {
        words.push(format!("remove it from {}", named(planned.remove.clone())));
    }
    for turn in &planned.turns {
        words.push(format!("give {} to {}", turn.template, named(turn.clusters.clone())));
    }
    if !planned.timed_out.is_empty() {
        words.push(format!("waited too long for {}", named(planned.timed_out.clone())));
    }
    if words.is_empty() { "nothing to do".to_owned() } else { words.join(", ") }
}

fn progression(status: &ClusterManagementAddOnStatus) -> String {
    let of = |p: &fleetlog_messages::addon::InstallProgression| {
        let said = p.conditions.iter().find(|c| c.r#type() == "Progressing");
        format!("{}/{} {}", p.namespace(), p.name(), said.map_or("", Condition::message))
    };
    match status.install_progressions.as_slice() {
        [] => match status.defaultconfig_references.len() {
            0 => "its defaults are not there".to_owned(),
            some => format!("{} by default", count(some, "configuration")),
        },
        some => list(&some.iter().map(of).collect::<Vec<_>>()),
    }
}

pub(super) fn add_on(commit: &Recorded, event: &[u8]) -> Option<String> {
    use add_on_event::Event;
    let name = &commit.aggregate.name;
    let cluster = commit.aggregate.scope.as_deref().unwrap_or_default();
    Some(match AddOnEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let object = specified.add_on.unwrap_or_default();
            if let Some(waits) = waits(object.metadata.as_ref()) {
                return Some(format!("add-on {name} on {cluster} {waits}"));
            }
            let verb = match creates(commit, object.metadata.as_ref()) {
                "creates" => "installs",
                other => other,
            };
            let by = match specified.placement.as_str() {
                "" => String::new(),
                placement => format!(", chosen by {placement}"),
            };
            format!("{} {verb} add-on {name} on {cluster}{by}", who(commit))
        }
        Event::Progressed(progressed) => {
            let status = progressed.status.unwrap_or_default();
            format!("add-on {name} on {cluster}: {}", state(&status))
        }
        Event::DeletionRequested(asked) => {
            let by = match asked.by.split_once(':') {
                Some(("service", service)) => format!("the {service} service"),
                _ => asked.by,
            };
            format!("{by} wants add-on {name} off {cluster}")
        }
        Event::Deleted(_) => format!("add-on {name} is gone from {cluster}"),
    })
}

fn state(status: &ManagedClusterAddOnStatus) -> String {
    let said = |kind: &str| {
        let found = status.conditions.iter().find(|c| c.r#type() == kind)?;
        Some(format!("{kind} {} ({})", found.status(), found.reason()))
    };
    let words: Vec<String> = ["Progressing", "Available"].into_iter().filter_map(said).collect();
    list(&words)
}

pub(super) fn template(commit: &Recorded, event: &[u8]) -> Option<String> {
    use template_event::Event;
    let name = name(commit);
    Some(match TemplateEvent::decode(event).ok()?.event? {
        Event::Specified(specified) => {
            let object = specified.template.unwrap_or_default();
            if let Some(waits) = waits(object.metadata.as_ref()) {
                return Some(format!("template {name} {waits}"));
            }
            let verb = creates(commit, object.metadata.as_ref());
            let spec = object.spec.unwrap_or_default();
            let workload = spec.agent_spec.as_ref().and_then(|agent| agent.workload.as_ref());
            let manifests = workload.map_or(0, |workload| workload.manifests.len());
            let of = spec.addon_name();
            let manifests = count(manifests, "manifest");
            format!("{} {verb} template {name} of add-on {of}: {manifests}", who(commit))
        }
        Event::DeletionRequested(asked) => format!("{} wants template {name} gone", asked.by),
        Event::Deleted(deleted) if deleted.by.is_empty() => format!("template {name} is gone"),
        Event::Deleted(deleted) => format!("{} removes template {name}", deleted.by),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tell;
    use super::super::tests::commit;
    use super::*;
    use fleetlog_kernel::Service;
    use fleetlog_messages::addon::{
        AddOnDeletionRequested, AddOnSpecified, ConfigTurn, DefinitionDeleted, InstallTarget,
        TemplateDeleted,
    };
    use fleetlog_messages::subject::AggregateId;

    fn told_of_definition(kind: &str, event: definition_event::Event) -> String {
        let id = AggregateId::global(Service::Addon, "definition", "metrics");
        let event = DefinitionEvent { event: Some(event) };
        tell(&commit(id, "DefinitionEvent", kind, &event))[0].says.clone()
    }

    fn told_of_add_on(kind: &str, event: add_on_event::Event) -> String {
        let id = AggregateId::namespaced(Service::Addon, "clusteraddon", "c1", "metrics");
        let event = AddOnEvent { event: Some(event) };
        tell(&commit(id, "AddOnEvent", kind, &event))[0].says.clone()
    }

    #[test]
    fn a_plan_names_its_clusters() {
        let target =
            |cluster: &str| InstallTarget { cluster: cluster.into(), ..Default::default() };
        let planned = InstallPlanned {
            plan: 2,
            install: vec![target("c1"), target("c2")],
            remove: vec!["c3".into()],
            ..InstallPlanned::default()
        };
        let words =
            told_of_definition("InstallPlanned", definition_event::Event::InstallPlanned(planned));
        assert_eq!(words, "plan 2 of add-on metrics: install it on c1 and c2, remove it from c3");
        let turn = ConfigTurn {
            template: "metrics-2".into(),
            clusters: vec!["c1".into(), "c2".into()],
            ..ConfigTurn::default()
        };
        let planned = InstallPlanned {
            plan: 3,
            turns: vec![turn],
            timed_out: vec!["c3".into()],
            ..InstallPlanned::default()
        };
        let words =
            told_of_definition("InstallPlanned", definition_event::Event::InstallPlanned(planned));
        let said = "plan 3 of add-on metrics: give metrics-2 to c1 and c2, waited too long for c3";
        assert_eq!(words, said);
        let gone = definition_event::Event::Deleted(DefinitionDeleted {});
        let words = told_of_definition("DefinitionDeleted", gone);
        assert_eq!(words, "add-on metrics is gone, and all its installations");
    }

    #[test]
    fn an_installation_says_who_chose_its_cluster() {
        let specified = AddOnSpecified { placement: "ops/edge".into(), ..Default::default() };
        let words = told_of_add_on("AddOnSpecified", add_on_event::Event::Specified(specified));
        assert_eq!(words, "admin installs add-on metrics on c1, chosen by ops/edge");
        let asked = AddOnDeletionRequested { by: "service:addon".into(), ..Default::default() };
        let words =
            told_of_add_on("AddOnDeletionRequested", add_on_event::Event::DeletionRequested(asked));
        assert_eq!(words, "the addon service wants add-on metrics off c1");
    }

    #[test]
    fn a_template_that_goes_says_who_removed_it() {
        let id = AggregateId::global(Service::Addon, "template", "metrics-1");
        let deleted = template_event::Event::Deleted(TemplateDeleted { by: "admin".into() });
        let event = TemplateEvent { event: Some(deleted) };
        let told = tell(&commit(id, "TemplateEvent", "TemplateDeleted", &event));
        assert_eq!(told[0].says, "admin removes template metrics-1");
    }
}
