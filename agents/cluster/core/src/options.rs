//! What a work's options say about one object: how it is kept, what is fed back, whether it stays
//! when the work goes (spec: update strategies, deletion options).

use crate::kind::ObjectKey;
use fleetlog_messages::work::{
    FeedbackRule, ManifestConfigOption, ManifestWorkSpec, ResourceIdentifier,
};

/// How an object is kept as wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// What the manifest says is enforced; the rest is others'.
    #[default]
    Update,
    /// Made when it is missing, never changed.
    CreateOnly,
    /// Applied as a manager the user chose; conflicts are refused unless forced.
    ServerSideApply {
        /// The field manager.
        manager: String,
        /// Take fields from other managers.
        force: bool,
    },
    /// Only looked at.
    ReadOnly,
}

/// The manager of what we apply.
pub const MANAGER: &str = "work-agent";

/// How an object is kept: the first option that covers it and names a strategy.
#[must_use]
pub fn strategy(spec: &ManifestWorkSpec, key: &ObjectKey) -> Strategy {
    let Some(update) = covering(spec, key).find_map(|config| config.update_strategy.as_ref())
    else {
        return Strategy::Update;
    };
    match update.r#type.as_deref() {
        Some("CreateOnly") => Strategy::CreateOnly,
        Some("ReadOnly") => Strategy::ReadOnly,
        Some("ServerSideApply") => {
            let apply = update.server_side_apply.clone().unwrap_or_default();
            let manager = apply.field_manager.filter(|manager| !manager.is_empty());
            Strategy::ServerSideApply {
                manager: manager.unwrap_or_else(|| MANAGER.to_owned()),
                force: apply.force.unwrap_or(false),
            }
        }
        _ => Strategy::Update,
    }
}

/// What an option asks of an object that this agent cannot do yet: it is told rather than done
/// without, because both bound what may be written.
#[must_use]
pub fn unsupported(spec: &ManifestWorkSpec, key: &ObjectKey) -> Option<&'static str> {
    if spec.executor.is_some() {
        return Some("this agent cannot act as the work's executor; leave spec.executor out");
    }
    let update = covering(spec, key).find_map(|config| config.update_strategy.as_ref())?;
    let apply = update.server_side_apply.as_ref()?;
    let ignores = !apply.ignore_fields.is_empty();
    ignores.then_some("this agent cannot leave fields to others; leave ignoreFields out")
}

/// The feedback rules of an object: those of the first option that covers it and has any.
#[must_use]
pub fn feedback_rules<'a>(spec: &'a ManifestWorkSpec, key: &ObjectKey) -> &'a [FeedbackRule] {
    covering(spec, key)
        .map(|config| config.feedback_rules.as_slice())
        .find(|rules| !rules.is_empty())
        .unwrap_or_default()
}

/// Whether an object is ours, and so goes with the work.
#[must_use]
pub fn is_owned(spec: &ManifestWorkSpec, key: &ObjectKey) -> bool {
    let Some(option) = &spec.delete_option else { return true };
    match option.propagation_policy.as_deref() {
        Some("Orphan") => false,
        Some("SelectivelyOrphan") => {
            let rules = option.selectively_orphans.as_ref().map(|s| s.orphaning_rules.as_slice());
            !rules.unwrap_or_default().iter().any(|rule| {
                text(&rule.group) == key.group
                    && text(&rule.resource) == key.resource
                    && text(&rule.namespace) == key.namespace
                    && text(&rule.name) == key.name
            })
        }
        _ => true,
    }
}

fn covering<'s, 'k>(
    spec: &'s ManifestWorkSpec,
    key: &'k ObjectKey,
) -> impl Iterator<Item = &'s ManifestConfigOption> + use<'s, 'k> {
    spec.manifest_configs
        .iter()
        .filter(|config| config.resource_identifier.as_ref().is_some_and(|id| covers(id, key)))
}

fn covers(id: &ResourceIdentifier, key: &ObjectKey) -> bool {
    text(&id.group) == key.group
        && text(&id.resource) == key.resource
        && glob(text(&id.name), &key.name)
        && glob(text(&id.namespace), &key.namespace)
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// Whether a pattern with `*` for any run of characters covers a text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, covered) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("*x*", "abc", false),
        ] {
            assert_eq!(glob(pattern, text), covered, "{pattern} {text}");
        }
    }
}
