//! Which template an add-on is rendered from: its own configuration before that of its placement,
//! and that before the definition's default (spec 2.5). Of several of one level the first counts.

use crate::names::{GROUP, TEMPLATES};
use crate::refusal::Refusal;
use crate::state::{AddOn, Definition, Template};
use fleetlog_messages::addon::{AddOnConfig, ClusterManagementAddOnSpec, ConfigReferent};
use fleetlog_messages::common::ObjectMeta;
use serde_json::json;
use std::collections::BTreeMap;

/// A template as it was at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Config {
    /// Its name.
    pub template: String,
    /// The hash of what it said (spec 2.5).
    pub hash: String,
}

impl Config {
    /// A template as it is now.
    #[must_use]
    pub fn of(template: &Template) -> Self {
        let name = template.metadata().map_or("", ObjectMeta::name);
        Self { template: name.to_owned(), hash: template.spec_hash().to_owned() }
    }

    /// Whether a template still says it.
    #[must_use]
    pub fn is(&self, template: &Template) -> bool {
        template.spec_hash() == self.hash
    }

    /// The template that a work names in its annotation (spec 2.5); `None` for other texts.
    #[must_use]
    pub fn of_hashes(text: &str) -> Option<Self> {
        let hashes: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        let of = format!("{TEMPLATES}.{GROUP}//");
        hashes.into_iter().find_map(|(key, hash)| {
            let template = key.strip_prefix(&of)?.to_owned();
            Some(Self { template, hash })
        })
    }

    /// What a work says of the configuration it was made from (spec 2.5).
    #[must_use]
    pub fn hashes(&self) -> String {
        json!({ format!("{TEMPLATES}.{GROUP}//{}", self.template): self.hash }).to_string()
    }
}

/// The name of the template where a placement chose the cluster, perhaps before the add-on is
/// there; `None` when nothing names one.
pub fn template_of<'a>(
    add_on: Option<&'a AddOn>,
    definition: &'a Definition,
    placement: &str,
) -> Option<&'a str> {
    add_on.and_then(own).or_else(|| of_placement(definition, placement))
}

/// The name of the template that an add-on says itself.
pub fn own(add_on: &AddOn) -> Option<&str> {
    add_on.object()?.spec.as_ref().and_then(|spec| first(&spec.configs))
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
