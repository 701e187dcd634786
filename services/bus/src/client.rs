//! What users' programs need: commands with their outcomes, questions, contents handed over, the
//! log.

use crate::SharedBroker;
use crate::blobs::CHUNK;
use crate::commands::{Commands, MAX_COMMAND};
use crate::event_log::{LogReading, end, read};
use crate::fault::{Fault, Retry};
use crate::hearing::{Hearing, Waiting};
use crate::outcomes::heard;
use crate::port::Message;
use bytes::Bytes;
use fleetlog_kernel::{Actor, CommandId, ContentHash, Position, Service};
use fleetlog_messages::common::{Answer, BlobKept, BlobPut, Outcome, Query, Refusal, Try, outcome};
use fleetlog_messages::core::{RefusedToSeal, SealValues, Sealed, ValuesSealed};
use fleetlog_messages::subject::{self, AggregateId, Subject};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an outcome is listened for before it is asked for.
const HEAR_WITHIN: Duration = Duration::from_secs(2);
/// How often an outcome is asked for before the client gives up.
const ASKS: u32 = 15;
/// How often a command is sent while nobody knows whether it was taken, and the pause between.
const SENDS: u32 = 3;
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// How many commands may wait for outcomes at once: a user may hold 20 subscriptions, and each of
/// the few answers of several pages that a connection waits for takes one too.
const AT_ONCE: usize = 12;

/// How large what goes with a command that is only tried may be, so that both fit a question.
pub const MAX_BESIDE: usize = 640 * 1024;

/// Why a client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The command is too large, its manifests taken out.
    #[error("the command has {size} bytes, at most {MAX_COMMAND} are taken")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// What goes with a command that is tried does not fit a question.
    #[error("what goes with the command has {size} bytes, at most {MAX_BESIDE} are tried")]
    TooMuch {
        /// Its size in bytes.
        size: usize,
    },
    /// The service says no.
    #[error("{}: {}", .0.code, .0.sentence)]
    Refused(Refusal),
    /// Nobody answers for this service.
    #[error("the {0} service does not answer")]
    NobodyThere(Service),
    /// The command is recorded, its outcome is not known yet; it can be asked for by its id.
    #[error("command \"{0}\" was taken, its outcome is not known yet")]
    NoOutcome(CommandId),
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// Something outside failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A user's client.
#[derive(Clone)]
pub struct Client {
    broker: SharedBroker,
    actor: Actor,
    ids: Arc<dyn Fn() -> CommandId + Send + Sync>,
    at_once: Arc<Semaphore>,
    hearing: Option<Hearing>,
}

/// By what a client hears of an outcome.
enum Ear {
    Own(BoxStream<'static, Message>),
    Shared(Waiting),
}

impl Client {
    /// A client of the user whose credentials `broker` shows; `ids` gives random command ids.
    pub fn new(
        broker: SharedBroker,
        actor: Actor,
        ids: impl Fn() -> CommandId + Send + Sync + 'static,
    ) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { broker, actor, ids: Arc::new(ids), at_once, hearing: None }
    }

    /// The same with one ear for all outcomes; for those who may hear those of everybody.
    #[must_use]
    pub fn hearing_by(self, hearing: Hearing) -> Self {
        Self { hearing: Some(hearing), ..self }
    }

    /// Sends a command and waits for its outcome, which is durable then.
    ///
    /// # Errors
    /// Only when no outcome is known; a refusal is an outcome.
    pub async fn command(&self, to: &AggregateId, payload: Bytes) -> Result<Outcome, ClientError> {
        self.command_as(&(self.ids)(), to, payload).await
    }

    /// Sends a command under an id of the caller's; sent again, it decides nothing anew.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn command_as(
        &self,
        id: &CommandId,
        to: &AggregateId,
        payload: Bytes,
    ) -> Result<Outcome, ClientError> {
        if payload.len() > MAX_COMMAND {
            return Err(ClientError::TooLarge { size: payload.len() });
        }
        let _place = self.at_once.acquire().await;
        let subject = subject::outcome(self.actor.as_str(), id);
        let shared = self.hearing.as_ref().and_then(|hearing| hearing.wait(&subject, id));
        let mut ear = match shared {
            Some(waiting) => Ear::Shared(waiting),
            None => Ear::Own(self.broker.subscribe(&subject, None).await?),
        };
        self.send(id, to, payload).await?;
        for _ in 0..ASKS {
            let listening = ear.outcome(id);
            match tokio::time::timeout(HEAR_WITHIN, listening).await {
                Ok(Some(outcome)) => return Ok(outcome),
                // Nobody listens for all any more.
                Ok(None) if matches!(ear, Ear::Shared(_)) => {
                    ear = Ear::Own(self.broker.subscribe(&subject, None).await?);
                }
                Ok(None) | Err(_) => {}
            }
            if let Some(outcome) = self.outcome(to.service, id).await? {
                return Ok(outcome);
            }
        }
        Err(ClientError::NoOutcome(id.clone()))
    }

    /// Asks what would come of a command, `beside` being what would be handed over before it;
    /// nothing does. The answer is of `after` or newer, and like an outcome.
    ///
    /// # Errors
    /// Only when nobody says; a refusal is an answer.
    pub async fn try_out(
        &self,
        to: &AggregateId,
        payload: Bytes,
        beside: Vec<u8>,
        after: Position,
    ) -> Result<outcome::Result, ClientError> {
        if payload.len() > MAX_COMMAND {
            return Err(ClientError::TooLarge { size: payload.len() });
        }
        if beside.len() > MAX_BESIDE {
            return Err(ClientError::TooMuch { size: beside.len() });
        }
        let query = Query {
            kind: to.kind.clone(),
            namespace: to.scope.clone().unwrap_or_default(),
            name: to.name.clone(),
            min_position: after.0,
            asked: Try { command: payload.into(), beside }.encode_to_vec(),
            ..Query::default()
        };
        let pages = self.ask(to.service, "try", query).await?;
        let said = pages.into_iter().find_map(|page| page.outcome?.result);
        said.ok_or_else(|| ClientError::Unreadable("it says nothing of the command".to_owned()))
    }

    /// Sends a command until it is known to be taken; under its id it counts once.
    async fn send(
        &self,
        id: &CommandId,
        to: &AggregateId,
        payload: Bytes,
    ) -> Result<(), ClientError> {
        let commands = Commands::new(self.broker.clone());
        let mut sends = 0;
        loop {
            sends += 1;
            let fault = match commands.send(&self.actor, to, id, payload.clone()).await {
                Ok(_) => return Ok(()),
                Err(fault) => fault,
            };
            if let Some(refusal) = fault.refusal() {
                return Err(ClientError::Refused(refusal));
            }
            if fault.retry != Retry::MayHelp || sends >= SENDS {
                return Err(fault.into());
            }
            tokio::time::sleep(SEND_AGAIN).await;
        }
    }

    /// The recorded outcome of one of the user's commands.
    ///
    /// # Errors
    /// A refusal, or what failed on the way; a service that is away is not an error here.
    pub async fn outcome(
        &self,
        service: Service,
        id: &CommandId,
    ) -> Result<Option<Outcome>, ClientError> {
        let query = Query { command: id.to_string(), ..Query::default() };
        match self.ask(service, "outcome", query).await {
            Ok(pages) => {
                let found = pages.into_iter().find_map(|page| page.outcome);
                Ok(found.filter(|outcome| outcome.command == id.as_str()))
            }
            Err(ClientError::NobodyThere(_)) => Ok(None),
            Err(ClientError::Fault(fault)) if fault.retry == Retry::MayHelp => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks a service; answers every page.
    ///
    /// # Errors
    /// A refusal, a service that does not answer, or pages that are missing.
    pub async fn ask(
        &self,
        service: Service,
        verb: &str,
        query: Query,
    ) -> Result<Vec<Answer>, ClientError> {
        let subject = subject::query(service, &self.actor, verb);
        let payload = query.encode_to_vec().into();
        let asked = self.broker.request_many(&subject, payload, ANSWER_WITHIN).await;
        let mut messages = asked.map_err(|fault| of_service(service, fault))?;
        let mut pages: Vec<Answer> = vec![];
        while let Some(message) =
            messages.try_next().await.map_err(|fault| of_service(service, fault))?
        {
            let page = read_answer(&message)?;
            if page.page as usize != pages.len() {
                let lost = format!("page {} came as number {}", page.page, pages.len());
                return Err(ClientError::Unreadable(lost));
            }
            pages.push(page);
        }
        Ok(pages)
    }

    /// Asks a service for what one page holds, as an object of a name: several cost the server a
    /// subscription for each question.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_page(
        &self,
        service: Service,
        verb: &str,
        query: Query,
    ) -> Result<Answer, ClientError> {
        let subject = subject::query(service, &self.actor, verb);
        let payload = query.encode_to_vec().into();
        let answer = self.broker.request(&subject, payload, ANSWER_WITHIN).await;
        read_answer(&answer.map_err(|fault| of_service(service, fault))?)
    }

    /// Hands content over before the command that names it; answers its hash.
    ///
    /// # Errors
    /// A refusal, or a service that does not answer.
    pub async fn put_blob(&self, content: Bytes) -> Result<ContentHash, ClientError> {
        let hash = ContentHash::of(&content);
        if content.len() <= CHUNK {
            let put = BlobPut { body: content.to_vec(), ..BlobPut::default() };
            return self.put(put, hash).await;
        }
        let mut chunks = vec![];
        for chunk in content.chunks(CHUNK) {
            let put = BlobPut { body: chunk.to_vec(), ..BlobPut::default() };
            chunks.push(self.put(put, ContentHash::of(chunk)).await?.to_string());
        }
        self.put(BlobPut { chunks, ..BlobPut::default() }, hash).await
    }

    async fn put(&self, put: BlobPut, hash: ContentHash) -> Result<ContentHash, ClientError> {
        let subject = subject::put(Service::Work, &self.actor, "blob");
        let payload = put.encode_to_vec().into();
        let answer = self.broker.request(&subject, payload, ANSWER_WITHIN).await;
        let answer = answer.map_err(|fault| of_service(Service::Work, fault))?;
        let kept = BlobKept::decode(answer.payload)
            .map_err(|error| ClientError::Unreadable(error.to_string()))?;
        if let Some(refusal) = kept.refused {
            return Err(ClientError::Refused(refusal));
        }
        if kept.hash != hash.to_string() {
            return Err(ClientError::Unreadable(format!(
                "\"{}\" was kept, not \"{hash}\"",
                kept.hash
            )));
        }
        Ok(hash)
    }

    /// Hands over the values of a secret, in base64 by their names; answers them sealed.
    ///
    /// # Errors
    /// A refusal, or a service that does not answer.
    pub async fn seal(&self, values: BTreeMap<String, String>) -> Result<Sealed, ClientError> {
        let subject = subject::put(Service::Core, &self.actor, "seal");
        let payload = SealValues { values }.encode_to_vec().into();
        let answer = self.broker.request(&subject, payload, ANSWER_WITHIN).await;
        let answer = answer.map_err(|fault| of_service(Service::Core, fault))?;
        let unreadable = |why: &str| ClientError::Unreadable(why.to_owned());
        let sealed = ValuesSealed::decode(answer.payload)
            .map_err(|error| ClientError::Unreadable(error.to_string()))?;
        if let Some(RefusedToSeal { code, sentence, advice }) = sealed.refused {
            return Err(ClientError::Refused(Refusal { code, sentence, advice }));
        }
        sealed.sealed.ok_or_else(|| unreadable("nothing was sealed"))
    }

    /// Where the log ends; for those who may read EVENTS.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn end(&self) -> Result<Position, Fault> {
        end(&self.broker).await
    }

    /// The same connection for another actor; for those who speak in the names of others.
    #[must_use]
    pub fn of(&self, actor: Actor) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { actor, at_once, ..self.clone() }
    }

    /// Reads the log after `after` and follows it; for those who may read EVENTS.
    ///
    /// # Errors
    /// When the reading cannot be opened.
    pub async fn events(&self, filter: &Subject, after: Position) -> Result<LogReading, Fault> {
        read(&self.broker, filter, after).await
    }
}

impl Ear {
    async fn outcome(&mut self, id: &CommandId) -> Option<Outcome> {
        let messages = match self {
            Self::Shared(waiting) => return waiting.outcome().await,
            Self::Own(messages) => messages,
        };
        while let Some(message) = messages.next().await {
            if let Some(outcome) = heard(&message, id) {
                return Some(outcome);
            }
        }
        None
    }
}

fn of_service(service: Service, fault: Fault) -> ClientError {
    match fault.retry {
        Retry::NobodyThere => ClientError::NobodyThere(service),
        Retry::MayHelp | Retry::Useless | Retry::NoSpace => ClientError::Fault(fault),
    }
}

fn read_answer(message: &Message) -> Result<Answer, ClientError> {
    let answer = Answer::decode(message.payload.clone())
        .map_err(|error| ClientError::Unreadable(error.to_string()))?;
    match answer.refusal {
        Some(refusal) => Err(ClientError::Refused(refusal)),
        None => Ok(answer),
    }
}
