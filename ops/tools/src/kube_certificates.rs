//! The certificates of a Kubernetes API of our own: an authority, the server's, and that of an
//! administrator. They live as long as the server does.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// What is shown to others (a certificate, or a public key) and its key, in PEM.
pub(crate) struct Pair {
    pub shown: String,
    pub key: String,
}

/// All that a server and its administrator need.
pub(crate) struct Certificates {
    /// The authority's certificate, in PEM.
    pub authority: String,
    pub server: Pair,
    pub admin: Pair,
    /// The key that service account tokens are signed with, and its public half.
    pub accounts: Pair,
}

impl Certificates {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "fleetlog test authority");
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
        server.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut admin = CertificateParams::new(vec![])?;
        admin.distinguished_name.push(DnType::CommonName, "admin");
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let accounts = KeyPair::generate()?;
        Ok(Self {
            authority,
            server: signed(server, &issuer)?,
            admin: signed(admin, &issuer)?,
            accounts: Pair { shown: accounts.public_key_pem(), key: accounts.serialize_pem() },
        })
    }
}

fn signed(
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Pair, rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?.pem();
    Ok(Pair { shown: certificate, key: key.serialize_pem() })
}
