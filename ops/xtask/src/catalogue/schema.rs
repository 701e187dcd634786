//! The schema document: OpenAPI v3 schemas of every API object, from descriptors, field rules and
//! comments. It is what reading, defaults, validation, merging and `explain` go by.

use super::groups::is_ours;
use super::{COMMON, Protos, kinds};
use anyhow::{Context as _, Result};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Option_};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) type Comments = BTreeMap<(String, Vec<i32>), String>;

/// The whole document as JSON text.
pub fn document(protos: &Protos) -> Result<String> {
    let comments = comments(protos);
    let mut definitions = Map::new();
    for message in protos.pool.all_messages().filter(is_ours) {
        let file = message.parent_file();
        if file.name().ends_with("api.proto") || file.name().ends_with("meta.proto") {
            let schema = schema_of(&message, &comments)?;
            definitions.insert(message.full_name().to_owned(), schema);
        }
    }
    let mut text = serde_json::to_string_pretty(&json!({ "definitions": definitions }))?;
    text.push('\n');
    Ok(text)
}

pub(super) fn comments(protos: &Protos) -> Comments {
    let mut comments = Comments::new();
    for file in protos.sources.file_descriptor_set().file {
        let name = file.name().to_owned();
        for location in file.source_code_info.unwrap_or_default().location {
            let text = location.leading_comments.unwrap_or_default();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if !text.is_empty() {
                comments.insert((name.clone(), location.path), text);
            }
        }
    }
    comments
}

fn schema_of(message: &MessageDescriptor, comments: &Comments) -> Result<Value> {
    let file = message.parent_file().name().to_owned();
    let mut schema = match message.name() {
        "Time" => json!({ "type": "string", "format": "date-time" }),
        "IntOrString" => json!({ "x-kubernetes-int-or-string": true }),
        "Raw" => json!({ "x-kubernetes-preserve-unknown-fields": true }),
        _ => object_of(message, comments)?,
    };
    if let Some(text) = comments.get(&(file, message.path().to_vec())) {
        schema["description"] = json!(text);
    }
    if let Some(kind) = kinds::of(message) {
        let text = |name| kinds::text(&kind, name);
        schema["x-kubernetes-group-version-kind"] = json!([
            { "group": text("group"), "version": text("version"), "kind": text("kind") }
        ]);
        let properties = schema["properties"].as_object_mut().context("a kind has fields")?;
        let given = json!({ "type": "string" });
        properties.insert("apiVersion".to_owned(), given.clone());
        properties.insert("kind".to_owned(), given);
    }
    Ok(schema)
}

fn object_of(message: &MessageDescriptor, comments: &Comments) -> Result<Value> {
    let (mut properties, mut required) = (Map::new(), vec![]);
    for field in message.fields().filter(|field| field.name() != "empties") {
        let rules = rules_of(&field);
        let mut schema = field_of(&field);
        if let Some(rules) = &rules {
            constrain(&mut schema, rules, field.is_list())
                .with_context(|| format!("the rules of {}", field.full_name()))?;
            if flag(rules, "required") {
                required.push(field.json_name().to_owned());
            }
        }
        let place = (message.parent_file().name().to_owned(), field.path().to_vec());
        if let Some(text) = comments.get(&place) {
            schema["description"] = json!(text);
        }
        properties.insert(field.json_name().to_owned(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    Ok(schema)
}

fn field_of(field: &FieldDescriptor) -> Value {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return json!({}) };
        return json!({
            "type": "object",
            "additionalProperties": type_of(&entry.map_entry_value_field()),
        });
    }
    if field.is_list() {
        return json!({ "type": "array", "items": type_of(field) });
    }
    type_of(field)
}

fn type_of(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(part) => json!({ "allOf": [reference(&part)] }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "format": "byte" }),
        Kind::Int32 | Kind::Sint32 | Kind::Uint32 => {
            json!({ "type": "integer", "format": "int32" })
        }
        Kind::Int64 | Kind::Sint64 | Kind::Uint64 => {
            json!({ "type": "integer", "format": "int64" })
        }
        _ => json!({ "type": "number", "format": "double" }),
    }
}

fn reference(message: &MessageDescriptor) -> Value {
    json!({ "$ref": format!("#/definitions/{}", message.full_name()) })
}

fn rules_of(field: &FieldDescriptor) -> Option<DynamicMessage> {
    let extension = field.parent_pool().get_extension_by_name(&format!("{COMMON}.rules"))?;
    let options = field.options();
    let has = options.has_extension(&extension);
    has.then(|| options.get_extension(&extension).as_message().cloned()).flatten()
}

/// Adds what the rules say; those about single values go to the items of a list.
fn constrain(schema: &mut Value, rules: &DynamicMessage, is_list: bool) -> Result<()> {
    let default = kinds::text(rules, "default");
    if !default.is_empty() {
        schema["default"] = serde_json::from_str(&default).context("the default is no JSON")?;
    }
    for (name, key) in [("list_type", "x-kubernetes-list-type"), ("format", "format")] {
        let text = kinds::text(rules, name);
        if !text.is_empty() {
            schema[key] = json!(text);
        }
    }
    let keys = texts(rules, "list_map_keys");
    if !keys.is_empty() {
        schema["x-kubernetes-list-map-keys"] = json!(keys);
    }
    let lengths = if is_list { ["minItems", "maxItems"] } else { ["minLength", "maxLength"] };
    for (name, key) in
        [("min", "minimum"), ("max", "maximum"), ("min_len", lengths[0]), ("max_len", lengths[1])]
    {
        if let Some(number) = number(rules, name) {
            schema[key] = number;
        }
    }
    let each = if is_list { &mut schema["items"] } else { schema };
    let one_of = texts(rules, "one_of");
    if !one_of.is_empty() {
        each["enum"] = json!(one_of);
    }
    let pattern = kinds::text(rules, "pattern");
    if !pattern.is_empty() {
        each["pattern"] = json!(pattern);
    }
    if flag(rules, "embedded_resource") {
        each["x-kubernetes-embedded-resource"] = json!(true);
    }
    Ok(())
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or_default()
}

fn texts(rules: &DynamicMessage, name: &str) -> Vec<String> {
    let value = rules.get_field_by_name(name);
    let list = value.and_then(|value| value.as_list().map(<[_]>::to_vec)).unwrap_or_default();
    list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn number(rules: &DynamicMessage, name: &str) -> Option<Value> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    match rules.get_field_by_name(name)?.into_owned() {
        Option_::I64(number) => Some(json!(number)),
        Option_::U64(number) => Some(json!(number)),
        _ => None,
    }
}
