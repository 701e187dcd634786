//! The way to a hub: its folder names the server, the credentials let us in. Commands and questions
//! go as its administrator, the log is read as its operator.

use crate::failure::Failure;
use crate::history::History;
use fleetlog_bus::{Client, ClientError, JetStream, Retry, SharedBroker};
use fleetlog_chassis::{Clock, Ids};
use fleetlog_kernel::{Actor, Position, Service, Timestamp};
use fleetlog_messages::KindInfo;
use fleetlog_messages::common::{Answer, Outcome, Query, outcome};
use fleetlog_messages::subject::AggregateId;
use fleetlog_topology::folder;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

/// A connection as the hub's administrator.
pub struct Hub {
    client: Client,
    /// Where an operator's connection can be had, when one is needed.
    folder: Option<PathBuf>,
    operator: OnceCell<SharedBroker>,
    /// The newest position that a command of ours was committed at: later reads are not older.
    seen: AtomicU64,
}

impl Hub {
    /// Connects to the hub of `data`.
    ///
    /// # Errors
    /// When no folder is given, it holds no running hub, or the hub does not answer.
    pub async fn open(data: Option<&PathBuf>) -> Result<Self, Failure> {
        let folder = folder(data)?;
        let broker = connect(folder, "admin").await?;
        let hub = Self::over(broker, Actor::new("admin"), Arc::new(Ids::Random));
        Ok(Self { folder: Some(folder.to_path_buf()), ..hub })
    }

    /// Speaks over a connection that stands.
    #[must_use]
    pub fn over(broker: SharedBroker, actor: Actor, ids: Arc<Ids>) -> Self {
        let client = Client::new(broker, actor, move || ids.command());
        Self { client, folder: None, operator: OnceCell::new(), seen: AtomicU64::new(0) }
    }

    /// The same, with an operator's connection to read the log by.
    #[must_use]
    pub fn with_operator(self, operator: SharedBroker) -> Self {
        Self { operator: OnceCell::new_with(Some(operator)), ..self }
    }

    /// The client below.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Now, as this machine has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Clock::System.now()
    }

    /// The operator's connection, made at its first use.
    ///
    /// # Errors
    /// When there is none and none can be made.
    pub async fn operator(&self) -> Result<&SharedBroker, Failure> {
        let connecting = async || match &self.folder {
            Some(folder) => connect(folder, "operator").await,
            None => {
                let sentence = "the log cannot be read over this connection";
                Err(Failure::new("CLI0012", sentence, "give the hub's folder with --data DIR"))
            }
        };
        self.operator.get_or_try_init(connecting).await
    }

    /// The event log, for reading.
    ///
    /// # Errors
    /// As [`Self::operator`].
    pub async fn history(&self) -> Result<History, Failure> {
        Ok(History::over(self.operator().await?.clone()))
    }

    /// Sends a command; answers its position and event types (none when nothing changed).
    ///
    /// # Errors
    /// The refusal, or that no outcome is known.
    pub async fn command(
        &self,
        to: &AggregateId,
        payload: Vec<u8>,
    ) -> Result<(u64, Vec<String>), Failure> {
        let Outcome { result, .. } = self.client.command(to, payload.into()).await?;
        match result {
            Some(outcome::Result::Accomplished(done)) => {
                self.seen.fetch_max(done.position, Ordering::Relaxed);
                Ok((done.position, done.types))
            }
            Some(outcome::Result::Refused(refusal)) => Err(refusal.into()),
            None => Err(Failure::new("CLI0011", "the outcome is of a later version", "update")),
        }
    }

    /// Asks what would come of a command; answers the types of its events.
    ///
    /// # Errors
    /// The refusal that it would have, or that nobody says.
    pub async fn try_out(
        &self,
        to: &AggregateId,
        payload: Vec<u8>,
        beside: Vec<u8>,
    ) -> Result<Vec<String>, Failure> {
        let seen = Position(self.seen.load(Ordering::Relaxed));
        match self.client.try_out(to, payload.into(), beside, seen).await? {
            outcome::Result::Accomplished(done) => Ok(done.types),
            outcome::Result::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Asks for objects; never older than the last command of this process.
    ///
    /// # Errors
    /// The refusal, or that no service answers.
    pub async fn objects(&self, service: Service, query: Query) -> Result<Vec<Value>, Failure> {
        Ok(self.objects_at(service, query).await?.1)
    }

    /// The same with the position that the answer stands at.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub async fn objects_at(
        &self,
        service: Service,
        query: Query,
    ) -> Result<(u64, Vec<Value>), Failure> {
        let seen = self.seen.load(Ordering::Relaxed);
        let query = Query { min_position: query.min_position.max(seen), ..query };
        let pages = self.pages(service, "get", query).await?;
        let (mut position, mut objects) = (0, vec![]);
        for page in pages {
            position = page.position;
            for object in &page.objects {
                let object = serde_json::from_slice(object).map_err(anyhow::Error::from)?;
                objects.push(object);
            }
        }
        Ok((position, objects))
    }

    /// The answer to a question. One may be lost on its way, or be answered too late: what only
    /// looks is asked once more.
    async fn pages(
        &self,
        service: Service,
        verb: &str,
        query: Query,
    ) -> Result<Vec<Answer>, ClientError> {
        match self.client.ask(service, verb, query.clone()).await {
            Err(ClientError::Fault(fault)) if fault.retry == Retry::MayHelp => {
                tracing::debug!(%fault, "asking once more");
                self.client.ask(service, verb, query).await
            }
            answered => answered,
        }
    }

    /// Asks a question of a service's own, by its verb; the answer's messages as they came, and the
    /// position that they stand at.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub async fn ask(
        &self,
        service: Service,
        verb: &str,
        query: Query,
    ) -> Result<(u64, Vec<Vec<u8>>), Failure> {
        let seen = self.seen.load(Ordering::Relaxed);
        let query = Query { min_position: query.min_position.max(seen), ..query };
        let pages = self.pages(service, verb, query).await?;
        let position = pages.last().map(|page| page.position).unwrap_or_default();
        Ok((position, pages.into_iter().flat_map(|page| page.objects).collect()))
    }

    /// One object by its name; `None` when there is none.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub async fn object(
        &self,
        info: &KindInfo,
        namespace: Option<&str>,
        name: &str,
        bodies: Bodies,
    ) -> Result<Option<Value>, Failure> {
        let query = Query {
            kind: info.token.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: name.to_owned(),
            without_bodies: bodies == Bodies::LeftOut,
            ..Query::default()
        };
        Ok(self.objects(crate::kinds::service(info)?, query).await?.into_iter().next())
    }
}

/// Whether the manifests of works are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// With their manifests.
    Wanted,
    /// Without: the answer is small whatever the works hold.
    LeftOut,
}

/// The folder that was named.
///
/// # Errors
/// When none was, or it holds no hub.
pub fn folder(data: Option<&PathBuf>) -> Result<&Path, Failure> {
    let advice = "give --data DIR or set FLEETLOG_DATA to the folder of a running hub";
    let folder = data.ok_or_else(|| Failure::usage("no hub is named", advice))?;
    if folder.join("hub.json").is_file() {
        Ok(folder)
    } else {
        let sentence = format!("\"{}\" holds no hub", folder.display());
        let advice = "start one there with fleetlog dev --data DIR";
        Err(Failure::new("CLI0003", sentence, advice))
    }
}

/// Connects with one of the folder's credentials: `admin` or `operator`.
///
/// # Errors
/// When the folder cannot be read or no hub runs on it.
pub async fn connect(folder: &Path, user: &str) -> Result<SharedBroker, Failure> {
    let hub = folder::find(folder)?;
    let url = hub.nats_url.unwrap_or_default();
    let file = folder.join("creds").join(format!("{user}.creds"));
    let credentials = folder::read_credentials(&file)?;
    JetStream::connect(&url, credentials, user).await.map_err(|fault| {
        let sentence = format!("the hub at \"{url}\" does not answer: {fault}");
        Failure::new("CLI0005", sentence, "see whether it still runs: fleetlog dev --data DIR")
    })
}
