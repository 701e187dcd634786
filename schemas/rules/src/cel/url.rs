//! URLs as values, by the functions that Kubernetes gives expressions: absolute ones, and absolute
//! paths.

use super::value::{Boxed, Fields};
use cel::ExecutionError;
use cel::common::types::{CelBool, CelList, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, add_member_overload, add_overload};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;

static URL: Type = Type::new_unspecified_type("kubernetes.URL");

/// A URL.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl StaticVal for Url {}

impl Val for Url {
    fn get_type(&self) -> &Type {
        &URL
    }

    fn cel_type() -> &'static Type {
        &URL
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self == other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Declares the functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn read: (CelString) -> Result<Url>, name = "url")?;
    add_overload!(env, fn is: (CelString) -> CelBool, name = "isURL")?;
    add_member_overload!(env, fn get_scheme: (Url) -> CelString)?;
    add_member_overload!(env, fn get_host: (Url) -> CelString)?;
    add_member_overload!(env, fn get_hostname: (Url) -> CelString)?;
    add_member_overload!(env, fn get_port: (Url) -> CelString)?;
    add_member_overload!(env, fn get_escaped_path: (Url) -> CelString)?;
    add_member_overload!(env, fn get_query: (Url) -> Fields)
}

fn parse(text: &str) -> Option<Url> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, rest) = match before.starts_with('/') {
        true => ("", before),
        false => before.split_once(':')?,
    };
    let named = |scheme: &str| {
        let rest = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        rest && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    if !(before.starts_with('/') || named(scheme)) || !rest.starts_with('/') {
        return None;
    }
    let (authority, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = port_of(host).unwrap_or_default();
    let good = !host.contains([' ', '%', '<', '>', '"', '\\', '^', '`', '{', '|', '}']);
    if !good || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Url {
        scheme: scheme.to_ascii_lowercase(),
        host: host.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
    })
}

/// What stands behind the last colon that is not an address's own.
fn port_of(host: &str) -> Option<&str> {
    let after = host.rfind(']').unwrap_or(0);
    let at = host.get(after..)?.rfind(':')? + after;
    host.get(at + 1..)
}

fn read(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    let none = || ExecutionError::function_error("url", format!("\"{}\" is none", text.inner()));
    parse(text.inner()).ok_or_else(none)
}

fn is(text: &CelString<'_>) -> CelBool {
    parse(text.inner()).is_some().into()
}

fn get_scheme(of: &Url) -> CelString<'static> {
    of.scheme.clone().into()
}

fn get_host(of: &Url) -> CelString<'static> {
    of.host.clone().into()
}

fn get_hostname(of: &Url) -> CelString<'static> {
    let port = port_of(&of.host).map_or(0, |port| port.len() + 1);
    let name = of.host.get(..of.host.len() - port).unwrap_or_default();
    name.trim_start_matches('[').trim_end_matches(']').to_owned().into()
}

fn get_port(of: &Url) -> CelString<'static> {
    port_of(&of.host).unwrap_or_default().to_owned().into()
}

fn get_escaped_path(of: &Url) -> CelString<'static> {
    let mut path = String::with_capacity(of.path.len());
    for byte in of.path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path.into()
}

/// Each key with its values, in turn.
fn get_query(of: &Url) -> Fields {
    let mut all: BTreeMap<String, Vec<Boxed>> = BTreeMap::new();
    for pair in of.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value: Boxed = Box::new(CelString::from(decoded(value)));
        all.entry(decoded(key)).or_default().push(value);
    }
    let list = |values: Vec<Boxed>| Box::new(CelList::from(values)) as Boxed;
    Fields::of(all.into_iter().map(|(key, values)| (key, list(values))))
}

fn decoded(text: &str) -> String {
    let hex = |at: usize| {
        let digits = text.get(at..at + 2)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u8::from_str_radix(digits, 16).ok().filter(|_| plain)
    };
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match (byte, hex(at + 1)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 2;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
