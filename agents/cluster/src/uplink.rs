//! The agent's line to its hub: join with the token until there is a credential, connect with it,
//! listen first, then beat, and renew before it ends. What is heard is `runner`'s.

use crate::agent::Standing;
use crate::dialer::{Caller, Dialer};
use crate::keys::KeyStore;
use fleetlog_agent_core::{Pace, spread};
use fleetlog_bus::{AgentLink, Credentials, Fault, Retry, SharedBroker, SignedDelivery};
use fleetlog_chassis::{Clock, Watched};
use fleetlog_kernel::ClusterName;
use fleetlog_messages::common::{
    Beat, Credential, JoinAnswer, JoinRequest, RenewRequest, join_answer::Answer,
};
use futures::stream::{BoxStream, StreamExt as _};
use nkeys::KeyPair;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The longest wait between two questions of a newcomer, and between two dials.
const ASK_MOST: Duration = Duration::from_secs(5);
const DIAL_MOST: Duration = Duration::from_secs(5);
/// The first such waits; they double.
const ASK_FIRST: Duration = Duration::from_millis(100);
/// How often a refused agent asks to join before it tries its credential again.
const ASK_BETWEEN: u32 = 3;
/// A connection that held so long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// Beats without an answer until a line counts as dead.
const DEAD_AFTER: u32 = 3;
/// Between two tries of a renewal that failed.
const RENEW_AGAIN: Duration = Duration::from_secs(20);
/// The least between two beats, however often the hub asks for one.
const BEATS_APART: Duration = Duration::from_millis(100);

/// What the runner is told.
pub(crate) enum News {
    /// The hub can be asked, and its deliveries are heard.
    Up(Up),
    /// The hub was silent for a while and answers again: something may have been missed.
    Resumed,
    /// The line is lost.
    Down,
}

/// A line that works.
pub(crate) struct Up {
    pub link: AgentLink,
    pub live: BoxStream<'static, SignedDelivery>,
    pub work_key: String,
    pub hub_hash: String,
}

/// The line.
pub(crate) struct Uplink {
    pub cluster: ClusterName,
    pub labels: BTreeMap<String, String>,
    pub dialer: Arc<dyn Dialer>,
    pub keys: Arc<dyn KeyStore>,
    pub clock: Clock,
    pub news: mpsc::Sender<News>,
    pub standing: Arc<Watched<Standing>>,
}

/// How an agent beats on one connection.
struct Rhythm {
    every: Duration,
    count: u64,
    /// Beats without an answer since the last one that had one.
    missed: u32,
}

/// Why a connection ended.
enum Ended {
    /// A new credential asks for a new connection.
    Renewed(Credential),
    /// The hub does not take the credential any more.
    Refused,
    /// It broke, or there was none.
    Lost,
}

impl Uplink {
    /// Keeps the line for ever.
    ///
    /// # Errors
    /// When the key cannot be read or kept.
    pub(crate) async fn run(self) -> Result<(), Fault> {
        let kept = self.keys.load().await?;
        let key = KeyPair::from_seed(&kept.seed)
            .map_err(|error| Fault::lasting("read the agent's key", error))?;
        let mut credential = kept.credential;
        let (mut failures, mut refused) = (0, false);
        loop {
            let current = match credential.take().filter(|c| !self.has_expired(c)) {
                Some(current) if !refused => current,
                // Refused before its end: denied, or by a server that does not know better yet.
                Some(current) => self.join(&key, Some(ASK_BETWEEN)).await?.unwrap_or(current),
                None => match self.join(&key, None).await? {
                    Some(new) => new,
                    None => continue,
                },
            };
            let begun = Instant::now();
            let ended = self.session(&key, &kept.seed, &current).await;
            failures = if begun.elapsed() > STEADY { 1 } else { failures + 1 };
            refused = matches!(ended, Ended::Refused);
            credential = Some(match ended {
                Ended::Renewed(next) => {
                    failures = 0;
                    self.keys.keep(Some(&next)).await?;
                    next
                }
                Ended::Refused | Ended::Lost => current,
            });
            self.wait(failures, DIAL_MOST).await;
        }
    }

    fn has_expired(&self, credential: &Credential) -> bool {
        credential.expires_seconds <= self.clock.now().seconds()
    }

    async fn wait(&self, failures: u32, most: Duration) {
        if failures > 0 {
            let pace = Pace { retry: ASK_FIRST, retry_most: most, ..Pace::default() };
            let wait = pace.backoff(failures);
            tokio::time::sleep(spread(wait, self.cluster.as_str(), failures.into())).await;
        }
    }

    /// Asks to join until the answer is a credential, or so often.
    async fn join(&self, key: &KeyPair, most: Option<u32>) -> Result<Option<Credential>, Fault> {
        let public_key = key.public_key();
        let signed = format!("{}\n{public_key}\n", self.cluster);
        let signature = key.sign(signed.as_bytes());
        let request = JoinRequest {
            cluster: self.cluster.to_string(),
            public_key,
            labels: self.labels.clone(),
            signature: signature.map_err(|error| Fault::lasting("sign the wish to join", error))?,
        };
        let (mut line, mut asked) = (None, 0);
        while most.is_none_or(|most| asked < most) {
            match self.ask_to_join(&mut line, &request).await {
                Ok(credential) => {
                    self.keys.keep(Some(&credential)).await?;
                    return Ok(Some(credential));
                }
                Err(sentence) => {
                    self.standing.set(Standing::Joining(sentence));
                    asked += 1;
                    self.wait(asked, ASK_MOST).await;
                }
            }
        }
        Ok(None)
    }

    /// Asks once, over a line that is kept as long as it works; else what the hub said.
    async fn ask_to_join(
        &self,
        line: &mut Option<SharedBroker>,
        request: &JoinRequest,
    ) -> Result<Credential, String> {
        let broker = match line.take() {
            Some(broker) => broker,
            None => self.dialer.dial(&Caller::Newcomer).await.map_err(|fault| fault.to_string())?,
        };
        let link = AgentLink::new(broker.clone(), self.cluster.clone());
        let JoinAnswer { answer } = link
            .join(&self.dialer.token_key(), request)
            .await
            .map_err(|fault| fault.to_string())?;
        *line = Some(broker);
        match answer {
            Some(Answer::Credential(credential)) => Ok(credential),
            Some(Answer::Pending(pending)) => Err(pending.sentence),
            Some(Answer::Refused(refusal)) => {
                let cluster = &self.cluster;
                tracing::warn!(%cluster, code = refusal.code, "{}", refusal.sentence);
                Err(format!("{} {}; {}", refusal.code, refusal.sentence, refusal.advice))
            }
            None => Err("the hub's answer cannot be read".to_owned()),
        }
    }

    /// One connection with a credential, until it ends.
    async fn session(&self, key: &KeyPair, seed: &str, credential: &Credential) -> Ended {
        self.standing.set(Standing::Connecting);
        let credentials = Credentials { jwt: credential.jwt.clone(), seed: seed.to_owned() };
        let broker = match self.dialer.dial(&Caller::Agent(credentials)).await {
            Ok(broker) => broker,
            Err(fault) => {
                tracing::debug!(cluster = %self.cluster, %fault, "no connection");
                let refused = fault.retry == Retry::Useless;
                return if refused { Ended::Refused } else { Ended::Lost };
            }
        };
        let link = AgentLink::new(broker.clone(), self.cluster.clone());
        let heard = futures::future::try_join(link.live(), link.told_to_beat()).await;
        let (live, told) = match heard {
            Ok(heard) => heard,
            Err(fault) => {
                tracing::debug!(cluster = %self.cluster, %fault, "deliveries cannot be heard");
                return Ended::Lost;
            }
        };
        let (work_key, hub_hash) = (credential.work_key.clone(), credential.hub_hash.clone());
        let up = Up { link: link.clone(), live, work_key, hub_hash };
        if self.news.send(News::Up(up)).await.is_err() {
            return std::future::pending().await;
        }
        self.standing.set(Standing::Connected);
        let ended = tokio::select! {
            biased;
            () = broker.lost() => Ended::Lost,
            ended = self.keep((&link, told), key, credential) => ended,
        };
        let _ = self.news.send(News::Down).await;
        self.standing.set(Standing::Connecting);
        ended
    }

    /// Beats and renews, as long as the hub answers.
    async fn keep(
        &self,
        (link, mut told): (&AgentLink, BoxStream<'static, ()>),
        key: &KeyPair,
        credential: &Credential,
    ) -> Ended {
        let every = seconds(credential.lease_duration_seconds);
        let mut rhythm = Rhythm { every, count: 0, missed: 0 };
        let mut due = Instant::now();
        let mut renew_at = due + self.until_renewal(credential);
        loop {
            if !self.beat(link, &mut rhythm).await {
                return Ended::Lost;
            }
            let least = Instant::now() + BEATS_APART;
            due = (due + rhythm.every).max(Instant::now());
            loop {
                if wait_or_told(due.min(renew_at), least, &mut told).await {
                    due = Instant::now();
                    break;
                }
                if due < renew_at {
                    break;
                }
                match self.renew(link, key).await {
                    Some(next) => return Ended::Renewed(next),
                    None if self.has_expired(credential) => return Ended::Refused,
                    None => renew_at = Instant::now() + RENEW_AGAIN,
                }
            }
        }
    }

    /// Beats once, and learns its rhythm; whether the line still counts as alive.
    async fn beat(&self, link: &AgentLink, rhythm: &mut Rhythm) -> bool {
        let beat = Beat { count: rhythm.count };
        rhythm.count += 1;
        match link.beat(&beat).await {
            Ok(answer) => {
                if let Some(refusal) = answer.refused {
                    tracing::warn!(cluster = %self.cluster, "{}", refusal.sentence);
                } else if answer.lease_duration_seconds > 0 {
                    rhythm.every = seconds(answer.lease_duration_seconds);
                }
                if std::mem::take(&mut rhythm.missed) > 0 {
                    let _ = self.news.send(News::Resumed).await;
                }
                true
            }
            Err(fault) => {
                tracing::debug!(cluster = %self.cluster, %fault, "a beat had no answer");
                rhythm.missed += 1;
                // Where nobody listens the line is fine; it is the service that is away.
                rhythm.missed < DEAD_AFTER || fault.retry == Retry::NobodyThere
            }
        }
    }

    /// Four fifths of what is left of the credential's life, spread over the fleet.
    fn until_renewal(&self, credential: &Credential) -> Duration {
        let left = credential.expires_seconds - self.clock.now().seconds();
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0).min(10_000_000));
        let salt = u64::try_from(credential.expires_seconds).unwrap_or(0);
        spread(left * 4 / 5, self.cluster.as_str(), salt)
    }

    async fn renew(&self, link: &AgentLink, key: &KeyPair) -> Option<Credential> {
        let request = RenewRequest { public_key: key.public_key() };
        match link.renew(&request).await.map(|answer| answer.answer) {
            Ok(Some(Answer::Credential(credential))) => Some(credential),
            Ok(Some(Answer::Refused(refusal))) => {
                let cluster = &self.cluster;
                tracing::warn!(%cluster, code = refusal.code, "{}", refusal.sentence);
                None
            }
            Ok(_) => None,
            Err(fault) => {
                tracing::debug!(cluster = %self.cluster, %fault, "no new credential yet");
                None
            }
        }
    }
}

/// Waits for a time; whether the hub asked for a beat before it, which is none before `least`.
async fn wait_or_told(until: Instant, least: Instant, told: &mut BoxStream<'_, ()>) -> bool {
    let now = async {
        if told.next().await.is_none() {
            std::future::pending().await
        }
        tokio::time::sleep_until(least).await;
    };
    tokio::select! {
        biased;
        () = tokio::time::sleep_until(until) => false,
        () = now => true,
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.max(1).into())
}
