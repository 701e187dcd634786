//! Makes what is missing, changes what may be changed, and compares every field of what is there. A
//! start only makes what is missing: a stream that differs is a refusal then, because some settings
//! cannot be taken back.

use std::collections::BTreeSet;
use std::path::Path;

use async_nats::{Client, ConnectOptions};
use fleetlog_bus::Credentials;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::identity::Identity;
use crate::look;
use crate::plan::{Action, Change, Cost, Key, Kind, Plan, Thing, plan};
use crate::profile::Profile;
use crate::refusal::HubRefusal;
use crate::things;

/// What is made may bring others with it: a stream made anew lacks its queues. Twice is enough.
const ROUNDS: usize = 2;

/// Connects as a user of one's own; the inbox prefix is the one that the user's role allows.
///
/// # Errors
/// When the server does not let the user in.
pub async fn connect(url: &str, credentials: &Credentials) -> Result<Client, HubRefusal> {
    let refused = |why: String| HubRefusal::Unreachable { url: url.to_owned(), why };
    let key = KeyPair::from_seed(&credentials.seed).map_err(|why| refused(why.to_string()))?;
    let name = credentials.name().unwrap_or_default();
    let sign = move |nonce: Vec<u8>| {
        let signed = key.sign(&nonce).map_err(async_nats::AuthError::new);
        async move { signed }
    };
    ConnectOptions::with_jwt(credentials.jwt.clone(), sign)
        .custom_inbox_prefix(format!("_INBOX_{name}"))
        .name(format!("fleetlog {name}"))
        .connect(url)
        .await
        .map_err(|why| refused(why.to_string()))
}

/// A hub whose topology is looked at and changed, as its operator.
pub struct Site<'a> {
    /// The operator's connection.
    pub client: Client,
    /// What it should be.
    pub profile: Profile,
    /// Its folder and identity, which tell of accounts and of the server; they are left out where
    /// the hub lies elsewhere.
    pub folder: Option<(&'a Path, &'a Identity)>,
}

impl Site<'_> {
    /// What has to change.
    ///
    /// # Errors
    /// A server that does not answer, a folder that cannot be read.
    pub async fn plan(&self) -> Result<Plan, HubRefusal> {
        let (mut wanted, mut found) =
            (things::in_jetstream(self.profile), look::jetstream(&self.client).await?);
        let mut seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
        if let Some((dir, identity)) = self.folder {
            wanted.extend(things::of_server(identity, self.profile)?);
            found.extend(look::folder(dir, identity)?);
            seen.extend([Kind::Server, Kind::Account]);
        }
        Ok(plan(&wanted, &found, &seen))
    }

    /// Makes the changes of a plan and what follows from them; answers what was done. What may cost
    /// data is done for the streams that `agreed` names; when a change is refused nothing is done.
    ///
    /// # Errors
    /// Every change that is refused, or the first that the server does not take.
    pub async fn apply(&self, agreed: &[String]) -> Result<Vec<Change>, Vec<HubRefusal>> {
        let one = |refusal| vec![refusal];
        let mut done = vec![];
        for _ in 0..ROUNDS {
            let plan = self.plan().await.map_err(one)?;
            let refused: Vec<_> = plan.refused(agreed).map(HubRefusal::of_change).collect();
            if !refused.is_empty() {
                return Err(refused);
            }
            let due = plan.changes.into_iter().filter(|c| c.action != Action::Restart);
            let due: Vec<Change> = due.collect();
            if due.is_empty() {
                break;
            }
            for change in due {
                perform(&self.client, &change, self.profile).await.map_err(one)?;
                done.push(change);
            }
        }
        let left = self.plan().await.map_err(one)?;
        let left = left.changes.iter().filter(|change| change.action != Action::Restart);
        let left: Vec<HubRefusal> = left.map(HubRefusal::differs).collect();
        if left.is_empty() { Ok(done) } else { Err(left) }
    }
}

/// Makes every stream, bucket and queue that is missing, and verifies all others. What nobody asked
/// for is left alone.
///
/// # Errors
/// [`HubRefusal::Differs`] names the first thing that differs, with each differing field.
pub async fn settle(client: &Client, profile: Profile) -> Result<(), HubRefusal> {
    let site = Site { client: client.clone(), profile, folder: None };
    let differs = |change: &&Change| !matches!(change.action, Action::Make | Action::Remove);
    let missing = site.plan().await?;
    if let Some(change) = missing.changes.iter().find(differs) {
        return Err(HubRefusal::differs(change));
    }
    for change in missing.changes.iter().filter(|change| change.action == Action::Make) {
        perform(client, change, profile).await?;
    }
    verify(client, profile).await
}

/// Verifies that everything is there as it should be.
///
/// # Errors
/// As [`settle`], and a thing that is missing.
pub async fn verify(client: &Client, profile: Profile) -> Result<(), HubRefusal> {
    let site = Site { client: client.clone(), profile, folder: None };
    let plan = site.plan().await?;
    let wrong = plan.changes.iter().find(|change| change.action != Action::Remove);
    wrong.map_or(Ok(()), |change| Err(HubRefusal::differs(change)))
}

async fn perform(client: &Client, change: &Change, profile: Profile) -> Result<(), HubRefusal> {
    let key = &change.key;
    if matches!(change.action, Action::Replace | Action::Remove) {
        if change.cost == Cost::Nothing && !is_empty(client, key).await? {
            let why = "it was empty when this was planned and is no more; plan again".to_owned();
            return Err(HubRefusal::NotMade { what: key.to_string(), why });
        }
        order(client, key, &format!("$JS.API.{}", at(key, "DELETE")), &json!({})).await?;
    }
    let wanted = things::in_jetstream(profile);
    let Some(Thing { config, .. }) = wanted.iter().find(|thing| thing.key == *key) else {
        return Ok(());
    };
    let verb = match (change.action, key.kind) {
        (Action::Make | Action::Replace, _) => "CREATE",
        (Action::Change, Kind::Stream) => "UPDATE",
        (Action::Change, _) => "CREATE",
        (Action::Remove | Action::Restart, _) => return Ok(()),
    };
    let mut subject = format!("$JS.API.{}", at(key, verb));
    let mut body = config.clone();
    if key.kind == Kind::Consumer {
        subject.push_str(&format!(".{}", config["filter_subject"].as_str().unwrap_or(">")));
        let action = if change.action == Action::Change { "update" } else { "create" };
        body = json!({ "stream_name": key.of, "config": config, "action": action });
    }
    order(client, key, &subject, &body).await
}

/// Whether nothing is in a stream, or nothing unfinished in a queue.
async fn is_empty(client: &Client, key: &Key) -> Result<bool, HubRefusal> {
    let info = ask(client, &format!("$JS.API.{}", at(key, "INFO")), &json!({})).await?;
    let held = match key.kind {
        Kind::Stream => vec![&info["state"]["messages"]],
        _ => vec![&info["num_pending"], &info["num_ack_pending"]],
    };
    Ok(held.into_iter().all(|held| held.as_u64() == Some(0)))
}

/// The end of the subject of a call about a thing.
fn at(key: &Key, verb: &str) -> String {
    match &key.name {
        Some(name) => format!("CONSUMER.{verb}.{}.{name}", key.of),
        None => format!("STREAM.{verb}.{}", key.of),
    }
}

async fn order(client: &Client, key: &Key, subject: &str, body: &Value) -> Result<(), HubRefusal> {
    let answer = ask(client, subject, body).await?;
    match answer.get("error") {
        None => Ok(()),
        Some(error) => Err(HubRefusal::NotMade { what: key.to_string(), why: error.to_string() }),
    }
}

pub(crate) async fn ask(client: &Client, subject: &str, body: &Value) -> Result<Value, HubRefusal> {
    ask_text(client, subject, body.to_string()).await
}

/// The same with any text.
pub(crate) async fn ask_text(
    client: &Client,
    subject: &str,
    body: String,
) -> Result<Value, HubRefusal> {
    let failed = |why: String| HubRefusal::NotMade { what: format!("\"{subject}\""), why };
    let request = client.request(subject.to_owned(), body.into());
    let answer = request.await.map_err(|why| failed(why.to_string()))?;
    serde_json::from_slice(&answer.payload).map_err(|why| failed(why.to_string()))
}
