//! What is decided about one AddOnTemplate.

use super::{after, check, check_leaving};
use crate::command::{Apply, OfTemplate};
use crate::names::{AddOnKey, OLD_PRE_DELETE, PRE_DELETE};
use crate::refusal::Refusal;
use crate::render;
use crate::state::Template;
use fleetlog_kernel::{Timestamp, dns_subdomain};
use fleetlog_messages::addon::{
    AddOnTemplate, TemplateDeleted, TemplateDeletionRequested, TemplateSpecified, TemplateState,
    template_event::Event,
};
use fleetlog_messages::common::Raw;
use fleetlog_rules::finalizers::{self, Left, Wish};
use fleetlog_rules::metadata::Birth;
use serde_json::Value;
use std::collections::BTreeMap;

type Decision = Result<Vec<Event>, Refusal>;

pub(super) fn apply(
    template: &Template,
    asked: &OfTemplate,
    apply: &Apply<AddOnTemplate>,
    at: Timestamp,
) -> Decision {
    dns_subdomain(&asked.name)?;
    let given = apply.object.metadata.clone().unwrap_or_default();
    let stands = template.object().map(|_| template.state().changed);
    check(apply, &given, ("", &asked.name), stands)?;
    let current = template.object();
    let moved = current.is_some_and(|current| current.spec != apply.object.spec);
    let before = current.and_then(|current| current.metadata.as_ref());
    let leaves = before.is_some_and(finalizers::is_terminating);
    check_leaving(apply, leaves, moved, &asked.name)?;
    check_spec(&apply.object)?;
    let birth = Birth { namespace: None, name: asked.name.clone(), uid: asked.uid.clone(), at };
    let meta = after(apply, &given, before, &birth, moved);
    if let Some(before) = before
        && finalizers::write(before, &meta)? == Left::Goes
    {
        return Ok(vec![Event::Deleted(TemplateDeleted::default())]);
    }
    if before == Some(&meta) && !moved {
        return Ok(vec![]);
    }
    let object = AddOnTemplate { metadata: Some(meta), ..apply.object.clone() };
    check_size(&object)?;
    Ok(vec![Event::Specified(TemplateSpecified { template: Some(object) })])
}

fn check_spec(object: &AddOnTemplate) -> Result<(), Refusal> {
    let spec = object.spec.as_ref().ok_or(Refusal::Incomplete { missing: "spec" })?;
    if spec.addon_name().is_empty() {
        return Err(Refusal::Incomplete { missing: "spec.addonName" });
    }
    if let Some(registration) = spec.registration.first() {
        return Err(Refusal::Registration { kind: registration.r#type().to_owned() });
    }
    let agent = spec.agent_spec.as_ref();
    let workload = agent.and_then(|agent| agent.workload.as_ref());
    let manifests = workload.map_or(&[][..], |workload| &workload.manifests);
    if manifests.is_empty() {
        return Err(Refusal::NoManifests);
    }
    let mut seen = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let refuse = |rule: String| Refusal::Manifest { index, rule };
        let object = check_manifest(manifest).map_err(refuse)?;
        if let Some(first) = seen.insert(object.name.clone(), index) {
            return Err(refuse(format!("is \"{}\", as is the one at {first}", object.name)));
        }
        if object.before_removal {
            return Err(Refusal::PreDelete { manifest: object.name });
        }
    }
    Ok(())
}

struct Checked {
    name: String,
    before_removal: bool,
}

fn check_manifest(raw: &Raw) -> Result<Checked, String> {
    let manifest: Value =
        serde_json::from_slice(&raw.json).map_err(|error| format!("is no JSON: {error}"))?;
    if !manifest.is_object() {
        return Err("is no object".to_owned());
    }
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    for (pointer, field) in
        [("/apiVersion", "apiVersion"), ("/kind", "kind"), ("/metadata/name", "metadata.name")]
    {
        if text(pointer).is_empty() {
            return Err(format!("has no \"{field}\""));
        }
    }
    if !text("/metadata/generateName").is_empty() {
        return Err("uses \"metadata.generateName\"".to_owned());
    }
    let marked = |place: &str, name: &str| {
        manifest.pointer(place).is_some_and(|values| values.get(name).is_some())
    };
    let before_removal = marked("/metadata/annotations", PRE_DELETE)
        || marked("/metadata/annotations", OLD_PRE_DELETE)
        || marked("/metadata/labels", OLD_PRE_DELETE);
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    let place = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
    let name = format!("{version} {kind} {}", place.trim_start_matches('/'));
    Ok(Checked { name, before_removal })
}

/// Refuses a template that is too large for the work of a cluster with the longest of names.
fn check_size(object: &AddOnTemplate) -> Result<(), Refusal> {
    let object = Some(object.clone());
    let template = Template::of(TemplateState { object, ..TemplateState::default() });
    let key = AddOnKey::new("c".repeat(63), "a".repeat(63));
    let size = render::render(&template, &key).map_or(0, |rendered| rendered.manifests.len());
    let limit = render::LIMIT;
    if size > limit { Err(Refusal::TooLarge { size, limit }) } else { Ok(()) }
}

pub(super) fn delete(template: &Template, asked: &OfTemplate, by: &str, at: Timestamp) -> Decision {
    let Some(object) = template.object() else {
        return Err(Refusal::NotFound { object: asked.name.clone() });
    };
    let (meta, by) = (object.metadata.clone().unwrap_or_default(), by.to_owned());
    Ok(match finalizers::wish(&meta) {
        Wish::Granted => vec![Event::Deleted(TemplateDeleted { by })],
        Wish::Waits => {
            let (at, generation) = (Some(fleetlog_rules::time(at)), meta.generation() + 1);
            let requested = TemplateDeletionRequested { by, at, generation };
            vec![Event::DeletionRequested(requested)]
        }
        Wish::Repeated => vec![],
    })
}
