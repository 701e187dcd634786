//! Generated requests, seeded: a bounded number of them, each sent to both.

use crate::answer::{differences, plain};
use crate::both::Both;
use bytes::Bytes;
use fleetlog_chassis::Ids;
use http::Request;
use serde_json::{Value, json};

/// Draws from a seed.
pub struct Dice(Ids);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Ids::seeded(seed))
    }

    /// One of these.
    pub fn one<'a>(&self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A number below this.
    pub fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }

    /// Yes, so many times of a hundred.
    pub fn chance(&self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// Some of these, in an order of their own.
    pub fn some<'a>(&self, all: &[&'a str]) -> Vec<&'a str> {
        let mut left = all.to_vec();
        let count = self.below(all.len() + 1);
        (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}

/// Makes an object on both.
pub async fn make(both: &Both, path: &str, object: &Value) {
    let request = || {
        let request = Request::post(path).header("content-type", "application/json");
        request.body(Bytes::from(object.to_string())).unwrap()
    };
    for raw in both.ask([request(), request()], 0).await {
        assert_eq!(raw.code, 201, "{object}: {:?}", raw.body);
    }
}

/// Sends a request to both; says where they differ. Of refusals the sentence may.
pub async fn compared(
    both: &Both,
    (method, path): (&str, &str),
    (kind, body): (&str, &str),
) -> Option<String> {
    let request = || {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        request.body(Bytes::from(body.to_owned())).unwrap()
    };
    let answers = both.ask([request(), request()], 0).await;
    let [kube, ours] = answers.each_ref().map(|raw| {
        let whole = plain(raw, false);
        let refused = json!({ "code": whole["code"], "reason": whole["body"]["reason"] });
        if raw.code < 300 { whole } else { refused }
    });
    let found = differences(&kube, &ours);
    let said = found.iter().map(|difference| format!("{difference:?}"));
    let said: Vec<String> = said.collect();
    let told = format!("{method} {path} {kind}\n  {body}\n  {}", said.join("\n  "));
    (!found.is_empty()).then_some(told)
}
