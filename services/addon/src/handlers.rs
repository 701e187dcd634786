//! Requests as the domain's commands, and its decisions as commits. What a decision needs of other
//! aggregates is attached here, from the projection.

use crate::decode::{ADD_ON_EVENT, DEFINITION_EVENT, TEMPLATE_EVENT};
use bytes::Bytes;
use fleetlog_addon_domain::command::{
    AddOnCommand, Apply, Defined, DefinitionCommand, Member, OfAddOn, OfDefinition, OfTemplate,
    Planned, TemplateCommand, Work,
};
use fleetlog_addon_domain::names::{ADD_ON, API_VERSION, AddOnKey, DEFINITION, TEMPLATE};
use fleetlog_addon_domain::{AddOn, Definition, Fleet, Refusal, Template};
use fleetlog_chassis::{Decided, Denied, Origin, Request};
use fleetlog_kernel::{Decider, Service, Uid};
use fleetlog_messages::addon::{
    AddOnCommand as AddOnMessage, AddOnEvent, ApplyAddOn, ApplyDefinition, ApplyTemplate,
    DefinitionCommand as DefinitionMessage, DefinitionEvent, RevisitInstall,
    TemplateCommand as TemplateMessage, TemplateEvent, add_on_command, add_on_event,
    definition_command, definition_event, template_command, template_event,
};
use fleetlog_messages::common::OwnerReference;
use fleetlog_messages::subject::AggregateId;
use fleetlog_rules::metadata::Change;
use prost::Message;

/// Decides a request on what the fleet is now.
///
/// # Errors
/// A refusal, or that the payload cannot be read.
pub(crate) fn decide(fleet: &Fleet, request: &Request) -> Result<Vec<Decided>, Denied> {
    let target = &request.target;
    match (target.kind.as_str(), &target.scope) {
        (DEFINITION, None) => of_definition(fleet, request),
        (ADD_ON, Some(cluster)) => of_add_on(fleet, request, AddOnKey::new(cluster, &target.name)),
        (TEMPLATE, None) => of_template(fleet, request),
        (kind, _) => Err(denied(Refusal::Kind { kind: kind.to_owned() })),
    }
}

/// Whether a command is one that waits for changes that come together.
pub(crate) fn settles(target: &AggregateId, payload: &Bytes) -> bool {
    let command = || DefinitionMessage::decode(payload.clone()).ok()?.command;
    target.kind == DEFINITION
        && matches!(command(), Some(definition_command::Command::Summarize(_)))
}

fn denied(refusal: Refusal) -> Denied {
    Denied::Refused((&refusal).into())
}

fn read<M: Message + Default>(request: &Request) -> Result<M, Denied> {
    M::decode(request.payload.clone())
        .map_err(|error| Denied::Unreadable(format!("the payload cannot be read: {error}")))
}

fn empty() -> Denied {
    Denied::Unreadable("the command is empty or of a later version".to_owned())
}

fn of_definition(fleet: &Fleet, request: &Request) -> Result<Vec<Decided>, Denied> {
    let name = request.target.name.clone();
    let unborn = Definition::default();
    let definition = fleet.definitions().get(&name).unwrap_or(&unborn);
    let message = read::<DefinitionMessage>(request)?.command.ok_or_else(empty)?;
    let command = match message {
        definition_command::Command::Apply(ApplyDefinition {
            definition,
            resource_version,
            replace_metadata,
        }) => DefinitionCommand::Apply(apply(definition, resource_version, replace_metadata)?),
        definition_command::Command::Delete(_) => {
            let (by, add_ons) = (request.origin.to_string(), fleet.count_of(&name));
            DefinitionCommand::Delete { by, add_ons }
        }
        definition_command::Command::Plan(message) => {
            from_addon(request, "PlanInstall")?;
            let chosen = fleet.chosen(definition);
            DefinitionCommand::Plan {
                stages: fleet.stages(&name, &chosen),
                chosen,
                installed: fleet.installed(&name),
                lost: message.lost.into_iter().collect(),
            }
        }
        definition_command::Command::Revisit(RevisitInstall { after }) => {
            from_addon(request, "RevisitInstall")?;
            let through = fleet.part(&name, &after).last().map(|key| key.cluster);
            DefinitionCommand::Revisit { after, through }
        }
        definition_command::Command::WriteStatus(write) => {
            DefinitionCommand::WriteStatus(Box::new(write))
        }
        definition_command::Command::Summarize(_) => {
            from_addon(request, "SummarizeInstall")?;
            let add_ons = fleet.count_of(&name);
            let status = Box::new(fleet.summary(&name, request.at));
            DefinitionCommand::Summarize { add_ons, status }
        }
    };
    let asked = OfDefinition { name, uid: uid(request), command };
    let events = definition.decide(&asked, request.at).map_err(denied)?;
    let encoded = |event: definition_event::Event| {
        let name = match &event {
            definition_event::Event::Specified(_) => "DefinitionSpecified",
            definition_event::Event::InstallPlanned(_) => "InstallPlanned",
            definition_event::Event::Revisited(_) => "InstallRevisited",
            definition_event::Event::Progressed(_) => "DefinitionProgressed",
            definition_event::Event::DeletionRequested(_) => "DefinitionDeletionRequested",
            definition_event::Event::Deleted(_) => "DefinitionDeleted",
        };
        (name, DefinitionEvent { event: Some(event) }.encode_to_vec().into())
    };
    Ok(decided(request, DEFINITION_EVENT, events.into_iter().map(encoded).collect()))
}

fn of_add_on(fleet: &Fleet, request: &Request, key: AddOnKey) -> Result<Vec<Decided>, Denied> {
    let unborn = AddOn::default();
    let add_on = fleet.add_ons().get(&key).unwrap_or(&unborn);
    let message = read::<AddOnMessage>(request)?.command.ok_or_else(empty)?;
    let command = add_on_command(fleet, request, &key, message)?;
    let known = fleet.has_cluster(&key.cluster);
    let asked = OfAddOn {
        uid: uid(request),
        cluster: if known { Member::Known } else { Member::Unknown },
        definition: defined(fleet, &key.name),
        work: if fleet.work(&key).is_some() { Work::Here } else { Work::None },
        command,
        key,
    };
    let events = add_on.decide(&asked, request.at).map_err(denied)?;
    let encoded = |event: add_on_event::Event| {
        let name = match &event {
            add_on_event::Event::Specified(_) => "AddOnSpecified",
            add_on_event::Event::Progressed(_) => "AddOnProgressed",
            add_on_event::Event::DeletionRequested(_) => "AddOnDeletionRequested",
            add_on_event::Event::Deleted(_) => "AddOnDeleted",
        };
        (name, AddOnEvent { event: Some(event) }.encode_to_vec().into())
    };
    Ok(decided(request, ADD_ON_EVENT, events.into_iter().map(encoded).collect()))
}

fn add_on_command(
    fleet: &Fleet,
    request: &Request,
    key: &AddOnKey,
    message: add_on_command::Command,
) -> Result<AddOnCommand, Denied> {
    let by = request.origin.to_string();
    let planned = || if fleet.is_planned(key) { Planned::Still } else { Planned::NoMore };
    Ok(match message {
        add_on_command::Command::Apply(ApplyAddOn {
            add_on,
            resource_version,
            replace_metadata,
        }) => AddOnCommand::Apply(apply(add_on, resource_version, replace_metadata)?),
        add_on_command::Command::Delete(_) => match request.origin {
            Origin::User(_) | Origin::Service { from: Service::Core, .. } => {
                AddOnCommand::Delete { by }
            }
            Origin::Service { .. } | Origin::Timer { .. } | Origin::Agent(_) => {
                AddOnCommand::Abandon { by }
            }
        },
        add_on_command::Command::Install(message) => {
            from_addon(request, "InstallAddOn")?;
            let (placement, decision) = (message.placement, message.decision);
            AddOnCommand::Install { placement, decision, planned: planned() }
        }
        add_on_command::Command::Uninstall(_) => {
            from_addon(request, "UninstallAddOn")?;
            AddOnCommand::Uninstall { by, planned: planned() }
        }
        add_on_command::Command::WriteStatus(write) => AddOnCommand::WriteStatus(Box::new(write)),
        add_on_command::Command::Assess(_) => {
            from_addon(request, "AssessAddOn")?;
            AddOnCommand::Assess(Box::new(fleet.status(key, request.at)))
        }
    })
}

fn defined(fleet: &Fleet, name: &str) -> Defined {
    let Some(definition) = fleet.definitions().get(name) else { return Defined::Missing };
    if definition.is_deleting() {
        return Defined::Leaving;
    }
    Defined::Here(Box::new(OwnerReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some("ClusterManagementAddOn".to_owned()),
        name: Some(name.to_owned()),
        uid: definition.metadata().and_then(|meta| meta.uid.clone()),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }))
}

fn of_template(fleet: &Fleet, request: &Request) -> Result<Vec<Decided>, Denied> {
    let name = request.target.name.clone();
    let unborn = Template::default();
    let template = fleet.templates().get(&name).unwrap_or(&unborn);
    let message = read::<TemplateMessage>(request)?.command.ok_or_else(empty)?;
    let command = match message {
        template_command::Command::Apply(ApplyTemplate {
            template,
            resource_version,
            replace_metadata,
        }) => TemplateCommand::Apply(apply(template, resource_version, replace_metadata)?),
        template_command::Command::Delete(_) => {
            TemplateCommand::Delete { by: request.origin.to_string() }
        }
    };
    let asked = OfTemplate { name, uid: uid(request), command };
    let events = template.decide(&asked, request.at).map_err(denied)?;
    let encoded = |event: template_event::Event| {
        let name = match &event {
            template_event::Event::Specified(_) => "TemplateSpecified",
            template_event::Event::DeletionRequested(_) => "TemplateDeletionRequested",
            template_event::Event::Deleted(_) => "TemplateDeleted",
        };
        (name, TemplateEvent { event: Some(event) }.encode_to_vec().into())
    };
    Ok(decided(request, TEMPLATE_EVENT, events.into_iter().map(encoded).collect()))
}

fn apply<T>(
    object: Option<T>,
    resource_version: String,
    replace: bool,
) -> Result<Box<Apply<T>>, Denied> {
    let object = object.ok_or_else(|| denied(Refusal::Incomplete { missing: "object" }))?;
    let change = if replace { Change::Replace } else { Change::Merge };
    Ok(Box::new(Apply { object, resource_version, change }))
}

/// Refuses what only the add-on service tells itself, now or by a timer.
fn from_addon(request: &Request, command: &'static str) -> Result<(), Denied> {
    match request.origin {
        Origin::Service { from: Service::Addon, .. } | Origin::Timer { .. } => Ok(()),
        _ => Err(denied(Refusal::NotForUsers { command })),
    }
}

fn decided(
    request: &Request,
    schema: &'static str,
    events: Vec<(&'static str, Bytes)>,
) -> Vec<Decided> {
    if events.is_empty() {
        return vec![];
    }
    vec![Decided { aggregate: request.target.clone(), schema, events }]
}

fn uid(request: &Request) -> Uid {
    Uid::derived(&request.id, request.target.event().as_str())
}
