//! What a path asks for (spec/gateway 3.1, 7.3).

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api`
    Api,
    /// `/apis`
    Apis,
    /// `/apis/<group>`
    Group(String),
    /// `/api/<version>` (an empty group) or `/apis/<group>/<version>`
    Version(String, String),
    /// `/openapi/v3`
    OpenApi,
    /// `/openapi/v3/apis/<group>/<version>`: what lies under the index.
    OpenApiOf(String),
    /// `/version`
    ServerVersion,
    /// `/healthz`, `/livez` or `/readyz`
    Health(&'static str),
    /// Objects.
    Objects(Place),
    /// Nothing that is known.
    Unknown,
}

/// A collection, an object, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The API group; empty for the core.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The plural.
    pub resource: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// The object.
    pub name: Option<String>,
    /// `status`, say.
    pub subresource: Option<String>,
}

/// What is done, as authorisation calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET of an object.
    Get,
    /// GET of a collection.
    List,
    /// GET of a collection with `watch`.
    Watch,
    /// POST to a collection.
    Create,
    /// PUT of an object.
    Update,
    /// PATCH of an object.
    Patch,
    /// DELETE of an object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
}

impl Verb {
    /// The verb of a method on a place; `None` where there is none.
    #[must_use]
    pub fn of(method: &str, place: &Place, watch: bool) -> Option<Self> {
        Some(match (method, place.name.is_some()) {
            ("GET" | "HEAD", true) if !watch => Self::Get,
            ("GET" | "HEAD", _) if watch => Self::Watch,
            ("GET" | "HEAD", _) => Self::List,
            ("POST", false) => Self::Create,
            // To a part that is made anew each time, a token.
            ("POST", true) if place.subresource.is_some() => Self::Create,
            ("PUT", true) => Self::Update,
            ("PATCH", true) => Self::Patch,
            ("DELETE", true) => Self::Delete,
            ("DELETE", false) => Self::DeleteCollection,
            _ => return None,
        })
    }

    /// What its parameters are called.
    #[must_use]
    pub const fn options(self) -> &'static str {
        match self {
            Self::Get | Self::List | Self::Watch => "ListOptions",
            Self::Create => "CreateOptions",
            Self::Update => "UpdateOptions",
            Self::Patch => "PatchOptions",
            Self::Delete | Self::DeleteCollection => "DeleteOptions",
        }
    }

    /// As rules of roles write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
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

/// Reads a path; its parts may be percent-encoded.
#[must_use]
pub fn route(path: &str) -> Route {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api"] => Route::Api,
        ["apis"] => Route::Apis,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["api", version] => Route::Version(String::new(), (*version).to_owned()),
        ["apis", group, version] => Route::Version((*group).to_owned(), (*version).to_owned()),
        ["openapi", "v3"] => Route::OpenApi,
        ["openapi", "v3", rest @ ..] => Route::OpenApiOf(rest.join("/")),
        ["version"] => Route::ServerVersion,
        ["healthz", ..] => Route::Health("healthz"),
        ["livez", ..] => Route::Health("livez"),
        ["readyz", ..] => Route::Health("readyz"),
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Route::Unknown,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Route {
    let text = |text: &&str| (**text).to_owned();
    let (namespace, rest) = match rest {
        // A part of the namespace itself, and no kind in it.
        ["namespaces", _, "status" | "finalize"] if group.is_empty() => (None, rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(text(namespace)), rest),
        rest => (None, rest),
    };
    match rest {
        [resource, more @ ..] if more.len() <= 2 => Route::Objects(Place {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: (*resource).to_owned(),
            namespace,
            name: more.first().map(text),
            subresource: more.get(1).map(text),
        }),
        _ => Route::Unknown,
    }
}

/// `%2F` and the like as what they stand for; what is no such escape stays.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let escape = escape.and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_name_collections_objects_and_parts_of_them() {
        let base = "/apis/cluster.open-cluster-management.io/v1beta1";
        let Route::Objects(place) = route(&format!("{base}/namespaces/t/placements/p/status"))
        else {
            panic!("no place")
        };
        assert_eq!(place.group, "cluster.open-cluster-management.io");
        assert_eq!(
            (place.resource.as_str(), place.namespace.as_deref()),
            ("placements", Some("t"))
        );
        assert_eq!(
            (place.name.as_deref(), place.subresource.as_deref()),
            (Some("p"), Some("status"))
        );
        let Route::Objects(all) = route(&format!("{base}/placements")) else { panic!("no place") };
        assert_eq!((all.namespace, all.name), (None, None));
        let Route::Objects(ns) = route("/api/v1/namespaces/a") else { panic!("no place") };
        assert_eq!((ns.resource.as_str(), ns.name.as_deref()), ("namespaces", Some("a")));
        let Route::Objects(part) = route("/api/v1/namespaces/a/status") else { panic!("none") };
        assert_eq!((part.namespace, part.subresource.as_deref()), (None, Some("status")));
        assert_eq!(route("/apis/"), Route::Apis);
        assert_eq!(route("/nothing"), Route::Unknown);
        assert_eq!(route("/readyz/ping"), Route::Health("readyz"));
    }

    #[test]
    fn a_method_on_a_place_is_a_verb() {
        let one = Place { name: Some("a".into()), ..Place::default() };
        let all = Place::default();
        assert_eq!(Verb::of("GET", &one, false), Some(Verb::Get));
        assert_eq!(Verb::of("GET", &one, true), Some(Verb::Watch));
        assert_eq!(Verb::of("GET", &all, false), Some(Verb::List));
        assert_eq!(Verb::of("DELETE", &all, false), Some(Verb::DeleteCollection));
        assert_eq!(Verb::of("POST", &one, false), None);
        assert_eq!(Verb::of("TRACE", &all, false), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "\\PC{0,80}") {
            let _ = route(&path);
        }
    }
}
