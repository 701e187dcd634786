//! `version`: of this command, and of the hub when one is named and runs.

use crate::args::{Output, OutputArgs};
use crate::failure::Done;
use crate::print::{document_out, line};
use fleetlog_tools::nats::server_info;
use fleetlog_topology::folder;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `fleetlog version`.
///
/// # Errors
/// None that is known of: a hub that is not there is left out.
pub fn run(args: &OutputArgs, data: Option<&PathBuf>) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    let hub = data.and_then(|dir| folder::find(dir).ok());
    let nats = hub.as_ref().and_then(|hub| server_info(hub.nats_url.as_deref()?));
    let nats = nats.map(|info| info.version);
    let hub = hub.map(|hub| {
        json!({ "hubId": hub.hub_id, "dataVersion": hub.data_version, "natsUrl": hub.nats_url,
            "natsVersion": nats })
    });
    let document = json!({ "version": version, "hub": hub });
    match args.output {
        form @ (Output::Json | Output::Yaml) => document_out(form, &document)?,
        Output::Table | Output::Wide | Output::Name => {
            line(&format!("fleetlog {version}"));
            if let Some(hub) = &hub {
                let word = |name: &str| match &hub[name] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                line(&format!("hub {}, data version {}", word("hubId"), word("dataVersion")));
                line(&format!("nats-server {} at {}", word("natsVersion"), word("natsUrl")));
            }
        }
    }
    Ok(())
}
