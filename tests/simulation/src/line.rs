//! The broker as one service, one agent or the user has it: the one in memory behind a line that
//! loses, doubles, delays and cuts what goes over it. Here lie the seams of the planted bugs.

use crate::bug::Bug;
use crate::chance::{Faults, Kind};
use crate::life::{Life, Who};
use crate::planted::{self, Arrivals};
use crate::pulse::Pulse;
use crate::streams;
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{
    Broker, Fault, Memory, Message, Publish, PublishError, Queue, Reading, Stored, StoredMessage,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, Subject};
use futures::stream::BoxStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a caller waits for an answer that does not come.
const UNANSWERED: Duration = Duration::from_millis(300);

/// What lines saw that must not be.
pub type Sightings = Arc<Mutex<Vec<String>>>;

/// A line.
pub struct Line {
    pub(crate) memory: Arc<Memory>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) life: Arc<Life>,
    pub(crate) bug: Option<Bug>,
    pub(crate) sightings: Sightings,
    /// Rings when the connection is lost.
    pub(crate) losses: Arc<Notify>,
    /// What an agent with the bug [`Bug::OlderGenerationAccepted`] needs.
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Line {
    /// Lets time pass before a call goes out; a dead caller's goes nowhere.
    async fn out(&self) {
        let dies = match self.life.who {
            Who::Service(_) => Kind::ServiceRestart,
            Who::Agent => Kind::AgentRestart,
            Who::User => Kind::Delay,
        };
        if self.life.who != Who::User && !self.life.is_dead() && self.faults.strikes(dies) {
            self.life.end();
        }
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
        if self.faults.strikes(Kind::Delay) {
            tokio::time::sleep(self.faults.lateness()).await;
        }
        if self.life.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn calling(&self, step: &str) -> Result<(), Fault> {
        self.out().await;
        if self.faults.strikes(Kind::Loss) {
            tokio::time::sleep(UNANSWERED).await;
            return Err(lost(step));
        }
        Ok(())
    }

    async fn answering(&self, step: &str) -> Result<(), Fault> {
        if self.faults.strikes(Kind::LostAnswer) {
            tokio::time::sleep(UNANSWERED).await;
            return Err(lost(step));
        }
        Ok(())
    }

    /// A reaction must not be told again when an earlier life is known to have told it.
    fn watch_reactions(&self, message: &Publish) {
        let (Who::Service(service), true) = (self.life.who, message.subject.starts_with("fl.do."))
        else {
            return;
        };
        let held = |name: &str| message.headers.get(name).map(String::as_str).unwrap_or_default();
        // What a shell's task saw by itself has a correlation of its own, its command's id.
        let from_reaction = held(header::CORRELATION) != held(header::COMMAND);
        let cause: u64 = held(header::CAUSE).parse().unwrap_or_default();
        if from_reaction && cause <= self.life.reacted_before.0 {
            let before = self.life.reacted_before;
            self.sight(format!(
                "{service} tells again what follows from position {cause}, though all up to \
                 {before} was reacted to before it started"
            ));
        }
    }

    fn sight(&self, what: String) {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

pub(crate) fn lost(step: &str) -> Fault {
    Fault::passing(step, "the line lost it")
}

#[async_trait]
impl Broker for Line {
    async fn publish(&self, message: Publish) -> Result<Stored, PublishError> {
        self.out().await;
        self.watch_reactions(&message);
        let unknown = || Err(PublishError::Unknown("the line lost it".to_owned()));
        if self.faults.strikes(Kind::Loss) {
            tokio::time::sleep(UNANSWERED).await;
            return unknown();
        }
        if planted::swallows(self, &message).await {
            return Ok(Stored { sequence: 0, duplicate: false });
        }
        let message = planted::rewritten(self.bug, message);
        let copy = || planted::without_deduplication(self.bug, message.clone());
        let mut stored = self.memory.publish(copy()).await;
        if let (Ok(_), Some(cluster)) = (&stored, subject::of_lease(&message.subject)) {
            self.pulse.leased(cluster.as_str());
        }
        if self.faults.strikes(Kind::Duplication) {
            let again = self.memory.publish(copy()).await;
            stored = if self.faults.chance().below(2) == 0 { again } else { stored };
        }
        if self.faults.strikes(Kind::LostAnswer) {
            tokio::time::sleep(UNANSWERED).await;
            return unknown();
        }
        stored
    }

    async fn publish_atomic(&self, messages: Vec<Publish>) -> Result<Stored, PublishError> {
        self.out().await;
        let unknown = || Err(PublishError::Unknown("the line lost it".to_owned()));
        if self.faults.strikes(Kind::Loss) {
            tokio::time::sleep(UNANSWERED).await;
            return unknown();
        }
        let bare = |message| {
            planted::without_deduplication(self.bug, planted::rewritten(self.bug, message))
        };
        let messages = messages.into_iter().map(bare).collect();
        let stored = self.memory.publish_atomic(messages).await;
        if self.faults.strikes(Kind::LostAnswer) {
            tokio::time::sleep(UNANSWERED).await;
            return unknown();
        }
        stored
    }

    async fn last(&self, stream: &str, subject: &Subject) -> Result<Option<StoredMessage>, Fault> {
        self.calling("read the last message").await?;
        let last = self.memory.last(stream, subject).await?;
        Ok(planted::without_checkpoint(self.bug, stream, last))
    }

    async fn get(&self, stream: &str, sequence: u64) -> Result<Option<StoredMessage>, Fault> {
        self.calling("read a message").await?;
        self.memory.get(stream, sequence).await
    }

    async fn last_of_each(
        &self,
        stream: &str,
        filter: &Subject,
    ) -> Result<Vec<StoredMessage>, Fault> {
        self.calling("read the last messages").await?;
        self.memory.last_of_each(stream, filter).await
    }

    async fn read(&self, stream: &str, filter: &Subject, from: u64) -> Result<Reading, Fault> {
        self.calling("read a stream").await?;
        let first = stream == "EVENTS" && !self.life.reads.swap(true, Ordering::Relaxed);
        let skips = self.bug == Some(Bug::LostTailAfterSnapshot) && first && from > 1;
        let from = match self.memory.last(stream, &Subject::raw("fl.ev.>")).await? {
            Some(last) if skips => last.sequence + 1,
            _ => from,
        };
        let Reading { pending, messages } = self.memory.read(stream, filter, from).await?;
        Ok(Reading { pending, messages: streams::reading(self.faults.clone(), messages) })
    }

    async fn queue(&self, stream: &str, durable: &str) -> Result<Box<dyn Queue>, Fault> {
        self.calling("open a queue").await?;
        let queue = self.memory.queue(stream, durable).await?;
        let (faults, life, bug) = (self.faults.clone(), self.life.clone(), self.bug);
        let losses = self.losses.clone();
        Ok(Box::new(streams::Shaky { queue, faults, life, bug, losses }))
    }

    async fn lost(&self) {
        tokio::select! {
            biased;
            () = self.losses.notified() => {}
            () = self.memory.lost() => {}
        }
    }

    async fn in_hand(&self, stream: &str, durable: &str) -> Result<(u64, u64), Fault> {
        self.calling("ask what is in hand").await?;
        self.memory.in_hand(stream, durable).await
    }

    async fn send(&self, message: Message) -> Result<(), Fault> {
        self.out().await;
        if self.faults.strikes(Kind::Loss) {
            return Ok(());
        }
        self.memory.send(message).await
    }

    async fn request(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, Fault> {
        self.calling("ask").await?;
        let asks = subject::asking_cluster(subject.as_str());
        let beats =
            asks.filter(|_| self.life.who == Who::Agent && subject.as_str().ends_with(".beat"));
        let _beating = beats.map(|cluster| self.pulse.beating(cluster.as_str()));
        let twice = self.faults.strikes(Kind::Duplication);
        let mut answer = self.memory.request(subject, payload.clone(), within).await?;
        if twice {
            answer = self.memory.request(subject, payload, within).await?;
        }
        self.answering("ask").await?;
        Ok(answer)
    }

    async fn request_many(
        &self,
        subject: &Subject,
        payload: Bytes,
        within: Duration,
    ) -> Result<BoxStream<'static, Result<Message, Fault>>, Fault> {
        self.calling("ask").await?;
        if self.bug == Some(Bug::OlderGenerationAccepted) && subject.as_str().ends_with(".blob") {
            return planted::kept_blob(&self.memory, &payload).await;
        }
        let answers = self.memory.request_many(subject, payload, within).await?;
        let answers = streams::answers(self.faults.clone(), answers);
        let is_sync = self.life.who == Who::Agent && subject.as_str().ends_with(".sync");
        Ok(match (self.bug, is_sync) {
            (Some(Bug::DeleteBeforeFirstSync), true) => planted::completed(answers),
            (Some(Bug::OlderGenerationAccepted), true) => self.arrivals.renumber_sync(answers),
            _ => answers,
        })
    }

    async fn subscribe(
        &self,
        filter: &Subject,
        group: Option<&str>,
    ) -> Result<BoxStream<'static, Message>, Fault> {
        self.calling("subscribe").await?;
        let heard = self.memory.subscribe(filter, group).await?;
        let heard = streams::heard(self.faults.clone(), heard);
        Ok(match (self.bug, self.life.who) {
            (Some(Bug::OlderGenerationAccepted), Who::Agent) => self.arrivals.renumber_live(heard),
            _ => heard,
        })
    }

    async fn put_object(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        self.calling("keep an object").await?;
        self.memory.put_object(bucket, name, content).await?;
        self.answering("keep an object").await
    }

    async fn get_object(&self, bucket: &str, name: &str) -> Result<Option<Bytes>, Fault> {
        self.calling("fetch an object").await?;
        self.memory.get_object(bucket, name).await
    }
}
