//! The client that asks both servers: HTTP/2 over TLS, each connection held by hand, so that it is
//! known how many there are and what goes over which.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// How much a stream and a connection may have under way, in bytes: what client-go allows.
const WINDOWS: (u32, u32) = (4 << 20, 64 << 20);
/// Plain documents.
pub const JSON: &str = "application/json";
/// Tables, as kubectl asks for them.
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// What is merged into an object.
pub const MERGE: &str = "application/merge-patch+json";

/// How a server is reached, as an administrator.
#[derive(Clone)]
pub struct Way {
    host: String,
    config: Arc<ClientConfig>,
}

impl Way {
    /// What a kubeconfig says, all of it in one file.
    ///
    /// # Errors
    /// A file that cannot be read, or lacks something.
    pub fn of(kubeconfig: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(kubeconfig).context("read a kubeconfig")?;
        let file = fleetlog_objects::yaml(&text)?.into_iter().next().context("an empty file")?;
        let (cluster, user) = (&file["clusters"][0]["cluster"], &file["users"][0]["user"]);
        let pem = |part: &Value| -> Result<Vec<u8>> {
            Ok(BASE64.decode(part.as_str().context("a part is missing")?.as_bytes())?)
        };
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem(&cluster["certificate-authority-data"])?)?)?;
        let chain = CertificateDer::pem_slice_iter(&pem(&user["client-certificate-data"])?)
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem(&user["client-key-data"])?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let url = cluster["server"].as_str().context("no server")?;
        let host = url.trim_start_matches("https://").to_owned();
        Ok(Self { host, config: Arc::new(config) })
    }

    /// A new connection.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn connect(&self) -> Result<Line> {
        let socket = TcpStream::connect(&self.host).await.context("connect")?;
        socket.set_nodelay(true)?;
        let name = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name);
        let name = ServerName::try_from(name.to_owned())?;
        let secured = TlsConnector::from(self.config.clone()).connect(name, socket).await?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
        let (send, talking) = builder.handshake(TokioIo::new(secured)).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _ = talking.await;
        });
        Ok(Line { send, base: format!("https://{}", self.host), _talking: Arc::new(task) })
    }
}

/// A connection; clones are one. It ends with the last of them.
#[derive(Clone)]
pub struct Line {
    send: SendRequest<Full<Bytes>>,
    base: String,
    _talking: Arc<JoinSet<()>>,
}

/// A question.
pub struct Ask {
    /// What is to be done.
    pub method: Method,
    /// Where.
    pub path: String,
    /// In which form the answer is wanted.
    pub accept: &'static str,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl Ask {
    /// To read something.
    pub fn get(path: impl Into<String>) -> Self {
        Self::with(Method::GET, path, Bytes::new())
    }

    /// To write a document.
    pub fn with(method: Method, path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let (path, body) = (path.into(), body.into());
        Self { method, path, accept: JSON, content_type: JSON, body }
    }
}

impl Line {
    /// Begins an answer.
    ///
    /// # Errors
    /// A connection that is gone.
    pub async fn begin(&mut self, ask: Ask) -> Result<Response<Incoming>> {
        let request = Request::builder()
            .method(ask.method)
            .uri(format!("{}{}", self.base, ask.path))
            .header(ACCEPT, ask.accept)
            .header(CONTENT_TYPE, ask.content_type)
            .body(Full::new(ask.body))?;
        self.send.ready().await?;
        Ok(self.send.send_request(request).await?)
    }

    /// An answer, whatever it says.
    ///
    /// # Errors
    /// A connection that is gone.
    pub async fn ask(&mut self, ask: Ask) -> Result<(StatusCode, Bytes)> {
        let response = self.begin(ask).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// An answer that is good.
    ///
    /// # Errors
    /// A connection that is gone, a refusal.
    pub async fn done(&mut self, ask: Ask) -> Result<Bytes> {
        let what = format!("{} {}", ask.method, ask.path);
        let (status, body) = self.ask(ask).await?;
        let said = || String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        ensure!(status.is_success(), "{what}: {status}: {}", said());
        Ok(body)
    }

    /// A good answer, as a document.
    ///
    /// # Errors
    /// As [`Self::done`].
    pub async fn document(&mut self, ask: Ask) -> Result<Value> {
        Ok(serde_json::from_slice(&self.done(ask).await?)?)
    }
}
