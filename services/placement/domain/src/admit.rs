//! The door of a spec: defaults and rules of the schema document, and the two rules it cannot say.
//! What a well-formed spec means, and whether it means anything, is [`crate::plan`]'s.

use crate::refusal::Refusal;
use fleetlog_messages::ApiObject;
use fleetlog_messages::common::int_or_string::Value;
use fleetlog_messages::placement::{Placement, PlacementSpec, PrioritizerConfig};
use fleetlog_objects::Schemas;

/// The spec of `given` with its defaults, once it keeps every rule.
///
/// # Errors
/// The first field that does not.
pub fn spec(given: &Placement) -> Result<PlacementSpec, Refusal> {
    let path = || "spec".to_owned();
    if given.spec.is_none() {
        return Err(Refusal::Object(fleetlog_objects::Refusal::Missing { path: path() }));
    }
    let bare = Placement {
        spec: given.spec.clone(),
        empties: given.empties.clone(),
        ..Placement::default()
    };
    let mut value = fleetlog_objects::write(&bare);
    if let Some(schema) = Schemas::built_in().get(Placement::INFO.message) {
        schema.fill(&mut value);
        if let Some(wrong) = schema.check(&value).into_iter().next() {
            return Err(Refusal::Object(wrong));
        }
    }
    let read = fleetlog_objects::read::<Placement>(value);
    let (filled, _) = read.map_err(|error| invalid(&path(), "unreadable", &error.to_string()))?;
    let spec = filled.spec.unwrap_or_default();
    match spec.number_of_clusters {
        Some(number) if number < 0 => {
            Err(invalid("spec.numberOfClusters", &number.to_string(), "it must be 0 or more"))
        }
        _ => group_size(&spec).and_then(|()| each_score_once(&spec)).map(|()| spec),
    }
}

/// Two configurations of one add-on's score would both count in OCM: surely a mistake.
fn each_score_once(spec: &PlacementSpec) -> Result<(), Refusal> {
    let configurations = spec.prioritizer_policy.as_ref().map_or(&[][..], |p| &p.configurations);
    let add_on = |config: &PrioritizerConfig| config.score_coordinate.as_ref()?.add_on.clone();
    for (index, config) in configurations.iter().enumerate() {
        let Some(this) = add_on(config) else { continue };
        if configurations[..index].iter().filter_map(add_on).any(|earlier| earlier == this) {
            let path = format!("spec.prioritizerPolicy.configurations[{index}].scoreCoordinate");
            let found = format!("\"{}/{}\"", this.resource_name(), this.score_name());
            return Err(invalid(&path, &found, "an add-on's score counts once"));
        }
    }
    Ok(())
}

fn group_size(spec: &PlacementSpec) -> Result<(), Refusal> {
    let groups = spec.decision_strategy.as_ref().and_then(|s| s.group_strategy.as_ref());
    let size = groups.and_then(|groups| groups.clusters_per_decision_group.as_ref());
    match size.and_then(|size| size.value.as_ref()) {
        Some(Value::Str(text)) if !size_text(text) => {
            let path = "spec.decisionStrategy.groupStrategy.clustersPerDecisionGroup";
            Err(invalid(path, &format!("\"{text}\""), "it must be a number, or 1% to 100%"))
        }
        _ => Ok(()),
    }
}

/// `^((100|[1-9][0-9]{0,1})%|[1-9][0-9]*)$`
fn size_text(text: &str) -> bool {
    let digits = text.strip_suffix('%').unwrap_or(text);
    let number = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let fits = !text.ends_with('%') || digits.len() < 3 || digits == "100";
    !digits.is_empty() && number && fits
}

fn invalid(path: &str, found: &str, rule: &str) -> Refusal {
    let (path, found, rule) = (path.to_owned(), found.to_owned(), rule.to_owned());
    Refusal::Object(fleetlog_objects::Refusal::Invalid { path, found, rule })
}
