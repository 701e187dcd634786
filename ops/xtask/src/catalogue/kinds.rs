//! What the protos say of kinds: the option `kind`, as a trait's constants and as one list.

use super::COMMON;
use anyhow::Result;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use std::fmt::Write as _;

/// The option `kind` of a message, if it is a kind.
pub fn of(message: &MessageDescriptor) -> Option<DynamicMessage> {
    let extension = message.parent_pool().get_extension_by_name(&format!("{COMMON}.kind"))?;
    let options = message.options();
    let has = options.has_extension(&extension);
    has.then(|| options.get_extension(&extension).as_message().cloned()).flatten()
}

/// A text field of an option.
pub fn text(option: &DynamicMessage, name: &str) -> String {
    let value = option.get_field_by_name(name);
    value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list_of(option: &DynamicMessage, name: &str) -> Vec<Value> {
    let value = option.get_field_by_name(name);
    value.and_then(|v| v.as_list().map(<[Value]>::to_vec)).unwrap_or_default()
}

fn flag(option: &DynamicMessage, name: &str) -> bool {
    option.get_field_by_name(name).and_then(|v| v.as_bool()).unwrap_or_default()
}

/// `impl ApiObject` for a kind.
pub fn implementation(message: &MessageDescriptor, kind: &DynamicMessage) -> String {
    format!(
        "impl crate::ApiObject for {name} {{
            const INFO: &'static crate::KindInfo = &{info};
            fn metadata(&self) -> Option<&crate::common::ObjectMeta> {{ self.metadata.as_ref() }}
            fn metadata_mut(&mut self) -> &mut crate::common::ObjectMeta {{
                self.metadata.get_or_insert_default()
            }}
            fn empties(&self) -> &[String] {{ &self.empties }}
            fn set_empties(&mut self, empties: Vec<String>) {{ self.empties = empties; }}
        }}\n",
        name = message.name(),
        info = info(message, kind),
    )
}

/// A path as a literal; one too long for a line goes on in a second one.
fn literal(path: &str) -> String {
    let after = path.find(")]").map(|at| at + 2).or_else(|| path.find('|'));
    match after {
        Some(at) if path.len() > 65 => {
            let (start, end) = path.split_at(at);
            let (start, end) = (format!("{start:?}"), format!("{end:?}"));
            let open = start.trim_end_matches('"');
            let indent = " ".repeat(27);
            format!("{open}\\\n{indent}{}", end.trim_start_matches('"'))
        }
        _ => format!("{path:?}"),
    }
}

fn info(message: &MessageDescriptor, kind: &DynamicMessage) -> String {
    let mut columns = String::new();
    for column in list_of(kind, "columns") {
        let Some(column) = column.as_message() else { continue };
        let of = |name| text(column, name);
        let _ = write!(
            columns,
            "crate::Column {{ name: {:?}, kind: {:?}, json_path: {}, priority: {} }},",
            of("name"),
            of("type"),
            literal(&of("json_path")),
            number(column, "priority"),
        );
    }
    let short: Vec<String> = list_of(kind, "short_names")
        .iter()
        .filter_map(|v| v.as_str().map(|s| format!("{s:?}")))
        .collect();
    let service = match text(kind, "service").as_str() {
        "" => "None".to_owned(),
        name => format!("Some(fleetlog_kernel::Service::{})", capital(name)),
    };
    let version_of = match kept(message, kind) {
        Some(kept) => format!("Some(<{} as crate::ApiObject>::INFO)", path(&kept)),
        None => "None".to_owned(),
    };
    format!(
        "crate::KindInfo {{ message: {:?}, group: {:?}, version: {:?}, kind: {:?}, plural: {:?}, \
         singular: {:?}, short_names: &[{}], namespaced: {}, service: {service}, token: {:?}, \
         version_of: {version_of}, columns: &[{columns}] }}",
        message.full_name(),
        text(kind, "group"),
        text(kind, "version"),
        text(kind, "kind"),
        text(kind, "plural"),
        text(kind, "singular"),
        short.join(", "),
        flag(kind, "namespaced"),
        text(kind, "token"),
    )
}

fn number(message: &DynamicMessage, name: &str) -> i32 {
    let value = message.get_field_by_name(name);
    value.and_then(|value| value.as_i32()).unwrap_or_default()
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The message that a kind is another version of.
fn kept(message: &MessageDescriptor, kind: &DynamicMessage) -> Option<MessageDescriptor> {
    message.parent_pool().get_message_by_name(&text(kind, "version_of"))
}

fn path(message: &MessageDescriptor) -> String {
    format!("crate::{}::{}", super::groups::package(message), message.name())
}

/// The file that lists every kind, and the other versions of some.
pub fn list(pool: &DescriptorPool) -> Result<String> {
    let mut text = "//! Every kind of API object. Generated from `schemas/proto`; do not edit.\n\n\
        use crate::{ApiObject as _, KindInfo};\n\n"
        .to_owned();
    let lists = [
        ("KINDS", "kind, in the version that it is kept in, in the order of the protos", false),
        ("OTHER_VERSIONS", "other version of a kind, in the order of the protos", true),
    ];
    for (name, what, other) in lists {
        write!(text, "/// Every {what}.\npub const {name}: &[&KindInfo] = &[")?;
        for message in pool.all_messages() {
            if of(&message).is_some_and(|kind| kept(&message, &kind).is_some() == other) {
                write!(text, "{}::INFO,", path(&message))?;
            }
        }
        text.push_str("];\n");
    }
    Ok(text)
}
