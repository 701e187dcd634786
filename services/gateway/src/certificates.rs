//! The gateway's own certificate authority: made at the first start and kept in its folder. It
//! signs the server's certificate, anew at each start, and those of users.

use crate::subject::replaced;
use crate::tokens::Tokens;
use anyhow::{Context as _, Result};
use data_encoding::BASE64;
use fleetlog_kernel::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority is good for: kubeconfigs name it.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(20 * 365);
/// How long what it signs is good for.
const LIFE: Duration = DAY.saturating_mul(365);
/// Clocks of others may be so far behind ours.
const SKEW: Duration = Duration::from_secs(300);
/// The file in the folder.
const FILE: &str = "authority.json";

/// The authority; its key is secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificates {
    /// Its certificate (PEM): what clients know the gateway by.
    pub certificate: String,
    key: String,
    /// What signs tokens of service accounts; an earlier release made none.
    #[serde(default)]
    token_key: String,
}

/// A certificate with its key, both PEM.
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Certificates {
    /// Reads what the folder keeps, or makes it. `at` is now.
    ///
    /// # Errors
    /// A file that is damaged, or cannot be read or written.
    pub fn load_or_create(dir: &Path, at: Timestamp) -> Result<Self> {
        let file = dir.join(FILE);
        if file.exists() {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("read \"{}\"", file.display()))?;
            let mut kept: Self = serde_json::from_str(&text)
                .with_context(|| format!("\"{}\" is damaged", file.display()))?;
            if kept.token_key.is_empty() {
                kept.token_key = KeyPair::generate()?.serialize_pem();
                write_secret(&file, &serde_json::to_string_pretty(&kept)?)?;
            }
            return Ok(kept);
        }
        let made = Self::create(at)?;
        write_secret(&file, &serde_json::to_string_pretty(&made)?)?;
        Ok(made)
    }

    /// A new authority, kept nowhere.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn create(at: Timestamp) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = authority(at)?.self_signed(&key)?.pem();
        let token_key = KeyPair::generate()?.serialize_pem();
        Ok(Self { certificate, key: key.serialize_pem(), token_key })
    }

    /// What signs the tokens of service accounts.
    ///
    /// # Errors
    /// A damaged key.
    pub fn tokens(&self) -> Result<Tokens> {
        Tokens::of(&self.token_key)
    }

    /// A certificate of the server, for these names and addresses.
    ///
    /// # Errors
    /// A name that is none, a damaged key.
    pub fn server(
        &self,
        names: &[String],
        at: Timestamp,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "fleetlog gateway");
        let signed = self.sign(params, ExtendedKeyUsagePurpose::ServerAuth, at)?;
        let chain = [&signed.certificate, &self.certificate]
            .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()));
        let chain = chain.into_iter().collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(signed.key.as_bytes())?))
    }

    /// A certificate of a user in these groups.
    ///
    /// # Errors
    /// A damaged key.
    pub fn user(&self, user: &str, groups: &[&str], at: Timestamp) -> Result<Signed> {
        let mut params = CertificateParams::new(vec![])?;
        params.distinguished_name.push(DnType::CommonName, user);
        let signed = self.sign(params, ExtendedKeyUsagePurpose::ClientAuth, at)?;
        let der = CertificateDer::from_pem_slice(signed.certificate.as_bytes())?;
        let der = replaced(&der, user, groups, &KeyPair::from_pem(&self.key)?)?;
        Ok(Signed { certificate: pem(&der), key: signed.key })
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        at: Timestamp,
    ) -> Result<Signed> {
        let issuer = Issuer::new(authority(at)?, KeyPair::from_pem(&self.key)?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        live(&mut params, at, LIFE);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Signed { certificate, key: key.serialize_pem() })
    }
}

/// A certificate as text (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    let lines: String = lines.collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// The authority's parameters; only its name and key count for what it signs.
fn authority(at: Timestamp) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "fleetlog gateway authority");
    live(&mut params, at, AUTHORITY_LIFE);
    Ok(params)
}

fn live(params: &mut CertificateParams, at: Timestamp, life: Duration) {
    let now = Duration::from_secs(u64::try_from(at.seconds()).unwrap_or_default());
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + now + life;
}

/// Writes a file that only its owner may read: beside it first, then renamed into place.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let step = || format!("write \"{}\"", path.display());
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).with_context(step)?;
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).with_context(step)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(step)?;
    fs::rename(&beside, path).with_context(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::of_certificate;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn a_certificate_says_its_user_and_each_of_his_groups(
            user in "[a-zA-Z0-9:é.-]{1,60}",
            groups in prop::collection::vec("[a-z:]{1,200}", 0..12),
        ) {
            let authority = Certificates::create(Timestamp::of_seconds(1_800_000_000)).unwrap();
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let user = format!("u{user}");
            let at = Timestamp::of_seconds(1_800_000_000);
            let signed = authority.user(&user, &groups, at).unwrap();
            let der = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
            let caller = of_certificate(&der).unwrap();
            prop_assert_eq!(&caller.user, &user);
            prop_assert_eq!(&caller.groups[..groups.len()], &groups[..]);
        }
    }

    /// A certificate of a user, once for all cases.
    static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let at = Timestamp::of_seconds(1_800_000_000);
        let signed = Certificates::create(at).unwrap().user("u", &["g1", "g2"], at).unwrap();
        CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap().to_vec()
    });

    proptest! {
        #[test]
        fn a_harmed_certificate_names_somebody_or_nobody(
            harms in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut der = SIGNED.clone();
            for (at, byte) in harms {
                let at = at.index(der.len());
                der[at] = byte;
            }
            der.truncate(cut.map_or(der.len(), |cut| cut.index(der.len())));
            let named = of_certificate(&der);
            prop_assert!(named.is_none_or(|caller| !caller.user.is_empty()));
        }

        #[test]
        fn no_bytes_are_a_certificate(der in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(of_certificate(&der), None);
        }
    }
}
