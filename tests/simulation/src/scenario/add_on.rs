//! What the user does with an add-on: its template changes, its definition comes and goes.

use super::{NAMESPACE, PLACEMENT, Scenario, object};
use fleetlog_kernel::{ContentHash, Service};
use fleetlog_messages::addon::{
    ApplyDefinition, ApplyTemplate, DefinitionCommand, DeleteDefinition, TemplateCommand,
    definition_command, template_command,
};
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::wire::canonical;
use prost::Message as _;
use serde_json::{Value, json};

/// The add-on, and the config map that its works make.
const ADD_ON: &str = "metrics";
const GROUP: &str = "addon.open-cluster-management.io";

impl Scenario {
    /// A new template, or the definition goes; it comes back with the next template.
    pub(super) async fn add_on(&mut self) {
        if self.chance.below(3) == 0 {
            let command = Some(definition_command::Command::Delete(DeleteDefinition {}));
            self.ask(&definition(), DefinitionCommand { command }.encode_to_vec()).await;
            return;
        }
        self.apply_template().await;
        self.apply_definition().await;
    }

    async fn apply_template(&mut self) {
        self.revision += 1;
        let manifests = vec![json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": ADD_ON, "namespace": "default"},
            "data": {"revision": self.revision.to_string()},
        })];
        let body = canonical(&Value::Array(manifests.clone()));
        let made = (ADD_ON.to_owned(), self.revision);
        self.contents.insert(ContentHash::of(&body).to_string(), made);
        let template = json!({
            "metadata": {"name": ADD_ON},
            "spec": {"addonName": ADD_ON, "agentSpec": {"workload": {"manifests": manifests}}},
        });
        let apply = ApplyTemplate { template: object(template), ..ApplyTemplate::default() };
        let command = Some(template_command::Command::Apply(apply));
        let to = AggregateId::global(Service::Addon, "template", ADD_ON);
        self.ask(&to, TemplateCommand { command }.encode_to_vec()).await;
    }

    async fn apply_definition(&self) {
        let given = json!({
            "metadata": {"name": ADD_ON},
            "spec": {
                "supportedConfigs": [{
                    "group": GROUP, "resource": "addontemplates",
                    "defaultConfig": {"name": ADD_ON},
                }],
                "installStrategy": {
                    "type": "Placements",
                    "placements": [{"namespace": NAMESPACE, "name": PLACEMENT}],
                },
            },
        });
        let apply = ApplyDefinition { definition: object(given), ..ApplyDefinition::default() };
        let command = Some(definition_command::Command::Apply(apply));
        self.ask(&definition(), DefinitionCommand { command }.encode_to_vec()).await;
    }
}

fn definition() -> AggregateId {
    AggregateId::global(Service::Addon, "definition", ADD_ON)
}
