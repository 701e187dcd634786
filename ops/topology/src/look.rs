//! What a hub has now: streams and queues as its server tells, accounts and the server's settings
//! as its folder tells.

use std::collections::BTreeMap;
use std::path::Path;

use async_nats::Client;
use fleetlog_bus::jwt::claims_of;
use serde_json::{Value, json};

use crate::accounts::Account;
use crate::apply::ask;
use crate::folder::read_file;
use crate::identity::Identity;
use crate::plan::{Found, Key, Kind};
use crate::refusal::HubRefusal;
use crate::server::settings_of;

/// The streams and durable consumers of the account HUB.
///
/// # Errors
/// A server that does not answer, or does not let us ask.
pub(crate) async fn jetstream(client: &Client) -> Result<BTreeMap<Key, Found>, HubRefusal> {
    let mut found = BTreeMap::new();
    for stream in pages(client, "$JS.API.STREAM.LIST", "streams").await? {
        let name = stream["config"]["name"].as_str().unwrap_or_default().to_owned();
        let count = |what: &str| stream["state"][what].as_u64().unwrap_or_default();
        let (messages, bytes, config) = (count("messages"), count("bytes"), &stream["config"]);
        let subject = format!("$JS.API.CONSUMER.LIST.{name}");
        for consumer in pages(client, &subject, "consumers").await? {
            let config = &consumer["config"];
            // Others read in passing and are gone with their readers.
            let Some(durable) = config["durable_name"].as_str() else { continue };
            let count = |what: &str| consumer[what].as_u64().unwrap_or_default();
            let messages = count("num_pending") + count("num_ack_pending");
            let consumer = Found { config: config.clone(), messages, bytes: 0 };
            found.insert(Key::consumer(&name, durable), consumer);
        }
        let stream = Found { config: config.clone(), messages, bytes };
        found.insert(Key::new(Kind::Stream, &name), stream);
    }
    Ok(found)
}

/// Everything that a question answered in pages lists.
async fn pages(client: &Client, subject: &str, list: &str) -> Result<Vec<Value>, HubRefusal> {
    let mut all: Vec<Value> = vec![];
    loop {
        let page = ask(client, subject, &json!({ "offset": all.len() })).await?;
        let silent = page["missing"].as_array().is_some_and(|missing| !missing.is_empty());
        if page.get("error").is_some() || silent {
            let why = if silent { &page["missing"] } else { &page["error"] }.to_string();
            return Err(HubRefusal::NotMade { what: format!("the list \"{subject}\""), why });
        }
        let items = page[list].as_array().cloned().unwrap_or_default();
        let none = items.is_empty();
        all.extend(items);
        if none || all.len() as u64 >= page["total"].as_u64().unwrap_or_default() {
            return Ok(all);
        }
    }
}

/// The accounts as the server keeps them, and what it was started with.
///
/// # Errors
/// Files that cannot be read.
pub(crate) fn folder(dir: &Path, identity: &Identity) -> Result<BTreeMap<Key, Found>, HubRefusal> {
    let nats = dir.join("nats");
    let mut found = BTreeMap::new();
    if let Some(text) = read_file(&nats.join("nats.conf"))? {
        let config = json!(settings_of(&text));
        let key = Key::new(Kind::Server, "nats-server");
        found.insert(key, Found { config, ..Found::default() });
    }
    for account in Account::ALL {
        let file = nats.join("jwt").join(format!("{}.jwt", identity.account(account).0));
        let jwt = read_file(&file)?.unwrap_or_default();
        if let Some(claims) = claims_of(jwt.trim()) {
            let key = Key::new(Kind::Account, account.name());
            found.insert(key, Found { config: claims["nats"].clone(), ..Found::default() });
        }
    }
    Ok(found)
}
