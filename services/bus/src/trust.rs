//! Whom an agent takes for its hub: whoever holds a certificate of the hub's own authority, under
//! whatever address it answers. Which addresses there are is not known here.

use crate::fault::Fault;
use async_nats::rustls::client::WebPkiServerVerifier;
use async_nats::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use async_nats::rustls::crypto::ring::default_provider;
use async_nats::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use async_nats::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;

/// The one name in the certificate of every hub: which hub it is, its authority says.
pub const HUB_NAME: &str = "hub.fleetlog";

/// How to speak TLS with the hub whose authority has this certificate (DER).
pub(crate) fn trusting(authority: &[u8]) -> Result<ClientConfig, Fault> {
    let step = "trust the hub's authority";
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from(authority.to_vec());
    roots.add(certificate).map_err(|error| Fault::lasting(step, error))?;
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let inner = verifier.map_err(|error| Fault::lasting(step, error))?;
    let name = ServerName::try_from(HUB_NAME).map_err(|error| Fault::lasting(step, error))?;
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Fault::lasting(step, error))?;
    let verifier = Arc::new(TheHub { inner, name });
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Whether a connection failed because the server showed no certificate of the hub's authority: it
/// is no hub of ours, and trying it again will not make it one.
#[must_use]
pub fn is_stranger(fault: &Fault) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*fault.cause);
    while let Some(error) = cause {
        // An error of input and output hides what it was made of from `source`.
        let within = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let known = within.and_then(|e| e.downcast_ref()).or_else(|| error.downcast_ref::<Error>());
        if matches!(known, Some(Error::InvalidCertificate(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// As the usual verifier, but the name looked for is the hub's and not the address's.
#[derive(Debug)]
struct TheHub {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for TheHub {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _address: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Self { inner, name } = self;
        inner.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
