//! The subject of a client certificate: a name and any number of groups (X.509, RFC 5280; DER,
//! X.690). The library that makes certificates takes one value of each attribute, and Kubernetes
//! has one for each group; so its subject is replaced, and the certificate signed anew.

use anyhow::{Result, anyhow};
use rcgen::{KeyPair, SigningKey as _};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// `2.5.4.3` and `2.5.4.10`, encoded.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const UTF8: u8 = 0x0c;
const BITS: u8 = 0x03;

/// A certificate (DER) of another subject, signed by the same key.
///
/// # Errors
/// Bytes that are no certificate, a key that does not sign.
pub(crate) fn replaced(der: &[u8], user: &str, groups: &[&str], key: &KeyPair) -> Result<Vec<u8>> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|why| anyhow!("read the certificate: {why}"))?;
    let signed = certificate.tbs_certificate.as_ref();
    let (old, inner) = (certificate.subject().as_raw(), content(signed)?);
    let lost = || anyhow!("the certificate has no subject");
    let at = inner.windows(old.len()).rposition(|part| part == old).ok_or_else(lost)?;
    let names = std::iter::once((COMMON_NAME, user));
    let names = names.chain(groups.iter().map(|group| (ORGANIZATION, *group)));
    let subject =
        wrapped(SEQUENCE, &names.flat_map(|(kind, text)| name(kind, text)).collect::<Vec<_>>());
    let new = wrapped(SEQUENCE, &[&inner[..at], &subject, &inner[at + old.len()..]].concat());
    let whole = content(der)?;
    let algorithm = first(&whole[signed.len()..])?;
    let signature = [&[0], key.sign(&new)?.as_slice()].concat();
    Ok(wrapped(SEQUENCE, &[new.as_slice(), algorithm, &wrapped(BITS, &signature)].concat()))
}

fn name(kind: [u8; 3], text: &str) -> Vec<u8> {
    let pair = [wrapped(OBJECT_ID, &kind), wrapped(UTF8, text.as_bytes())].concat();
    wrapped(SET, &wrapped(SEQUENCE, &pair))
}

/// A value with its tag and its length.
fn wrapped(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()).ok().filter(|short| *short < 0x80) {
        Some(short) => out.push(short),
        None => {
            let length = value.len().to_be_bytes();
            let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
            out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            out.extend(length);
        }
    }
    out.extend(value);
    out
}

/// How many bytes the tag and the length take, and the value.
fn measured(der: &[u8]) -> Result<(usize, usize)> {
    let short = || anyhow!("the certificate ends too early");
    let first = usize::from(*der.get(1).ok_or_else(short)?);
    if first < 0x80 {
        return Ok((2, first));
    }
    let bytes = der.get(2..2 + (first - 0x80)).ok_or_else(short)?;
    let length = bytes.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
    Ok((2 + bytes.len(), length))
}

fn content(der: &[u8]) -> Result<&[u8]> {
    let (head, length) = measured(der)?;
    der.get(head..head + length).ok_or_else(|| anyhow!("the certificate ends too early"))
}

/// The first value of several, whole.
fn first(der: &[u8]) -> Result<&[u8]> {
    let (head, length) = measured(der)?;
    der.get(..head + length).ok_or_else(|| anyhow!("the certificate ends too early"))
}
