//! The hub's own certificate authority and the certificate of its listener: made at the first need,
//! kept in the folder, the listener's renewed when a third of its life or less is left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetlog_bus::HUB_NAME;
use fleetlog_kernel::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::folder::{read_file, write_secret};
use crate::refusal::HubRefusal;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority is good for: agents know the hub by it for as long as they live.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(20 * 365);
/// How long a certificate of the listener is good for.
const LIFE: Duration = DAY.saturating_mul(365);
/// What must be left of it at a start, else it is renewed.
const LEFT: Duration = DAY.saturating_mul(122);
/// Clocks of other machines may be so far behind ours.
const SKEW: Duration = DAY;

/// What is kept in `creds/authority.json`; the keys are secret. Certificates and keys are PEM.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    authority: String,
    authority_key: String,
    certificate: String,
    key: String,
    /// When the certificate ends, in seconds since 1970.
    ends: i64,
}

/// What a listener shows and proves, and what its clients know it by.
pub struct Authority {
    /// The authority's own certificate (DER): what agents know the hub by.
    pub certificate: Vec<u8>,
    /// The listener's certificate and the authority's, in this order.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the listener's certificate.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Reads what the folder `dir` keeps, or makes it; renews the listener's certificate when its
    /// end is near. `at` is now.
    ///
    /// # Errors
    /// A file that is damaged or cannot be written.
    pub fn load_or_create(dir: &Path, at: Timestamp) -> Result<Self, HubRefusal> {
        let file = file_in(dir);
        let kept = match read_kept(&file)? {
            Some(kept) if kept.ends > at.plus(LEFT).seconds() => kept,
            kept => {
                let damaged = |why: rcgen::Error| damaged(&file, why.to_string());
                let made = match kept {
                    Some(kept) => kept.renewed(at).map_err(damaged)?,
                    None => Kept::create(at).map_err(damaged)?,
                };
                let text = serde_json::to_string_pretty(&made).unwrap_or_default();
                write_secret(&file, &text)?;
                made
            }
        };
        kept.read(&file)
    }

    /// The authority's certificate (DER) of a folder that has one.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read.
    pub fn certificate_in(dir: &Path) -> Result<Option<Vec<u8>>, HubRefusal> {
        let file = file_in(dir);
        let kept = read_kept(&file)?;
        kept.map(|kept| kept.read(&file).map(|authority| authority.certificate)).transpose()
    }
}

impl Kept {
    fn create(at: Timestamp) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let authority = authority(at)?.self_signed(&key)?.pem();
        let (certificate, server, ends) = (String::new(), String::new(), 0);
        let authority_key = key.serialize_pem();
        Self { authority, authority_key, certificate, key: server, ends }.renewed(at)
    }

    /// The same authority with a new certificate for the listener.
    fn renewed(self, at: Timestamp) -> Result<Self, rcgen::Error> {
        let issuer = Issuer::new(authority(at)?, KeyPair::from_pem(&self.authority_key)?);
        let mut params = CertificateParams::new(vec![HUB_NAME.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, HUB_NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let ends = live(&mut params, at, LIFE);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Self { certificate, key: key.serialize_pem(), ends, ..self })
    }

    fn read(&self, file: &Path) -> Result<Authority, HubRefusal> {
        let damaged = |why: rustls::pki_types::pem::Error| damaged(file, why.to_string());
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(damaged);
        let (own, authority) = (der(&self.certificate)?, der(&self.authority)?);
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(damaged)?;
        Ok(Authority { certificate: authority.to_vec(), chain: vec![own, authority], key })
    }
}

/// The authority's parameters; only its name and key count for what it signs.
fn authority(at: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "fleetlog hub authority");
    live(&mut params, at, AUTHORITY_LIFE);
    Ok(params)
}

/// Sets from when until when it is good; answers the end, in seconds since 1970.
fn live(params: &mut CertificateParams, at: Timestamp, life: Duration) -> i64 {
    let now = Duration::from_secs(u64::try_from(at.seconds()).unwrap_or_default());
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + now + life;
    at.plus(life).seconds()
}

fn file_in(dir: &Path) -> PathBuf {
    dir.join("creds").join("authority.json")
}

fn read_kept(file: &Path) -> Result<Option<Kept>, HubRefusal> {
    let Some(text) = read_file(file)? else { return Ok(None) };
    let kept = serde_json::from_str(&text);
    kept.map(Some).map_err(|why: serde_json::Error| damaged(file, why.to_string()))
}

fn damaged(file: &Path, why: String) -> HubRefusal {
    HubRefusal::Damaged { file: file.to_path_buf(), why }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::of_seconds(1_700_000_000);

    #[test]
    fn it_is_made_once_and_its_listener_renewed_near_the_end() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Authority::certificate_in(dir.path()).unwrap(), None);
        let first = Authority::load_or_create(dir.path(), AT).unwrap();
        let known = Authority::certificate_in(dir.path()).unwrap();
        assert_eq!(known.as_ref(), Some(&first.certificate));
        let soon = Authority::load_or_create(dir.path(), AT.plus(DAY * 200)).unwrap();
        assert_eq!(soon.chain, first.chain);
        let late = Authority::load_or_create(dir.path(), AT.plus(DAY * 300)).unwrap();
        assert_eq!(late.certificate, first.certificate);
        assert_ne!(late.chain[0], first.chain[0]);
        assert_ne!(late.key, first.key);
    }

    #[test]
    fn a_damaged_one_is_refused_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_in(dir.path());
        write_secret(&file, "{}").unwrap();
        let refused = Authority::load_or_create(dir.path(), AT).err().unwrap();
        assert_eq!(refused.code(), "HUB0003");
        assert_eq!(read_file(&file).unwrap().as_deref(), Some("{}"));
    }

    #[cfg(unix)]
    #[test]
    fn its_keys_can_be_read_by_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        Authority::load_or_create(dir.path(), AT).unwrap();
        let mode = std::fs::metadata(file_in(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
