//! Which messages share a generated file: each kind with what only it uses, otherwise one file for
//! each proto.

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use std::collections::BTreeMap;

/// The messages of one generated file.
pub struct Group {
    /// `registration`, `common`, ...
    pub package: String,
    /// The module in it, `managed_cluster` or `events`.
    pub module: String,
    /// Full names, in the order of the protos.
    pub messages: Vec<String>,
}

/// Every group, in a fixed order.
pub fn all(pool: &DescriptorPool) -> Vec<Group> {
    let mut homes: BTreeMap<String, String> = BTreeMap::new();
    let ours: Vec<_> = pool.all_messages().filter(is_ours).collect();
    for kind in ours.iter().filter(|m| super::kinds::of(m).is_some()) {
        settle(kind, &snake(kind.name()), &mut homes);
    }
    for message in &ours {
        let file = message.parent_file();
        let stem = file.name().rsplit('/').next().unwrap_or_default().trim_end_matches(".proto");
        homes.entry(message.full_name().to_owned()).or_insert_with(|| stem.to_owned());
    }
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for message in &ours {
        let home = homes[message.full_name()].clone();
        let key = (package(message), home);
        groups.entry(key).or_default().push(message.full_name().to_owned());
    }
    let group = |((package, module), messages)| Group { package, module, messages };
    groups.into_iter().map(group).collect()
}

/// Whether Rust is generated for a message: not for options and map entries.
pub fn is_ours(message: &MessageDescriptor) -> bool {
    let file = message.parent_file();
    file.package_name().starts_with("fleetlog.")
        && !file.name().ends_with("options.proto")
        && !message.is_map_entry()
}

/// `registration` of `fleetlog.registration.v1.X`, `registration_v2` of `….v2.X`.
pub fn package(message: &MessageDescriptor) -> String {
    module(message.package_name())
}

/// The Rust module of a package.
pub fn module(package: &str) -> String {
    let mut parts = package.split('.').skip(1);
    match (parts.next().unwrap_or_default(), parts.next()) {
        (name, None | Some("v1")) => name.to_owned(),
        (name, Some(version)) => format!("{name}_{version}"),
    }
}

fn settle(message: &MessageDescriptor, home: &str, homes: &mut BTreeMap<String, String>) {
    if homes.contains_key(message.full_name()) {
        return;
    }
    homes.insert(message.full_name().to_owned(), home.to_owned());
    for field in message.fields() {
        let Kind::Message(part) = field.kind() else { continue };
        let same_file = part.parent_file() == message.parent_file();
        if same_file && is_ours(&part) && super::kinds::of(&part).is_none() {
            settle(&part, home, homes);
        }
    }
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
