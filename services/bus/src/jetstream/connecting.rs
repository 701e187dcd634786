//! Opening a connection: who we are, how long we try, what we hear of the server later. A first
//! connection fails soon; a lost one is taken up again for as long as the process lives.

use super::JetStream;
use super::link::{Asks, Link, Seen};
use crate::SharedBroker;
use crate::credentials::Credentials;
use crate::fault::Fault;
use crate::trust::trusting;
use async_nats::{Auth, AuthError, ConnectErrorKind, ConnectOptions, Event, ServerError};
use nkeys::KeyPair;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long the server may take to answer one attempt.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// How long a first connection may take altogether.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long we wait between attempts once a connection was lost.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// What a process reads at once: large for services, which replay the log.
const READ_AT_ONCE: u16 = u16::MAX;
/// The same for agents, of which one process may hold a thousand.
const AGENT_READS_AT_ONCE: u16 = 2_048;
/// How many answers of several messages may be on their way at once: a user may hold 20
/// subscriptions, an agent 10, and the server cuts who takes one more.
const LONG_ANSWERS: usize = 4;

/// Where the current credentials come from.
type Source = Arc<dyn Fn() -> Credentials + Send + Sync>;

impl JetStream {
    /// Connects as the user of `credentials`, whose role lets it listen under
    /// `_INBOX_<inbox_name>`.
    ///
    /// # Errors
    /// A server that does not answer within seconds (passing), or refuses the user (lasting).
    pub async fn connect(
        url: &str,
        credentials: Credentials,
        inbox_name: &str,
    ) -> Result<SharedBroker, Fault> {
        let source = Arc::new(move || credentials.clone());
        connect(url, source, inbox_name, READ_AT_ONCE, None, Asks::Which).await
    }

    /// The same as a follower of the log, who may ask nothing about what it reads.
    pub(crate) async fn connect_follower(
        url: &str,
        credentials: Credentials,
        inbox_name: &str,
    ) -> Result<SharedBroker, Fault> {
        let source = Arc::new(move || credentials.clone());
        connect(url, source, inbox_name, READ_AT_ONCE, None, Asks::Nothing).await
    }

    /// Connects as a user whose credentials change while it lives: each new handshake shows what
    /// `credentials` gives then. Made for agents, so its buffers are small. With an `authority`
    /// (DER) everything is said under TLS, to whoever holds its certificate.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_renewable(
        url: &str,
        credentials: Source,
        inbox_name: &str,
        authority: Option<&[u8]>,
    ) -> Result<SharedBroker, Fault> {
        connect(url, credentials, inbox_name, AGENT_READS_AT_ONCE, authority, Asks::Which).await
    }
}

async fn connect(
    url: &str,
    source: Source,
    inbox_name: &str,
    read_at_once: u16,
    authority: Option<&[u8]>,
    asks: Asks,
) -> Result<SharedBroker, Fault> {
    let step = || format!("connect to \"{url}\" as \"{inbox_name}\"");
    let seen = Arc::new(watch::Sender::new(Seen::default()));
    let heard = seen.clone();
    let options = ConnectOptions::with_auth_callback(move |nonce| {
        let shown = show(&source(), &nonce);
        async move { shown }
    })
    .name(format!("fleetlog {inbox_name}"))
    .custom_inbox_prefix(format!("_INBOX_{inbox_name}"))
    .connection_timeout(HANDSHAKE_WITHIN)
    .read_buffer_capacity(read_at_once)
    .ping_interval(Duration::from_secs(20))
    .reconnect_delay_callback(again_after)
    .event_callback(move |event| {
        hear(&heard, &event);
        async {}
    });
    let options = match authority {
        // Behind its listener the server knows no address under which others reach it.
        Some(authority) => {
            options.tls_client_config(trusting(authority)?).tls_first().ignore_discovered_servers()
        }
        None => options,
    };
    let client = match tokio::time::timeout(CONNECT_WITHIN, options.connect(url)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            let refused = matches!(
                error.kind(),
                ConnectErrorKind::AuthorizationViolation
                    | ConnectErrorKind::Authentication
                    | ConnectErrorKind::ServerParse
            );
            let fault = if refused { Fault::lasting } else { Fault::passing };
            return Err(fault(step(), Box::new(error)));
        }
        Err(_) => {
            return Err(Fault::passing(step(), format!("no answer within {CONNECT_WITHIN:?}")));
        }
    };
    let link = Link::new(client, asks, format!("_INBOX_{inbox_name}."), seen, LONG_ANSWERS);
    Ok(Arc::new(JetStream { link: Arc::new(link) }))
}

/// At once, then soon: the first attempt after a loss does not wait.
fn again_after(attempts: usize) -> Duration {
    if attempts <= 1 { Duration::ZERO } else { AGAIN_AFTER }
}

/// Proves with the server's nonce that we have the user's key.
fn show(credentials: &Credentials, nonce: &[u8]) -> Result<Auth, AuthError> {
    let key = KeyPair::from_seed(&credentials.seed).map_err(AuthError::new)?;
    let mut auth = Auth::new();
    auth.signature = Some(key.sign(nonce).map_err(AuthError::new)?);
    auth.jwt = Some(credentials.jwt.clone());
    Ok(auth)
}

fn hear(seen: &watch::Sender<Seen>, event: &Event) {
    match event {
        Event::Disconnected => seen.send_modify(Seen::disconnect),
        Event::ServerError(ServerError::Other(text)) => {
            let Some(subject) = forbidden(text) else {
                tracing::warn!(error = text, "the server complains");
                return;
            };
            tracing::error!(subject, error = text, "the server forbids a subject");
            seen.send_modify(|seen| seen.forbid(subject));
        }
        Event::ServerError(error) => tracing::warn!(%error, "the server complains"),
        Event::ClientError(error) => tracing::debug!(%error, "no connection yet"),
        Event::SlowConsumer(_) => tracing::warn!("a slow listener misses a message"),
        Event::Connected | Event::LameDuckMode | Event::Draining | Event::Closed => {}
    }
}

/// The subject that a permission violation is about: the first text in quotes.
fn forbidden(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("Permissions Violation")?;
    rest.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_its_subject_whatever_its_kind() {
        let publish = "Permissions Violation for Publish to \"fl.ev.work.x\"";
        assert_eq!(forbidden(publish), Some("fl.ev.work.x"));
        let queue = "Permissions Violation for Subscription to \"fl.live.>\" using queue \"q\"";
        assert_eq!(forbidden(queue), Some("fl.live.>"));
        let reply = "Permissions Violation for Publish with Reply of \"$JS.ACK.x\"";
        assert_eq!(forbidden(reply), Some("$JS.ACK.x"));
        assert_eq!(forbidden("Maximum Connections Exceeded"), None);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_passing_fault() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", taken.local_addr().unwrap());
        drop(taken);
        let credentials = Credentials { jwt: String::new(), seed: String::new() };
        let fault = JetStream::connect(&url, credentials, "x").await.err().unwrap();
        assert_eq!(fault.retry, crate::Retry::MayHelp);
        assert!(fault.to_string().contains(&url), "{fault}");
    }
}
