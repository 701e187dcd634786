//! Definitions of kinds in the binary form, with the schemas in them.

use super::Fields;
use super::kinds::{read, with};
use k8s_pb::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use prost::DecodeError;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How deep a schema may lie in schemas: the reader of the binary form ends there too.
const DEEPEST: usize = 100;

pub(super) fn definition(raw: &[u8]) -> Result<Fields, DecodeError> {
    let extensions::CustomResourceDefinition { metadata, spec, status } = read(raw)?;
    let spec = spec.map(|spec| {
        Fields::default()
            .some("group", spec.group)
            .part("names", spec.names.map(names))
            .some("scope", spec.scope)
            .parts("versions", spec.versions.into_iter().map(version))
            .part("conversion", spec.conversion.map(conversion))
            .some("preserveUnknownFields", spec.preserve_unknown_fields.filter(|keeps| *keeps))
    });
    let status = status.map(|status| {
        Fields::default()
            .part("acceptedNames", status.accepted_names.map(names))
            .list("storedVersions", status.stored_versions)
    });
    Ok(with(metadata).part("spec", spec).part("status", status))
}

fn names(given: extensions::CustomResourceDefinitionNames) -> Fields {
    Fields::default()
        .some("plural", given.plural)
        .some("singular", text(given.singular))
        .list("shortNames", given.short_names)
        .some("kind", given.kind)
        .some("listKind", text(given.list_kind))
        .list("categories", given.categories)
}

fn conversion(given: extensions::CustomResourceConversion) -> Fields {
    let service = |given: extensions::ServiceReference| {
        Fields::default()
            .some("namespace", given.namespace)
            .some("name", given.name)
            .some("path", given.path)
            .some("port", given.port)
    };
    let client = |given: extensions::WebhookClientConfig| {
        let bundle = given.ca_bundle.map(|bytes| data_encoding::BASE64.encode(&bytes));
        Fields::default()
            .some("url", given.url)
            .part("service", given.service.map(service))
            .some("caBundle", bundle)
    };
    let webhook = |given: extensions::WebhookConversion| {
        Fields::default()
            .part("clientConfig", given.client_config.map(client))
            .list("conversionReviewVersions", given.conversion_review_versions)
    };
    Fields::default().some("strategy", given.strategy).part("webhook", given.webhook.map(webhook))
}

fn version(given: extensions::CustomResourceDefinitionVersion) -> Fields {
    let column = |given: extensions::CustomResourceColumnDefinition| {
        Fields::default()
            .some("name", given.name)
            .some("type", given.r#type)
            .some("format", text(given.format))
            .some("description", text(given.description))
            .some("priority", given.priority.filter(|priority| *priority != 0))
            .some("jsonPath", given.json_path)
    };
    let scale = |given: extensions::CustomResourceSubresourceScale| {
        Fields::default()
            .some("specReplicasPath", given.spec_replicas_path)
            .some("statusReplicasPath", given.status_replicas_path)
            .some("labelSelectorPath", given.label_selector_path)
    };
    let parts = |given: extensions::CustomResourceSubresources| {
        Fields::default()
            .some("status", given.status.map(|_| json!({})))
            .part("scale", given.scale.map(scale))
    };
    let selectable =
        |given: extensions::SelectableField| Fields::default().some("jsonPath", given.json_path);
    let validation = given.schema.and_then(|schema| schema.open_apiv3_schema);
    let validation = validation
        .map(|root| Fields::default().some("openAPIV3Schema", Some(schema(root, DEEPEST))));
    Fields::default()
        .some("name", given.name)
        .some("served", Some(given.served.unwrap_or_default()))
        .some("storage", Some(given.storage.unwrap_or_default()))
        .some("deprecated", given.deprecated.filter(|is| *is))
        .some("deprecationWarning", given.deprecation_warning)
        .part("schema", validation)
        .part("subresources", given.subresources.map(parts))
        .parts("additionalPrinterColumns", given.additional_printer_columns.into_iter().map(column))
        .parts("selectableFields", given.selectable_fields.into_iter().map(selectable))
}

/// A schema; what lies too deep in it is not looked at.
fn schema(given: extensions::JsonSchemaProps, deep: usize) -> Value {
    let Some(deeper) = deep.checked_sub(1) else { return json!({}) };
    let inner = |given: extensions::JsonSchemaProps| schema(given, deeper);
    let all = |given: Vec<extensions::JsonSchemaProps>| -> Vec<Value> {
        given.into_iter().map(inner).collect()
    };
    let map = |given: BTreeMap<String, extensions::JsonSchemaProps>| {
        let map: serde_json::Map<String, Value> =
            given.into_iter().map(|(name, given)| (name, inner(given))).collect();
        (!map.is_empty()).then_some(map)
    };
    let either = |given: Box<extensions::JsonSchemaPropsOrBool>| match given.schema {
        Some(given) => inner(*given),
        None => json!(given.allows.unwrap_or_default()),
    };
    let items = |given: Box<extensions::JsonSchemaPropsOrArray>| match given.schema {
        Some(given) => inner(*given),
        None => json!(all(given.j_son_schemas)),
    };
    plain(&given)
        .some("items", given.items.map(items))
        .list("allOf", all(given.all_of))
        .list("oneOf", all(given.one_of))
        .list("anyOf", all(given.any_of))
        .some("not", given.not.map(|given| inner(*given)))
        .some("properties", map(given.properties))
        .some("additionalProperties", given.additional_properties.map(either))
        .some("patternProperties", map(given.pattern_properties))
        .some("definitions", map(given.definitions))
        .value()
}

/// What of a schema holds no other schemas.
fn plain(given: &extensions::JsonSchemaProps) -> Fields {
    let yes = |flag: Option<bool>| flag.filter(|is| *is);
    let values = given.r#enum.iter().filter_map(|value| json(Some(value)));
    Fields::default()
        .some("description", text(given.description.clone()))
        .some("type", text(given.r#type.clone()))
        .some("format", text(given.format.clone()))
        .some("title", text(given.title.clone()))
        .some("default", json(given.default.as_ref()))
        .some("maximum", given.maximum)
        .some("exclusiveMaximum", yes(given.exclusive_maximum))
        .some("minimum", given.minimum)
        .some("exclusiveMinimum", yes(given.exclusive_minimum))
        .some("maxLength", given.max_length)
        .some("minLength", given.min_length)
        .some("pattern", text(given.pattern.clone()))
        .some("maxItems", given.max_items)
        .some("minItems", given.min_items)
        .some("uniqueItems", yes(given.unique_items))
        .some("multipleOf", given.multiple_of)
        .list("enum", values.collect::<Vec<Value>>())
        .some("maxProperties", given.max_properties)
        .some("minProperties", given.min_properties)
        .list("required", given.required.clone())
        .some("example", json(given.example.as_ref()))
        .some("nullable", yes(given.nullable))
        .with(extended(given))
}

/// What Kubernetes adds to schemas.
fn extended(given: &extensions::JsonSchemaProps) -> Fields {
    let rule = |given: &extensions::ValidationRule| {
        Fields::default()
            .some("rule", given.rule.clone())
            .some("message", text(given.message.clone()))
            .some("messageExpression", text(given.message_expression.clone()))
            .some("reason", given.reason.clone())
            .some("fieldPath", text(given.field_path.clone()))
            .some("optionalOldSelf", given.optional_old_self)
    };
    Fields::default()
        .some("x-kubernetes-preserve-unknown-fields", given.x_kubernetes_preserve_unknown_fields)
        .some(
            "x-kubernetes-embedded-resource",
            given.x_kubernetes_embedded_resource.filter(|is| *is),
        )
        .some("x-kubernetes-int-or-string", given.x_kubernetes_int_or_string.filter(|is| *is))
        .list("x-kubernetes-list-map-keys", given.x_kubernetes_list_map_keys.clone())
        .some("x-kubernetes-list-type", given.x_kubernetes_list_type.clone())
        .some("x-kubernetes-map-type", given.x_kubernetes_map_type.clone())
        .parts("x-kubernetes-validations", given.x_kubernetes_validations.iter().map(rule))
}

/// A value that is sent as JSON.
fn json(given: Option<&extensions::Json>) -> Option<Value> {
    serde_json::from_slice(given?.raw.as_deref()?).ok()
}

/// Go sends empty texts for what is not given.
fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    fn props(kind: &str) -> extensions::JsonSchemaProps {
        extensions::JsonSchemaProps { r#type: Some(kind.into()), ..Default::default() }
    }

    #[test]
    fn a_definition_is_read_with_its_schema() {
        let default = Some(extensions::Json { raw: Some(b"{\"a\":1}".to_vec()) });
        let list = extensions::JsonSchemaPropsOrArray {
            schema: Some(Box::new(props("string"))),
            j_son_schemas: vec![],
        };
        let list = extensions::JsonSchemaProps { items: Some(Box::new(list)), ..props("array") };
        let root = extensions::JsonSchemaProps {
            properties: [("l".to_owned(), list)].into(),
            default,
            maximum: Some(1.5),
            ..props("object")
        };
        let version = extensions::CustomResourceDefinitionVersion {
            name: Some("v1".into()),
            served: Some(true),
            schema: Some(extensions::CustomResourceValidation { open_apiv3_schema: Some(root) }),
            subresources: Some(extensions::CustomResourceSubresources {
                status: Some(extensions::CustomResourceSubresourceStatus {}),
                scale: None,
            }),
            ..Default::default()
        };
        let spec = extensions::CustomResourceDefinitionSpec {
            group: Some("g".into()),
            versions: vec![version],
            ..Default::default()
        };
        let given = extensions::CustomResourceDefinition { spec: Some(spec), ..Default::default() };
        let wanted = json!({
            "type": "object", "maximum": 1.5, "default": {"a": 1},
            "properties": {"l": {"type": "array", "items": {"type": "string"}}},
        });
        let found = definition(&given.encode_to_vec()).unwrap().value();
        let version = &found["spec"]["versions"][0];
        assert_eq!(version["schema"]["openAPIV3Schema"], wanted);
        assert_eq!((&version["served"], &version["storage"]), (&json!(true), &json!(false)));
        assert_eq!(version["subresources"], json!({"status": {}}));
    }
}
