//! Reads what a request asks for from its method, path and query. Total: any text gives a request
//! or nothing, never a panic. Looks at no object and no kind.

use std::collections::BTreeMap;

use http::Method;

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`
    Version,
    /// `/healthz`, `/livez`, `/readyz`
    Health,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/apis/apps`
    Group(String),
    /// `/apis/apps/v1`, `/api/v1`
    Resources { group: String, version: String },
    /// Anything below a group version.
    Objects(Place),
}

/// A collection, an object or a subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) plural: String,
    pub(crate) name: Option<String>,
    pub(crate) sub: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// The verb of a request on `place`; `None` when the method means nothing there.
    pub(crate) fn of(method: &Method, place: &Place, query: &Query) -> Option<Self> {
        let named = place.name.is_some();
        match *method {
            Method::GET if !named && query.flag("watch") => Some(Self::Watch),
            Method::GET if named => Some(Self::Get),
            Method::GET => Some(Self::List),
            Method::POST if !named || place.sub.is_some() => Some(Self::Create),
            Method::PUT if named => Some(Self::Update),
            Method::PATCH if named => Some(Self::Patch),
            Method::DELETE if named => Some(Self::Delete),
            Method::DELETE => Some(Self::DeleteCollection),
            _ => None,
        }
    }

    /// It changes something.
    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// As Kubernetes names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// The parameters behind the question mark; of a repeated one the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Clients write `?&a=b` and end with a bare `?`; both mean what they should.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key.replace('+', " ")), decode(value.replace('+', " ")))
                })
                .collect(),
        )
    }

    /// The parameter, unless it is absent or empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `true` and `1` are true, as Go reads them.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value == "true" || value == "1")
    }

    /// A number; absent and unreadable ones are `None`.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }
}

/// The target of a path; `None` when no API could lie there.
pub(crate) fn target(path: &str) -> Option<Target> {
    let segments: Vec<String> =
        path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["version"] => Some(Target::Version),
        ["healthz" | "livez" | "readyz", ..] => Some(Target::Health),
        ["api"] => Some(Target::Core),
        ["api", version, rest @ ..] => below("", version, rest),
        ["apis"] => Some(Target::Groups),
        ["apis", group] => Some(Target::Group((*group).to_owned())),
        ["apis", group, version, rest @ ..] => below(group, version, rest),
        _ => None,
    }
}

fn below(group: &str, version: &str, rest: &[&str]) -> Option<Target> {
    let place = |namespace: Option<&str>, plural: &str, name: Option<&str>, sub: Option<&str>| {
        Some(Target::Objects(Place {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.map(str::to_owned),
            plural: plural.to_owned(),
            name: name.map(str::to_owned),
            sub: sub.map(str::to_owned),
        }))
    };
    match rest {
        [] => Some(Target::Resources { group: group.to_owned(), version: version.to_owned() }),
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            place(None, "namespaces", Some(name), Some(sub))
        }
        ["namespaces", ns, plural] => place(Some(ns), plural, None, None),
        ["namespaces", ns, plural, name] => place(Some(ns), plural, Some(name), None),
        ["namespaces", ns, plural, name, sub] => place(Some(ns), plural, Some(name), Some(sub)),
        [plural] => place(None, plural, None, None),
        [plural, name] => place(None, plural, Some(name), None),
        [plural, name, sub] => place(None, plural, Some(name), Some(sub)),
        _ => None,
    }
}

/// Undoes percent-encoding; what is no encoding stays as it is, broken UTF-8 is replaced.
fn decode(text: impl AsRef<str>) -> String {
    let bytes = text.as_ref().as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let byte = hex
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(path: &str) -> Place {
        match target(path) {
            Some(Target::Objects(place)) => place,
            other => panic!("{path} gives {other:?}"),
        }
    }

    #[test]
    fn a_namespace_is_told_from_what_lies_in_it() {
        let ns = place("/api/v1/namespaces/shop");
        assert_eq!((ns.plural.as_str(), ns.name.as_deref()), ("namespaces", Some("shop")));
        let status = place("/api/v1/namespaces/shop/status");
        assert_eq!((status.name.as_deref(), status.sub.as_deref()), (Some("shop"), Some("status")));
        let pods = place("/api/v1/namespaces/shop/pods");
        assert_eq!((pods.plural.as_str(), pods.namespace.as_deref()), ("pods", Some("shop")));
    }

    #[test]
    fn queries_as_kube_writes_them_are_read() {
        let query = Query::parse("?&labelSelector=a%20in%20%28b%2Cc%29&watch=true&limit=");
        assert_eq!(query.get("labelSelector"), Some("a in (b,c)"));
        assert!(query.flag("watch"));
        assert_eq!(query.number("limit"), None);
        assert_eq!(Query::parse(""), Query::default());
    }

    proptest! {
        #[test]
        fn any_path_and_query_is_read_without_a_panic(
            path in "/?(api|apis|[a-z]{0,3})(/\\PC{0,3}){0,6}",
            query in "[?&=%a-f0-9+\\PC]*",
        ) {
            if let Some(Target::Objects(place)) = target(&path) {
                prop_assert!(!place.plural.is_empty());
            }
            prop_assert_eq!(Query::parse(&query), Query::parse(&format!("?{query}")));
        }

        #[test]
        fn a_name_survives_encoding(name in "[a-z0-9.:% \u{e4}-]{1,20}") {
            let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
            let place = place(&format!("/apis/g/v1/namespaces/n/things/{encoded}"));
            prop_assert_eq!(place.name, Some(name));
        }
    }
}
