//! Every schema of events with its types, and every message with what reads and writes it.

use super::groups::{is_ours, package};
use anyhow::{Context as _, Result};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Whether a message is what a commit holds: one of several events.
pub fn is_schema(message: &MessageDescriptor) -> bool {
    message.parent_file().name().ends_with("events.proto")
        && message.name().ends_with("Event")
        && message.oneofs().any(|oneof| oneof.name() == "event")
}

/// The types of a schema's events, in the order of the proto.
pub fn types(message: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let types = message.fields().filter_map(|field| match field.kind() {
        Kind::Message(event) => Some(event),
        _ => None,
    });
    types.collect()
}

/// The file that lists the schemas.
pub fn list(pool: &DescriptorPool) -> Result<String> {
    let mut text = "//! Every schema of events. Generated from `schemas/proto`; do not edit.\n\n\
        use crate::upcast::EventSchema;\n\n\
        /// Every schema of events, in the order of the protos.\n\
        pub const EVENTS: &[EventSchema] = &["
        .to_owned();
    for schema in pool.all_messages().filter(is_schema) {
        let types: Vec<String> =
            types(&schema).iter().map(|event| format!("{:?}", event.name())).collect();
        let (family, version) = family(schema.full_name())?;
        write!(
            text,
            "EventSchema {{ name: {:?}, family: {family:?}, version: {version}, types: &[{}] }},",
            schema.full_name(),
            types.join(", ")
        )?;
    }
    text.push_str("];\n");
    Ok(text)
}

/// The file that lists the messages.
pub fn messages(pool: &DescriptorPool) -> Result<String> {
    let ours: Vec<_> = pool.all_messages().filter(is_ours).collect();
    let packages: BTreeSet<String> = ours.iter().map(package).collect();
    let packages: Vec<String> = packages.into_iter().collect();
    let mut text = format!(
        "//! Every message. Generated from `schemas/proto`; do not edit.\n\n\
         use super::{{{}}};\nuse crate::upcast::MessageInfo as Is;\n\n\
         /// Every message, in the order of the protos.\n\
         pub const MESSAGES: &[Is] = &[",
        packages.join(", ")
    );
    for message in ours {
        let path = format!("{}::{}", package(&message), message.name());
        write!(text, "Is::of::<{path}>({:?}),", message.full_name())?;
    }
    text.push_str("];\n");
    Ok(text)
}

/// `registration.BindingEvent` and 2, of `fleetlog.registration.v2.BindingEvent`.
fn family(schema: &str) -> Result<(String, u32)> {
    let parts: Vec<&str> = schema.split('.').collect();
    let [_, context, version, name] = parts[..] else { anyhow::bail!("{schema} has no version") };
    let version = version.strip_prefix('v').and_then(|number| number.parse().ok());
    Ok((format!("{context}.{name}"), version.with_context(|| schema.to_owned())?))
}
