//! The socket: TLS with the gateway's certificate, client certificates of the authorities that are
//! trusted, HTTP/1.1 and HTTP/2.

use crate::identity::of_certificate;
use crate::respond::refused;
use crate::{Caller, Certificates, Gateway};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use fleetlog_bus::Fault;
use fleetlog_gateway_domain::Status;
use fleetlog_kernel::Timestamp;
use http::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The largest body of a request, in bytes.
const LARGEST: usize = 3 * 1_024 * 1_024;
/// How long a client may take to be encrypted, or to send a request.
const WITHIN: Duration = Duration::from_secs(30);
/// How many connections are held at once.
const CONNECTIONS: usize = 10_000;
/// How many requests one connection may have under way.
const STREAMS: u32 = 1_000;
/// How long to wait after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// The server's side of TLS: clients may show a certificate of the gateway's own authority, or of
/// one among `others` (PEM, each may hold several).
///
/// # Errors
/// A certificate that cannot be read.
pub fn tls(
    certificates: &Certificates,
    names: &[String],
    others: &[String],
    at: Timestamp,
) -> Result<ServerConfig> {
    let mut trusted = RootCertStore::empty();
    for pem in std::iter::once(&certificates.certificate).chain(others) {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            trusted.add(certificate.context("read an authority of clients")?)?;
        }
    }
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(trusted.into(), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let (chain, key) = certificates.server(names, at)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A bound address.
pub struct Listener {
    socket: TcpListener,
    /// The address.
    pub address: SocketAddr,
    /// How long a client may take to be encrypted, to begin, or to send a request.
    pub within: Duration,
}

impl Listener {
    /// Takes an address.
    ///
    /// # Errors
    /// One that is in use, or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let bound = TcpListener::bind(address).await;
        let socket = bound.with_context(|| format!("listen on {address}"))?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, within: WITHIN })
    }

    /// Answers requests among the gateway's tasks.
    pub fn open(self, gateway: &Gateway, config: ServerConfig) {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serving = serve(self.socket, (acceptor, self.within), gateway.clone());
        gateway.tasks.spawn("gateway-listener", serving);
    }
}

async fn serve(
    socket: TcpListener,
    (acceptor, within): (TlsAcceptor, Duration),
    gateway: Gateway,
) -> Result<(), Fault> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let taken = tokio::select! {
            biased;
            () = gateway.tasks.stopped() => return Ok(()),
            taken = socket.accept() => taken,
        };
        match taken {
            Ok((client, _)) => {
                let talking = talk(client, (acceptor.clone(), within), gateway.clone(), place);
                gateway.tasks.spawn("gateway-connection", talking);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One connection, until either side ends it.
async fn talk(
    client: TcpStream,
    (acceptor, within): (TlsAcceptor, Duration),
    gateway: Gateway,
    _place: OwnedSemaphorePermit,
) -> Result<(), Fault> {
    let _ = client.set_nodelay(true);
    let Ok(Ok(secured)) = timeout(within, acceptor.accept(client)).await else { return Ok(()) };
    let shown = secured.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let who = match shown {
        Some(certificate) => of_certificate(certificate),
        None => Some(Caller::anonymous()),
    };
    let tasks = gateway.tasks.clone();
    let begun = Arc::new(AtomicBool::new(false));
    let asks = begun.clone();
    // What it takes to come to an answer is given back before the body begins, which a watch's
    // never ends.
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        Box::pin(answer(gateway.clone(), who.clone(), request, within))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(within);
    let http2 = &mut builder.http2();
    http2.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    http2.keep_alive_interval(WITHIN).keep_alive_timeout(WITHIN);
    let talking = builder.serve_connection(TokioIo::new(secured), service);
    let mut talking = std::pin::pin!(talking);
    tokio::select! {
        biased;
        _ = talking.as_mut() => return Ok(()),
        () = is_silent(&begun, within) => return Ok(()),
        () = tasks.stopped() => talking.as_mut().graceful_shutdown(),
    }
    let _ = timeout(WITHIN, talking).await;
    Ok(())
}

/// Resolves where no request has come within a time: whoever connects has something to ask. Until
/// the first bytes are there nothing else watches over a connection.
async fn is_silent(begun: &AtomicBool, within: Duration) {
    sleep(within).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

async fn answer(
    gateway: Gateway,
    shown: Option<Caller>,
    request: Request<Incoming>,
    within: Duration,
) -> Result<http::Response<crate::Body>, Infallible> {
    let Some(shown) = shown else {
        return Ok(refused(&Status::new(401, "Unauthorized", "Unauthorized")));
    };
    let (parts, body) = request.into_parts();
    let who = match gateway.who(&shown, &parts.headers) {
        Ok(who) => who,
        Err(status) => return Ok(refused(&status)),
    };
    if !who.caller.is_known() {
        // Nothing that a stranger sends is kept: whatever it may see has no body.
        return Ok(gateway.answer_as(&who, &Request::from_parts(parts, Bytes::new())).await);
    }
    let body = match timeout(within, Limited::new(body, LARGEST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("Request entity too large: limit is {LARGEST}");
            return Ok(refused(&Status::new(413, "RequestEntityTooLarge", message)));
        }
        Ok(Err(error)) => {
            return Ok(refused(&Status::bad(format!("the body cannot be read: {error}"))));
        }
        Err(_) => return Ok(refused(&Status::new(408, "Timeout", "the body came too slowly"))),
    };
    let request: Request<Bytes> = Request::from_parts(parts, body);
    Ok(gateway.answer_as(&who, &request).await)
}
