//! How an agent reaches its hub: a seam, so that the same agent runs over NATS and over the broker
//! in memory. What is said on a connection is `uplink`'s and `runner`'s.

use async_trait::async_trait;
use fleetlog_bus::jwt::{claims_of, user_token};
use fleetlog_bus::{Credentials, Fault, JetStream, SharedBroker};
use fleetlog_kernel::ClusterName;
use std::sync::Arc;

/// As whom a connection is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// As the bearer of the join token, who can only ask to join.
    Newcomer,
    /// As the cluster's agent.
    Agent(Credentials),
}

/// Opens connections to a hub.
#[async_trait]
pub trait Dialer: Send + Sync + 'static {
    /// The public key of the join token: where a newcomer asks.
    fn token_key(&self) -> String;

    /// A new connection. A lasting fault says that the caller is not let in.
    async fn dial(&self, caller: &Caller) -> Result<SharedBroker, Fault>;
}

/// Over a nats-server.
pub struct Nats {
    url: String,
    cluster: ClusterName,
    token: Option<Credentials>,
    authority: Option<Vec<u8>>,
}

impl Nats {
    /// The hub at `url`; without a join token only an agent that has joined before gets in.
    #[must_use]
    pub fn new(url: impl Into<String>, cluster: ClusterName, token: Option<Credentials>) -> Self {
        Self { url: url.into(), cluster, token, authority: None }
    }

    /// The same under TLS, with whoever holds a certificate of this authority (DER).
    #[must_use]
    pub fn trusting(self, authority: Option<Vec<u8>>) -> Self {
        Self { authority, ..self }
    }

    fn inbox(&self, caller: &Caller) -> Result<String, Fault> {
        match caller {
            Caller::Newcomer => Ok(format!("boot_{}", self.token_key())),
            Caller::Agent(_) => user_token(self.cluster.as_str())
                .map_err(|error| Fault::lasting("name the agent", error)),
        }
    }
}

#[async_trait]
impl Dialer for Nats {
    fn token_key(&self) -> String {
        let claims = self.token.as_ref().and_then(|token| claims_of(&token.jwt));
        let subject = claims.as_ref().and_then(|claims| claims.get("sub")?.as_str());
        subject.unwrap_or_default().to_owned()
    }

    async fn dial(&self, caller: &Caller) -> Result<SharedBroker, Fault> {
        let credentials = match caller {
            Caller::Agent(credentials) => credentials.clone(),
            Caller::Newcomer => self.token.clone().ok_or_else(|| {
                Fault::lasting("ask to join", "there is no join token; give one with --token")
            })?,
        };
        let inbox = self.inbox(caller)?;
        let source = Arc::new(move || credentials.clone());
        JetStream::connect_renewable(&self.url, source, &inbox, self.authority.as_deref()).await
    }
}

/// Over a broker that is there already: for tests and simulations.
pub struct Shared {
    broker: SharedBroker,
    token_key: String,
}

impl Shared {
    /// Every connection is this broker; newcomers ask as the bearer of `token_key`.
    #[must_use]
    pub fn new(broker: SharedBroker, token_key: impl Into<String>) -> Self {
        Self { broker, token_key: token_key.into() }
    }
}

#[async_trait]
impl Dialer for Shared {
    fn token_key(&self) -> String {
        self.token_key.clone()
    }

    async fn dial(&self, _caller: &Caller) -> Result<SharedBroker, Fault> {
        Ok(self.broker.clone())
    }
}
