//! The parameters of reads and writes (spec/gateway 3.1 to 3.4, 4.2, 5.9), and which of them go
//! together.

use crate::fields::Fields;
use crate::kinds::Kind;
use crate::page::Token;
use crate::path::decoded;
use crate::status::Status;
use fleetlog_rules::labels::Selector;
use std::collections::BTreeMap;

/// The newest page that is served at once.
const MOST: usize = 10_000;

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Not older than any write that was answered before.
    Newest,
    /// Whatever is held.
    Any,
    /// Not older than this resource version.
    NotOlder(u64),
    /// Of exactly this one.
    Exact(u64),
}

/// What a list asks for.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// By labels.
    pub labels: Selector,
    /// By fields.
    pub fields: Fields,
    /// So many at most.
    pub limit: Option<usize>,
    /// From where an earlier page ended.
    pub from: Option<Token>,
    /// How old it may be.
    pub at: At,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With all there is, not older than this; then what changes.
    State(At),
    /// With what changes after this resource version.
    After(u64),
    /// With what changes from now on.
    Now,
}

/// What a watch asks for.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// By labels.
    pub labels: Selector,
    /// By fields.
    pub fields: Fields,
    /// From where.
    pub start: Start,
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// Whether the end of the state at the start is marked by a bookmark.
    pub marked: bool,
    /// For how many seconds; as long as the gateway likes if it is not said.
    pub seconds: Option<u64>,
}

/// How a write is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Everything is checked and nothing is written.
    pub dry_run: bool,
    /// What is said of fields that the kind does not have.
    pub unknown: Unknown,
}

/// What happens to fields that the kind does not have; they are never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// The object is refused.
    Strict,
    /// It is taken, with a warning each.
    #[default]
    Warn,
    /// It is taken.
    Ignore,
}

/// The pairs of a query.
struct Pairs(BTreeMap<String, String>);

impl Pairs {
    fn of(query: &str) -> Self {
        let parts = query.split('&').filter(|part| !part.is_empty());
        let text = |part: &str| decoded(&part.replace('+', " "));
        let pair = |part: &str| match part.split_once('=') {
            Some((key, value)) => (text(key), text(value)),
            None => (text(part), String::new()),
        };
        Self(parts.map(pair).collect())
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Result<Option<u64>, Status> {
        match self.text(key) {
            "" => Ok(None),
            // Less than nothing is no bound.
            text if text.parse::<i64>().is_ok_and(|number| number < 0) => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad(format!("invalid value for parameter {key}: \"{text}\" is no number"))
            }),
        }
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, Status> {
        match self.0.get(key).map(String::as_str) {
            None => Ok(None),
            Some("" | "true" | "True" | "TRUE" | "1" | "t") => Ok(Some(true)),
            Some("false" | "False" | "FALSE" | "0" | "f") => Ok(Some(false)),
            Some(text) => Err(Status::bad(format!(
                "invalid value for parameter {key}: \"{text}\" is neither true nor false"
            ))),
        }
    }

    fn labels(&self) -> Result<Selector, Status> {
        let text = self.text("labelSelector");
        Selector::parse(text)
            .map_err(|why| Status::bad(format!("unable to parse \"{text}\": {why}")))
    }

    /// The given resource version; 0 and none are told apart.
    fn version(&self) -> Result<Option<u64>, Status> {
        match self.text("resourceVersion") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad(format!("invalid resource version \"{text}\": it is no number"))
            }),
        }
    }
}

/// One parameter of a query; empty where it is not given.
pub(crate) fn parameter(query: &str, key: &str) -> String {
    Pairs::of(query).text(key).to_owned()
}

/// Whether a query asks to watch.
///
/// # Errors
/// 400 for a value that is no truth value.
pub fn watches(query: &str) -> Result<bool, Status> {
    Ok(Pairs::of(query).flag("watch")?.unwrap_or_default())
}

/// Reads the parameters of a list.
///
/// # Errors
/// 400 for values that cannot be read, 422 for those that do not go together, 410 for a token that
/// is none of ours.
pub fn list(query: &str, kind: Kind) -> Result<ListOptions, Status> {
    let pairs = Pairs::of(query);
    let from = match pairs.text("continue") {
        "" => None,
        text => Some(Token::read(text)?),
    };
    let (version, matching) = (pairs.version()?, pairs.text("resourceVersionMatch"));
    let forbidden = |why: &str| Status::invalid_options("resourceVersionMatch", why);
    if pairs.flag("sendInitialEvents")?.is_some() {
        let why = "Forbidden: sendInitialEvents is forbidden for list";
        return Err(Status::invalid_options("sendInitialEvents", why));
    }
    if !matching.is_empty() && from.is_some() {
        let why = "Forbidden: resourceVersionMatch is forbidden when continue is provided";
        return Err(forbidden(why));
    }
    let limit = pairs.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(MOST).min(MOST));
    let at = match (matching, version) {
        ("", None) => At::Newest,
        (_, None) => {
            let why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is \
                       provided";
            return Err(forbidden(why));
        }
        ("Exact", Some(0)) => {
            let why = "Forbidden: resourceVersionMatch \"Exact\" is forbidden for resourceVersion \
                       \"0\"";
            return Err(forbidden(why));
        }
        ("Exact", Some(version)) => At::Exact(version),
        ("" | "NotOlderThan", Some(0)) => At::Any,
        ("", Some(version)) if limit.is_some() => At::Exact(version),
        ("" | "NotOlderThan", Some(version)) => At::NotOlder(version),
        (other, _) => {
            let why = format!(
                "Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\""
            );
            return Err(forbidden(&why));
        }
    };
    let (labels, fields) = (pairs.labels()?, Fields::parse(pairs.text("fieldSelector"), kind)?);
    Ok(ListOptions { labels, fields, limit, from, at })
}

/// Reads the parameters of a watch.
///
/// # Errors
/// As [`list`].
pub fn watch(query: &str, kind: Kind) -> Result<WatchOptions, Status> {
    let pairs = Pairs::of(query);
    let (version, matching) = (pairs.version()?, pairs.text("resourceVersionMatch"));
    let initial = pairs.flag("sendInitialEvents")?;
    if initial.is_none() && !matching.is_empty() {
        let why = "Forbidden: resourceVersionMatch is forbidden for watch unless \
                   sendInitialEvents is provided";
        return Err(Status::invalid_options("resourceVersionMatch", why));
    }
    if initial.is_some() && matching != "NotOlderThan" {
        let why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to \
                   NotOlderThan";
        return Err(Status::invalid_options("resourceVersionMatch", why));
    }
    if !pairs.text("continue").is_empty() {
        let why = "Forbidden: continue is forbidden for watch";
        return Err(Status::invalid_options("continue", why));
    }
    let start = match (initial, version) {
        (Some(false), None | Some(0)) => Start::Now,
        (Some(false) | None, Some(version)) if version > 0 => Start::After(version),
        (_, None) => Start::State(At::Newest),
        (_, Some(0)) => Start::State(At::Any),
        (_, Some(version)) => Start::State(At::NotOlder(version)),
    };
    let bookmarks = pairs.flag("allowWatchBookmarks")?.unwrap_or_default();
    Ok(WatchOptions {
        labels: pairs.labels()?,
        fields: Fields::parse(pairs.text("fieldSelector"), kind)?,
        start,
        bookmarks,
        marked: bookmarks && initial == Some(true),
        seconds: pairs.number("timeoutSeconds")?.filter(|seconds| *seconds > 0),
    })
}

/// Reads the parameters of a write.
///
/// # Errors
/// 422 for values that there are none of.
pub fn write(query: &str) -> Result<WriteOptions, Status> {
    let pairs = Pairs::of(query);
    let unsupported = |field: &str, value: &str, known: &str| {
        let why = format!("Unsupported value: \"{value}\": supported values: {known}");
        Status::invalid_options(field, &why)
    };
    let dry_run = match pairs.text("dryRun") {
        "" => false,
        "All" => true,
        other => return Err(unsupported("dryRun", other, "\"All\"")),
    };
    let unknown = match pairs.text("fieldValidation") {
        "" | "Warn" => Unknown::Warn,
        "Strict" => Unknown::Strict,
        "Ignore" => Unknown::Ignore,
        other => {
            return Err(unsupported("fieldValidation", other, "\"Ignore\", \"Strict\", \"Warn\""));
        }
    };
    Ok(WriteOptions { dry_run, unknown })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;

    fn kind() -> Kind {
        find("work.open-cluster-management.io", "v1", "manifestworks").unwrap()
    }

    fn list(query: &str) -> Result<ListOptions, Status> {
        super::list(query, kind())
    }

    fn watch(query: &str) -> Result<WatchOptions, Status> {
        super::watch(query, kind())
    }

    use proptest::prelude::*;

    #[test]
    fn gw014_matches_that_do_not_go_together_are_422() {
        for query in [
            "resourceVersionMatch=Exact",
            "resourceVersionMatch=Exact&resourceVersion=0",
            "resourceVersionMatch=Newer&resourceVersion=5",
            "sendInitialEvents=true",
        ] {
            assert_eq!(list(query).unwrap_err().code, 422, "{query}");
        }
        for query in [
            "resourceVersionMatch=NotOlderThan&resourceVersion=5",
            "sendInitialEvents=true",
            "sendInitialEvents=true&resourceVersionMatch=Exact",
        ] {
            assert_eq!(watch(query).unwrap_err().code, 422, "{query}");
        }
        assert_eq!(list("limit=x").unwrap_err().code, 400);
        assert_eq!(list("resourceVersion=x").unwrap_err().code, 400);
        assert_eq!(list("labelSelector=a%20b%20c").unwrap_err().code, 400);
    }

    #[test]
    fn how_old_an_answer_may_be_follows_from_version_and_match() {
        let at = |query: &str| list(query).unwrap().at;
        assert_eq!(at(""), At::Newest);
        assert_eq!(at("resourceVersion=0"), At::Any);
        assert_eq!(at("resourceVersion=7"), At::NotOlder(7));
        assert_eq!(at("resourceVersion=7&limit=5"), At::Exact(7));
        assert_eq!(
            at("resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=5"),
            At::NotOlder(7)
        );
        assert_eq!(at("resourceVersion=7&resourceVersionMatch=Exact"), At::Exact(7));
    }

    #[test]
    fn a_watch_starts_where_it_says() {
        let start = |query: &str| watch(query).unwrap().start;
        assert_eq!(start(""), Start::State(At::Newest));
        assert_eq!(start("resourceVersion=0"), Start::State(At::Any));
        assert_eq!(start("resourceVersion=9"), Start::After(9));
        let list = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        assert_eq!(start(list), Start::State(At::Newest));
        assert!(!watch(list).unwrap().marked, "who takes no bookmarks gets none");
        assert!(watch(&format!("{list}&allowWatchBookmarks=true")).unwrap().marked);
        let none = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
        assert_eq!(start(none), Start::Now);
        assert_eq!(start(&format!("{none}&resourceVersion=9")), Start::After(9));
    }

    #[test]
    fn what_a_write_may_say_is_read() {
        assert_eq!(write("").unwrap(), WriteOptions::default());
        let strict = write("fieldValidation=Strict&dryRun=All&fieldManager=kubectl").unwrap();
        assert_eq!(strict, WriteOptions { dry_run: true, unknown: Unknown::Strict });
        assert_eq!(write("dryRun=Some").unwrap_err().code, 422);
        assert_eq!(write("fieldValidation=Some").unwrap_err().code, 422);
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "\\PC{0,80}") {
            let _ = (list(&query), watch(&query), write(&query), Fields::parse(&query, kind()));
        }
    }
}
