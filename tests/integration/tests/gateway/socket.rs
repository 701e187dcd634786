//! The gateway's socket: who a client certificate shows, and what is too large.

use crate::stage::Stage;
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_gateway::{Certificates, Listener, tls};
use fleetlog_kernel::Timestamp;
use fleetlog_test_support::eventually;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Duration;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const DAY: i64 = 24 * 60 * 60;

pub struct Socket {
    pub stage: Stage,
    pub own: Certificates,
    pub other: Certificates,
    pub address: std::net::SocketAddr,
}

impl Socket {
    /// A gateway that trusts clients of its own authority and of another.
    pub async fn open() -> Self {
        Self::open_within(Duration::from_secs(30)).await
    }

    /// The same with another time that clients may take.
    pub async fn open_within(within: Duration) -> Self {
        let stage = Stage::new().await;
        let now = Clock::System.now();
        let (own, other) = (Certificates::create(now).unwrap(), Certificates::create(now).unwrap());
        let mut listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        listener.within = within;
        let address = listener.address;
        let socket = Self { stage, own, other, address };
        socket.serve(listener);
        socket
    }

    fn serve(&self, listener: Listener) {
        let (names, others) =
            (["localhost".to_owned()], std::slice::from_ref(&self.other.certificate));
        let config = tls(&self.own, &names, others, Clock::System.now()).unwrap();
        listener.open(&self.stage.gateway, config);
    }

    /// Ends the gateway at once and begins another at its address, as a restart does.
    pub async fn restart(&mut self) {
        self.stage.tasks.abort();
        self.stage.tasks = Tasks::default();
        self.stage.gateway = self.stage.another().await;
        let bind = async || Listener::bind(self.address).await.ok();
        let listener = eventually("the address is free", bind).await.unwrap();
        self.serve(listener);
    }

    /// A connection of an administrator that speaks one of these protocols.
    pub async fn connected(&self, protocols: &[&str]) -> Option<TlsStream<TcpStream>> {
        self.connect(Some((&self.own, Clock::System.now())), protocols).await
    }

    async fn connect(
        &self,
        shown: Option<(&Certificates, Timestamp)>,
        protocols: &[&str],
    ) -> Option<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.own.certificate.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((authority, at)) => {
                let signed = authority.user("u", &["g1", "g2"], at).unwrap();
                let chain = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.ok()
    }

    /// Sends a request over a connection of its own; `None` when that is refused.
    async fn send(
        &self,
        shown: Option<(&Certificates, Timestamp)>,
        head: &str,
        body: &[u8],
    ) -> Option<String> {
        let mut secured = self.connect(shown, &[]).await?;
        let length = body.len();
        let head = format!(
            "{head} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
            content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        secured.write_all(head.as_bytes()).await.ok()?;
        // A body that is too large may be refused before it is read.
        let _ = secured.write_all(body).await;
        let mut answer = vec![];
        let read = secured.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        (read.is_ok() || !text.is_empty()).then_some(text)
    }

    async fn whoami(&self, shown: Option<(&Certificates, Timestamp)>) -> Option<(String, Value)> {
        let answer = self.send(shown, &format!("POST {WHOAMI}"), b"{}").await?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let body = body.lines().find(|line| line.starts_with('{')).unwrap_or(body);
        Some((head.lines().next()?.to_owned(), serde_json::from_str(body).ok()?))
    }
}

#[tokio::test]
async fn gw081_a_certificate_of_any_authority_that_is_trusted_says_who_asks() {
    let socket = Socket::open().await;
    let now = Clock::System.now();
    for authority in [&socket.own, &socket.other] {
        let (status, body) = socket.whoami(Some((authority, now))).await.unwrap();
        assert!(status.contains("201"), "{status}");
        let info = &body["status"]["userInfo"];
        assert_eq!(info["username"], "u");
        assert_eq!(info["groups"], json!(["g1", "g2", "system:authenticated"]));
    }
    let stranger = Certificates::create(now).unwrap();
    assert_eq!(socket.whoami(Some((&stranger, now))).await, None);
    let expired = Timestamp::of_seconds(now.seconds() - 400 * DAY);
    assert_eq!(socket.whoami(Some((&socket.own, expired))).await, None);
    let (status, _) = socket.whoami(None).await.unwrap();
    assert!(status.contains("403"), "{status}");
}

#[tokio::test]
async fn gw061_a_body_that_is_too_large_is_refused_with_its_bound() {
    let socket = Socket::open().await;
    let shown = Some((&socket.own, Clock::System.now()));
    let body = vec![b' '; 4 * 1_024 * 1_024];
    let head = "POST /api/v1/namespaces/t/configmaps";
    let answer = socket.send(shown, head, &body).await.unwrap();
    assert!(answer.contains("413") && answer.contains("limit is 3145728"), "{answer}");
}
