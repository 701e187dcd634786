//! Rust of the messages: prost's structs, with the serde that Kubernetes' JSON asks for computed
//! from the descriptors. No attribute is typed by hand.

use super::groups::{Group, is_ours, package};
use super::{COMMON, Protos, kinds};
use anyhow::{Context as _, Result, ensure};
use prost_build::{Config, Module};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Messages whose JSON is written by hand, in `wire.rs`.
const BY_HAND: [&str; 3] = ["Time", "IntOrString", "Raw"];

/// Bytes that are read out of a message without a copy: many, or large.
const SHARED: [&str; 1] = [".fleetlog.common.v1.Commit.events"];

/// Every Rust file, by its path in the generated folder.
pub fn files(protos: &Protos, groups: &[Group]) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for group in groups {
        let text = generate(protos, group)?;
        files.insert(format!("{}/{}.rs", group.package, group.module), text);
        modules.entry(&group.package).or_default().push(&group.module);
    }
    let mut root = "//! Generated from `schemas/proto`; do not edit. What no proto says is not \
                    here.\n\n"
        .to_owned();
    for (package, modules) in modules {
        let mut text = format!(
            "//! The messages of {}. Generated from `schemas/proto`; do not \
             edit.\n\n",
            proto_package(package)
        );
        for module in &modules {
            writeln!(text, "mod {module};")?;
        }
        for module in &modules {
            writeln!(text, "pub use {module}::*;")?;
        }
        files.insert(format!("{package}/mod.rs"), text);
        writeln!(root, "pub mod {package};")?;
    }
    root.push_str("mod events;\nmod kinds;\nmod messages;\npub use events::EVENTS;\n");
    root.push_str("pub use kinds::{KINDS, OTHER_VERSIONS};\npub use messages::MESSAGES;\n");
    files.insert("mod.rs".to_owned(), root);
    Ok(files)
}

/// `registration_v2` as people find it in the protos.
fn proto_package(module: &str) -> String {
    match module.rsplit_once("_v") {
        Some((name, version)) => format!("`fleetlog.{name}.v{version}`"),
        None => format!("`fleetlog.{module}.v1`"),
    }
}

fn generate(protos: &Protos, group: &Group) -> Result<String> {
    let mut config = Config::new();
    config.btree_map(["."]);
    config.bytes(SHARED);
    for message in protos.pool.all_messages().filter(is_ours) {
        if group.messages.iter().any(|name| name == message.full_name()) {
            annotate(&mut config, &message)?;
        } else {
            let path = format!("crate::{}::{}", package(&message), message.name());
            config.extern_path(format!(".{}", message.full_name()), path);
        }
    }
    let set = protos.sources.file_descriptor_set();
    let files = set.file.into_iter().filter(|file| {
        file.package().starts_with("fleetlog.") && !file.name().ends_with("options.proto")
    });
    let requests =
        files.map(|file| (Module::from_protobuf_package_name(file.package()), file)).collect();
    let wanted = group.messages.first().and_then(|name| name.rsplit_once('.'));
    let wanted = wanted.context("a group has messages")?.0;
    let generated = config.generate(requests)?;
    let body = generated
        .into_iter()
        .find(|(module, _)| *module == Module::from_protobuf_package_name(wanted))
        .context("prost generated nothing")?
        .1;
    let mut text = format!(
        "//! `{}` of `{wanted}`, from `schemas/proto`; do not edit.\n\n{body}\n",
        group.module
    );
    for name in &group.messages {
        let Some(message) = protos.pool.get_message_by_name(name) else { continue };
        if let Some(kind) = kinds::of(&message) {
            text.push_str(&kinds::implementation(&message, &kind));
        }
    }
    Ok(text)
}

/// Gives a message its serde.
fn annotate(config: &mut Config, message: &MessageDescriptor) -> Result<()> {
    let name = message.full_name();
    let file = message.parent_file();
    let internal = file.package_name() == COMMON && !file.name().ends_with("meta.proto");
    if internal || (file.package_name() == COMMON && BY_HAND.contains(&message.name())) {
        return Ok(());
    }
    let derive = "#[derive(serde::Serialize, serde::Deserialize)]";
    let object = file.name().ends_with("api.proto") || file.name().ends_with("meta.proto");
    let mut container = "default";
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        ensure!(!object, "{name}: no oneof in API objects");
        let alone = oneof.fields().len() == message.fields().len();
        ensure!(alone, "{name}: a oneof stands alone in its message");
        container = "transparent";
        let path = format!(".{}", oneof.full_name());
        config.enum_attribute(&path, derive);
        config.enum_attribute(&path, "#[serde(rename_all = \"camelCase\")]");
    }
    config.message_attribute(format!(".{name}"), format!("{derive}\n#[serde({container})]"));
    for field in message.fields() {
        if field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) {
            continue;
        }
        let rule = if object { rule_of_object(&field)? } else { rule_of_message(&field) };
        config.field_attribute(format!(".{}", field.full_name()), format!("#[serde({rule})]"));
    }
    Ok(())
}

fn rule_of_object(field: &FieldDescriptor) -> Result<String> {
    let null = "deserialize_with = \"crate::wire::null_is_empty\"";
    Ok(if field.name() == "empties" {
        "skip".to_owned()
    } else if field.is_map() {
        named(field, "BTreeMap::is_empty", null)
    } else if field.is_list() {
        named(field, "Vec::is_empty", null)
    } else if field.kind() == Kind::Bytes {
        named(field, "Option::is_none", "with = \"crate::wire::base64\"")
    } else {
        ensure!(field.supports_presence(), "{}: say `optional`", field.full_name());
        named(field, "Option::is_none", "")
    })
}

fn rule_of_message(field: &FieldDescriptor) -> String {
    if field.supports_presence() {
        named(field, "Option::is_none", "")
    } else {
        named(field, "crate::wire::is_default", "")
    }
}

fn named(field: &FieldDescriptor, skip: &str, rest: &str) -> String {
    let skip = skip.replace("BTreeMap", "std::collections::BTreeMap");
    let mut rule = format!("rename = \"{}\", skip_serializing_if = \"{skip}\"", field.json_name());
    if !rest.is_empty() {
        let _ = write!(rule, ", {rest}");
    }
    rule
}
