//! Asking a Kubernetes API whether it is ready, over TLS and without an HTTP client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::kube_certificates::Certificates;

/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Who asks.
pub(crate) struct Asker(Arc<ClientConfig>);

impl Asker {
    /// The administrator, who believes the authority and no other.
    pub(crate) fn new(certificates: &Certificates) -> Option<Self> {
        let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        let mut roots = RootCertStore::empty();
        roots.add(read(&certificates.authority)?).ok()?;
        let chain = vec![read(&certificates.admin.shown)?];
        let key = PrivateKeyDer::from_pem_slice(certificates.admin.key.as_bytes()).ok()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .ok()?;
        Some(Self(Arc::new(config)))
    }

    /// Whether the server at `port` says that it is ready.
    pub(crate) fn is_ready(&self, port: u16) -> bool {
        self.ask(port).is_some_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    fn ask(&self, port: u16) -> Option<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, WITHIN).ok()?;
        stream.set_read_timeout(Some(WITHIN)).ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        let connection = ClientConnection::new(self.0.clone(), name).ok()?;
        let mut tls = StreamOwned::new(connection, stream);
        tls.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut head = [0_u8; 12];
        tls.read_exact(&mut head).ok()?;
        String::from_utf8(head.to_vec()).ok()
    }
}
