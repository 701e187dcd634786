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
use crate::plan::{Action, Change, Cost, Key, Kind, Plan, plan};
use crate::profile::Profile;
use crate::refusal::HubRefusal;
use crate::{audit, followers, look, things, whole};

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
    client: Client,
    profile: Profile,
    folder: Option<Folder<'a>>,
}

/// What a hub's folder tells of, beside what its operator sees.
struct Folder<'a> {
    dir: &'a Path,
    identity: &'a Identity,
    /// Topology's own hand in READERS; a server of an earlier release has none.
    auditor: Option<Client>,
}

/// What an [`Site::apply`] came to.
#[derive(Debug, PartialEq)]
pub struct Applied {
    /// The changes that were made.
    pub done: Vec<Change>,
    /// What becomes right when the hub starts again.
    pub waiting: Plan,
}

impl<'a> Site<'a> {
    /// The hub that the operator's connection leads to. Accounts, the server's own settings and the
    /// mirror of followers are not seen so.
    #[must_use]
    pub fn at(client: Client, profile: Profile) -> Self {
        Self { client, profile, folder: None }
    }

    /// The hub that runs at `url` on the folder `dir`: everything is seen.
    ///
    /// # Errors
    /// A server that does not answer, files that cannot be read.
    pub async fn of_folder(
        url: &str,
        profile: Profile,
        dir: &'a Path,
        identity: &'a Identity,
    ) -> Result<Self, HubRefusal> {
        let client = connect(url, &identity.operator()?).await?;
        let auditor = match connect(url, &identity.auditor()?).await {
            Ok(auditor) => Some(auditor),
            Err(_) if followers::all(dir)?.is_empty() => None,
            Err(refusal) => return Err(refusal),
        };
        Ok(Self { client, profile, folder: Some(Folder { dir, identity, auditor }) })
    }

    /// What has to change.
    ///
    /// # Errors
    /// A server that does not answer, a folder that cannot be read.
    pub async fn plan(&self) -> Result<Plan, HubRefusal> {
        let (mut wanted, mut found) =
            (things::in_jetstream(self.profile), look::jetstream(&self.client).await?);
        let mut seen = BTreeSet::from([Kind::Stream, Kind::Consumer]);
        if let Some(Folder { dir, identity, auditor }) = &self.folder {
            wanted.extend(things::of_server(identity, self.profile)?);
            found.extend(look::folder(dir, identity)?);
            seen.extend([Kind::Server, Kind::Account]);
            if let Some(auditor) = auditor {
                found.extend(look::mirror(auditor).await?);
            }
            if !followers::all(dir)?.is_empty() {
                wanted.push(audit::thing(self.profile));
            }
        }
        Ok(plan(&wanted, &found, &seen))
    }

    /// Plans, makes the changes of that plan, looks once more, and waits until everything lies on
    /// all its servers. What may cost data is done for the streams that `agreed` names; when a
    /// change is refused nothing is done.
    ///
    /// # Errors
    /// Every change that is refused, the first that the server does not take, or what still
    /// differs.
    pub async fn apply(&self, agreed: &[String]) -> Result<Applied, Vec<HubRefusal>> {
        let one = |refusal| vec![refusal];
        let plan = self.plan().await.map_err(one)?;
        let refused: Vec<_> = plan.refused(agreed).map(HubRefusal::of_change).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let restarts = |change: &Change| change.action == Action::Restart;
        let (waiting, mut done): (Vec<_>, Vec<_>) = plan.changes.into_iter().partition(restarts);
        for change in &done {
            perform(self.hand_for(&change.key).map_err(one)?, change).await.map_err(one)?;
        }
        if done.is_empty() {
            done.extend(self.attend().await.map_err(one)?);
            return Ok(Applied { done, waiting: Plan { changes: waiting } });
        }
        let left = self.plan().await.map_err(one)?;
        let (waiting, wrong): (Vec<_>, Vec<_>) = left.changes.into_iter().partition(restarts);
        if !wrong.is_empty() {
            return Err(wrong.iter().map(HubRefusal::differs).collect());
        }
        self.whole().await.map_err(one)?;
        if let Some(change) = self.attend().await.map_err(one)? {
            done.push(change);
            self.whole().await.map_err(one)?;
        }
        Ok(Applied { done, waiting: Plan { changes: waiting } })
    }

    fn auditor(&self) -> Option<&Client> {
        self.folder.as_ref()?.auditor.as_ref()
    }

    async fn whole(&self) -> Result<(), HubRefusal> {
        whole::wait(&self.client, self.auditor(), self.profile).await
    }

    /// Sees that the mirror of followers hears; answers how it was changed for that.
    async fn attend(&self) -> Result<Option<Change>, HubRefusal> {
        match self.auditor() {
            Some(auditor) => audit::attend(auditor, self.profile).await,
            None => Ok(None),
        }
    }

    /// Who may change a thing: the mirror lies in an account of its own.
    fn hand_for(&self, key: &Key) -> Result<&Client, HubRefusal> {
        match (key.is_copy(), self.auditor()) {
            (false, _) => Ok(&self.client),
            (true, Some(auditor)) => Ok(auditor),
            (true, None) => Err(HubRefusal::NotMade {
                what: key.to_string(),
                why: "the server lets nobody of its account in".to_owned(),
            }),
        }
    }
}

/// Makes every stream, bucket and queue that is missing, and verifies all others. What nobody asked
/// for is left alone.
///
/// # Errors
/// [`HubRefusal::Differs`] names the first thing that differs, with each differing field.
pub async fn settle(client: &Client, profile: Profile) -> Result<(), HubRefusal> {
    let site = Site::at(client.clone(), profile);
    if make_missing(client, &site.plan().await?).await? {
        return first_wrong(&site.plan().await?);
    }
    Ok(())
}

/// Verifies that everything is there as it should be.
///
/// # Errors
/// As [`settle`], and a thing that is missing.
pub async fn verify(client: &Client, profile: Profile) -> Result<(), HubRefusal> {
    first_wrong(&Site::at(client.clone(), profile).plan().await?)
}

/// What a start does of a plan; says whether there was anything to do.
pub(crate) async fn make_missing(client: &Client, plan: &Plan) -> Result<bool, HubRefusal> {
    let differs = |change: &&Change| !matches!(change.action, Action::Make | Action::Remove);
    if let Some(change) = plan.changes.iter().find(differs) {
        return Err(HubRefusal::differs(change));
    }
    let missing = plan.changes.iter().filter(|change| change.action == Action::Make);
    for change in missing.clone() {
        perform(client, change).await?;
    }
    Ok(missing.count() > 0)
}

/// The first thing of a plan that is missing or differs.
pub(crate) fn first_wrong(plan: &Plan) -> Result<(), HubRefusal> {
    let wrong = plan.changes.iter().find(|change| change.action != Action::Remove);
    wrong.map_or(Ok(()), |change| Err(HubRefusal::differs(change)))
}

async fn perform(client: &Client, change: &Change) -> Result<(), HubRefusal> {
    let Change { key, wanted, .. } = change;
    if matches!(change.action, Action::Replace | Action::Remove) {
        let frees = change.cost == Cost::Nothing && !key.is_copy();
        if frees && !is_empty(client, key).await? {
            let why = "it was empty when this was planned and is no more; plan again".to_owned();
            return Err(HubRefusal::NotMade { what: key.to_string(), why });
        }
        order(client, key, &format!("$JS.API.{}", at(key, "DELETE")), &json!({})).await?;
    }
    let verb = match (change.action, key.kind) {
        (Action::Make | Action::Replace, _) => "CREATE",
        (Action::Change, Kind::Stream) => "UPDATE",
        (Action::Change, _) => "CREATE",
        (Action::Remove | Action::Restart, _) => return Ok(()),
    };
    let mut subject = format!("$JS.API.{}", at(key, verb));
    if key.kind != Kind::Consumer {
        return order(client, key, &subject, wanted).await;
    }
    subject.push_str(&format!(".{}", wanted["filter_subject"].as_str().unwrap_or(">")));
    let action = if change.action == Action::Change { "update" } else { "create" };
    let body = json!({ "stream_name": key.of, "config": wanted, "action": action });
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
