//! The three deciders: one function per command, refusals first. What a decision needs beyond its
//! own history rides in the command.

mod add_on;
mod definition;
mod template;

use crate::command::{
    AddOnCommand, Apply, DefinitionCommand, OfAddOn, OfDefinition, OfTemplate, TemplateCommand,
};
use crate::plan;
use crate::refusal::Refusal;
use crate::state::{AddOn, Definition, Template};
use fleetlog_kernel::{Decider, NameError, Position, Timestamp, dns_subdomain};
use fleetlog_messages::addon::{add_on_event, definition_event, template_event};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_rules::metadata::{self, Change};
use prost::Message;

/// The largest status that is written.
const MAX_STATUS: usize = 512 * 1024;

impl Decider for Definition {
    type Command = OfDefinition;
    type Event = definition_event::Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Self::Event) -> Self {
        self.evolved(event)
    }

    fn decide(&self, asked: &OfDefinition, at: Timestamp) -> Result<Vec<Self::Event>, Refusal> {
        match &asked.command {
            DefinitionCommand::Apply(apply) => definition::apply(self, asked, apply, at),
            DefinitionCommand::Delete { by, add_ons } => {
                definition::delete(self, asked, by, *add_ons, at)
            }
            DefinitionCommand::Plan { chosen, installed, lost, stages } => {
                let difference = plan::difference(self, chosen, installed, lost);
                Ok(definition::plan(self, chosen, difference, stages, at))
            }
            DefinitionCommand::Revisit { after, through } => {
                Ok(definition::revisit(self, after, through.as_deref()))
            }
            DefinitionCommand::WriteStatus(write) => definition::write_status(self, asked, write),
            DefinitionCommand::Summarize { add_ons, status } => {
                Ok(definition::summarize(self, *add_ons, status))
            }
        }
    }
}

impl Decider for AddOn {
    type Command = OfAddOn;
    type Event = add_on_event::Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Self::Event) -> Self {
        self.evolved(event)
    }

    fn decide(&self, asked: &OfAddOn, at: Timestamp) -> Result<Vec<Self::Event>, Refusal> {
        match &asked.command {
            AddOnCommand::Apply(apply) => add_on::apply(self, asked, apply, at),
            AddOnCommand::Delete { by } => add_on::delete(self, asked, by, at),
            AddOnCommand::Abandon { by } => Ok(add_on::abandon(self, asked, by, at)),
            AddOnCommand::Install { placement, decision, planned } => {
                add_on::install(self, asked, (placement, *decision, *planned), at)
            }
            AddOnCommand::Uninstall { by, planned } => {
                Ok(add_on::uninstall(self, asked, by, *planned, at))
            }
            AddOnCommand::Assess(status) => Ok(add_on::assess(self, asked, status)),
            AddOnCommand::WriteStatus(write) => add_on::write_status(self, asked, write),
        }
    }
}

impl Decider for Template {
    type Command = OfTemplate;
    type Event = template_event::Event;
    type Refusal = Refusal;

    fn evolve(self, event: &Self::Event) -> Self {
        self.evolved(event)
    }

    fn decide(&self, asked: &OfTemplate, at: Timestamp) -> Result<Vec<Self::Event>, Refusal> {
        match &asked.command {
            TemplateCommand::Apply(apply) => template::apply(self, asked, apply, at),
            TemplateCommand::Delete { by } => template::delete(self, asked, by, at),
        }
    }
}

/// The name of an add-on is a label of its works, so it is no longer than a label may be.
fn check_name(name: &str) -> Result<(), Refusal> {
    dns_subdomain(name)?;
    if name.len() > 63 {
        let rule = "the name of an add-on has at most 63 characters";
        return Err(Refusal::Name(NameError { name: name.to_owned(), rule }));
    }
    Ok(())
}

/// Refuses what no object of any kind may have, and a change of what the asker has not seen.
fn check<T>(
    apply: &Apply<T>,
    given: &ObjectMeta,
    (namespace, name): (&str, &str),
    current: Option<u64>,
) -> Result<(), Refusal> {
    let same = |given: &str, wanted: &str| given.is_empty() || given == wanted;
    let addressed =
        if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    if !same(given.namespace(), namespace) || !same(given.name(), name) {
        let given = format!("{}/{}", given.namespace(), given.name());
        return Err(Refusal::Misaddressed { given, addressed });
    }
    metadata::check(given).map_err(Refusal::Label)?;
    check_version(&apply.resource_version, addressed, current)
}

/// Refuses a change of what the asker has not seen.
fn check_version(given: &String, addressed: String, current: Option<u64>) -> Result<(), Refusal> {
    let stands = current.map(|at| Position(at).resource_version(0));
    match stands {
        _ if given.is_empty() => Ok(()),
        None if *given == Position::START.resource_version(0) => Ok(()),
        None => Err(Refusal::NotFound { object: addressed }),
        Some(current) if current == *given => Ok(()),
        Some(current) => {
            Err(Refusal::Outdated { object: addressed, given: given.clone(), current })
        }
    }
}

/// Refuses to change on its way out what is more than metadata, and to bring back what leaves.
fn check_leaving<T>(
    apply: &Apply<T>,
    leaves: bool,
    moved: bool,
    object: impl ToString,
) -> Result<(), Refusal> {
    let is_refused = leaves && (moved || apply.change == Change::Merge);
    if is_refused { Err(Refusal::BeingDeleted { object: object.to_string() }) } else { Ok(()) }
}

/// Refuses a status that no event could hold.
fn check_size(status: &impl Message) -> Result<(), Refusal> {
    let (size, limit) = (status.encoded_len(), MAX_STATUS);
    if size > limit { Err(Refusal::StatusTooLarge { size, limit }) } else { Ok(()) }
}

/// The metadata after an apply: born when there is none; the generation moves with the spec.
fn after<T>(
    apply: &Apply<T>,
    given: &ObjectMeta,
    current: Option<&ObjectMeta>,
    birth: &metadata::Birth,
    moved: bool,
) -> ObjectMeta {
    let Some(current) = current else { return metadata::born(given, birth) };
    let mut meta = metadata::changed(current, given, apply.change);
    if moved {
        metadata::next_generation(&mut meta);
    }
    meta
}
