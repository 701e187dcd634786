//! Which template an add-on is rendered from: its own configuration before that of its placement,
//! and that before the definition's default (spec 2.5). Of several of one level the first counts.

use crate::names::{GROUP, TEMPLATES};
use crate::refusal::Refusal;
use crate::state::{AddOn, Definition};
use fleetlog_messages::addon::{AddOnConfig, ClusterManagementAddOnSpec, ConfigReferent};

/// The name of the template; `None` when nothing names one.
pub fn template_of<'a>(add_on: &'a AddOn, definition: &'a Definition) -> Option<&'a str> {
    let own = add_on.object()?.spec.as_ref().map_or(&[][..], |spec| &spec.configs);
    first(own).or_else(|| of_placement(definition, &add_on.state().placement))
}

/// The name of the template on the clusters of one placement.
pub fn of_placement<'a>(definition: &'a Definition, placement: &str) -> Option<&'a str> {
    let strategies = definition.strategies();
    let mut chosen = strategies.iter().filter(|s| {
        placement.split_once('/').is_some_and(|(ns, name)| ns == s.namespace() && name == s.name())
    });
    chosen.find_map(|strategy| first(&strategy.configs)).or_else(|| default(definition))
}

/// The name of the template where nothing else is named.
pub fn default(definition: &Definition) -> Option<&str> {
    let spec = definition.object()?.spec.as_ref()?;
    let is_template =
        |c: &&fleetlog_messages::addon::ConfigMeta| c.group() == GROUP && c.resource() == TEMPLATES;
    let config = spec.supported_configs.iter().find(is_template)?;
    config.default_config.as_ref().map(ConfigReferent::name)
}

fn first(configs: &[AddOnConfig]) -> Option<&str> {
    configs.iter().find(|c| c.group() == GROUP && c.resource() == TEMPLATES).map(AddOnConfig::name)
}

/// Refuses configuration by anything but templates.
pub fn check(configs: &[AddOnConfig]) -> Result<(), Refusal> {
    configs.iter().try_for_each(|config| check_kind(config.group(), config.resource()))
}

/// Refuses what a definition says of configuration by anything but templates.
pub fn check_definition(spec: &ClusterManagementAddOnSpec) -> Result<(), Refusal> {
    if spec.add_on_configuration.as_ref().is_some_and(|old| !old.crd_name().is_empty()) {
        return Err(Refusal::Config { resource: "spec.addOnConfiguration".to_owned() });
    }
    let mut kinds = spec.supported_configs.iter();
    kinds.try_for_each(|config| check_kind(config.group(), config.resource()))?;
    let mut strategies = spec.install_strategy.iter().flat_map(|strategy| &strategy.placements);
    strategies.try_for_each(|strategy| check(&strategy.configs))
}

fn check_kind(group: &str, resource: &str) -> Result<(), Refusal> {
    if group == GROUP && resource == TEMPLATES {
        return Ok(());
    }
    Err(Refusal::Config { resource: format!("{resource}.{group}") })
}
