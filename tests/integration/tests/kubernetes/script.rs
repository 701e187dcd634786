//! Steps as data: each a request with what it needs of earlier answers. A file has two documents:
//! names of paths (some with the version and kind that new objects there are given), and the steps
//! in their order.
//!
//! The first key of a step is its method and path, its value the body. Beside it: `keep` names the
//! answer for later steps, which write `${name.path.in.it}`; `type` and `accept` are media types or
//! short names of them; `as` is on whose behalf; `events` how many events of a watch are read;
//! `until` the code that is waited for; `setup` says that its code alone is compared.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Answers kept by one side, by name.
pub type Kept = BTreeMap<String, Value>;

/// One request.
#[derive(Debug)]
pub struct Step {
    /// Method and path as the file has them.
    pub title: String,
    method: String,
    path: String,
    body: Value,
    more: Map<String, Value>,
}

/// Reads a file.
pub fn steps(text: &str) -> Vec<Step> {
    let mut documents = fleetlog_objects::yaml(text).unwrap().into_iter();
    let (names, steps) = (documents.next().unwrap(), documents.next().unwrap());
    let Value::Array(steps) = steps else { panic!("no list of steps") };
    steps.into_iter().map(|step| one(&names, step)).collect()
}

fn one(names: &Value, step: Value) -> Step {
    let Value::Object(mut more) = step else { panic!("no step: {step}") };
    let is_first = |key: &&String| key.contains(' ');
    let title = more.keys().find(is_first).unwrap_or_else(|| panic!("no path: {more:?}")).clone();
    let mut body = more.remove(&title).unwrap();
    let known = ["keep", "type", "accept", "as", "events", "until", "setup"];
    let odd: Vec<_> = more.keys().filter(|key| !known.contains(&key.as_str())).collect();
    assert!(odd.is_empty(), "{title}: {odd:?}");
    let (method, path) = title.split_once(' ').unwrap();
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let named = &names[&path[..end]];
    let whole = named.as_str().or(named[0].as_str()).unwrap_or(&path[..end]);
    let path = format!("{whole}{}", &path[end..]);
    if let (true, Some(fields)) = (matches!(method, "POST" | "PUT"), body.as_object_mut()) {
        for (at, field) in [(1, "apiVersion"), (2, "kind")] {
            if named[at].is_string() && !fields.contains_key(field) {
                fields.insert(field.to_owned(), named[at].clone());
            }
        }
    }
    Step { method: method.to_owned(), path, body, more, title }
}

impl Step {
    fn text(&self, key: &str) -> &str {
        self.more.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Under which name the answer is kept.
    pub fn keep(&self) -> &str {
        self.text("keep")
    }

    /// How many events are read.
    pub fn events(&self) -> usize {
        let events = self.more.get("events").and_then(Value::as_u64);
        usize::try_from(events.unwrap_or_default()).unwrap()
    }

    /// Whether it makes what later steps need, and no more than its code is compared.
    pub fn is_setup(&self) -> bool {
        self.more.get("setup") == Some(&Value::Bool(true))
    }

    /// The code that both are to come to.
    pub fn until(&self) -> Option<u64> {
        self.more.get("until").and_then(Value::as_u64)
    }

    /// The plural of what it is about.
    pub fn resource(&self) -> String {
        let path = self.path.split('?').next().unwrap();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let rest = if parts.first() == Some(&"api") { 2 } else { 3 };
        let rest = parts.get(rest..).unwrap_or_default();
        match rest {
            ["namespaces", _, plural, ..] if *plural != "status" => (*plural).to_owned(),
            [plural, ..] => (*plural).to_owned(),
            [] => "discovery".to_owned(),
        }
    }

    /// The request, with what one side has kept put in.
    pub fn request(&self, kept: &Kept) -> Request<Bytes> {
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => filled(text, kept),
            other => filled(&other.to_string(), kept),
        };
        let path = filled(&self.path, kept).replace(' ', "%20");
        let mut request = Request::builder().method(self.method.as_str()).uri(path);
        let kind = match (self.text("type"), self.method.as_str()) {
            ("" | "merge", "PATCH") => "application/merge-patch+json",
            ("json", "PATCH") => "application/json-patch+json",
            ("strategic", _) => "application/strategic-merge-patch+json",
            ("", _) => "application/json",
            (other, _) => other,
        };
        request = request.header("content-type", kind);
        let accept = match self.text("accept") {
            "" => "application/json",
            "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
            "metadata" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            "metadata list" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            other => other,
        };
        request = request.header("accept", accept);
        if !self.text("as").is_empty() {
            request = request.header("impersonate-user", self.text("as"));
        }
        request.body(Bytes::from(body)).unwrap()
    }
}

/// Puts answers in: `${made.metadata.uid}`.
fn filled(text: &str, kept: &Kept) -> String {
    let mut out = text.to_owned();
    while let Some(start) = out.find("${") {
        let end = start + out[start..].find('}').unwrap();
        let mut words = out[start + 2..end].split('.');
        let name = words.next().unwrap();
        let answer = kept.get(name).unwrap_or_else(|| panic!("nothing is kept as {name}"));
        let found = words.fold(answer, |value, word| match word.parse::<usize>() {
            Ok(at) => &value[at],
            Err(_) => &value[word],
        });
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        out.replace_range(start..=end, &found);
    }
    out
}
