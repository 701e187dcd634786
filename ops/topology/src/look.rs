//! What a hub has now: streams and queues as its server tells, accounts and the server's settings
//! as its folder tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_nats::Client;
use fleetlog_bus::AUDIT;
use fleetlog_bus::jwt::claims_of;
use serde_json::{Value, json};

use crate::accounts::Account;
use crate::apply::ask;
use crate::folder::read_file;
use crate::identity::Identity;
use crate::plan::{Found, Key, Kind};
use crate::refusal::HubRefusal;
use crate::server::settings_of;

/// How often a list is asked for that is not whole.
const ATTEMPTS: u32 = 20;
/// How long to wait between.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The server's word for servers that have no leader.
const UNAVAILABLE: u64 = 503;
/// The server's word for a stream that is not there.
const NO_STREAM: u64 = 10_059;

/// The streams and durable consumers of the account HUB.
///
/// # Errors
/// A server that does not answer, or does not let us ask.
pub(crate) async fn jetstream(client: &Client) -> Result<BTreeMap<Key, Found>, HubRefusal> {
    let mut found = BTreeMap::new();
    for stream in pages(client, "$JS.API.STREAM.LIST", "streams").await? {
        let name = stream["config"]["name"].as_str().unwrap_or_default().to_owned();
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
        let stream = self::found(&stream["config"], &stream["state"]);
        found.insert(Key::new(Kind::Stream, &name), stream);
    }
    Ok(found)
}

fn found(config: &Value, state: &Value) -> Found {
    let count = |what: &str| state[what].as_u64().unwrap_or_default();
    Found { config: config.clone(), messages: count("messages"), bytes: count("bytes") }
}

/// What the server tells of the mirror that followers read, or its error.
pub(crate) async fn audit_info(auditor: &Client) -> Result<Value, HubRefusal> {
    patiently(auditor, &format!("$JS.API.STREAM.INFO.{AUDIT}"), &json!({})).await
}

/// The mirror that followers read, as topology's own user in READERS sees it.
///
/// # Errors
/// As [`jetstream`].
pub(crate) async fn mirror(auditor: &Client) -> Result<BTreeMap<Key, Found>, HubRefusal> {
    let info = audit_info(auditor).await?;
    let key = Key::new(Kind::Stream, AUDIT);
    match (info.get("config"), info["error"]["err_code"].as_u64()) {
        (Some(config), _) => Ok(BTreeMap::from([(key, found(config, &info["state"]))])),
        (None, Some(NO_STREAM)) => Ok(BTreeMap::new()),
        (None, _) => {
            Err(HubRefusal::NotMade { what: key.to_string(), why: info["error"].to_string() })
        }
    }
}

/// Everything that a question answered in pages lists.
pub(crate) async fn pages(
    client: &Client,
    subject: &str,
    list: &str,
) -> Result<Vec<Value>, HubRefusal> {
    let mut all: Vec<Value> = vec![];
    loop {
        let page = patiently(client, subject, &json!({ "offset": all.len() })).await?;
        if let Some(error) = page.get("error").or_else(|| left_out(&page)) {
            let what = format!("the list \"{subject}\"");
            return Err(HubRefusal::NotMade { what, why: error.to_string() });
        }
        let items = page[list].as_array().cloned().unwrap_or_default();
        let none = items.is_empty();
        all.extend(items);
        if none || all.len() as u64 >= page["total"].as_u64().unwrap_or_default() {
            return Ok(all);
        }
    }
}

/// An answer with nothing left out: where several servers choose a leader of something, as after a
/// change or the loss of one of them, it is missing until they have. The last answer, when they do
/// not.
async fn patiently(client: &Client, subject: &str, body: &Value) -> Result<Value, HubRefusal> {
    for _ in 1..ATTEMPTS {
        let answer = ask(client, subject, body).await?;
        if answer["error"]["code"] != UNAVAILABLE && left_out(&answer).is_none() {
            return Ok(answer);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    ask(client, subject, body).await
}

/// What a list does not tell of.
fn left_out(page: &Value) -> Option<&Value> {
    page.get("missing").filter(|missing| missing.as_array().is_some_and(|m| !m.is_empty()))
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
