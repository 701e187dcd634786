//! Reading: one object, a collection. Changes nothing.

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::request::{Place, Query};
use crate::selectors::Selector;
use crate::state::{Key, State};

use serde_json::{Value, json};

impl State {
    /// One object as it is served.
    pub(crate) fn read(&self, kind: &Kind, place: &Place, key: &Key) -> Result<Vec<u8>, Failure> {
        let object = self.get(key).ok_or_else(|| Failure::not_found(kind, &key.name))?;
        let mut out = Vec::new();
        object.render(kind, &place.version, &mut out);
        Ok(out)
    }

    /// A collection, in pages when a limit is asked for.
    pub(crate) fn read_all(
        &self,
        kind: &Kind,
        place: &Place,
        query: &Query,
    ) -> Result<Vec<u8>, Failure> {
        let selector = Selector::of(query, kind)?;
        let after = query.get("continue").map(read_token).transpose()?;
        let limit = query.number("limit").filter(|limit| *limit > 0);
        let mut items = Vec::new();
        let mut taken = 0_u64;
        let mut next = None;
        for (key, object) in self.list(kind, place.namespace.as_deref()) {
            let place_of = (key.namespace.to_string(), key.name.to_string());
            if after.as_ref().is_some_and(|after| place_of <= *after) {
                continue;
            }
            if !selector.selects(object) {
                continue;
            }
            if limit == Some(taken) {
                break;
            }
            if !items.is_empty() {
                items.push(b',');
            }
            object.render(kind, &place.version, &mut items);
            taken += 1;
            next = (limit == Some(taken)).then_some(place_of);
        }
        let more = next.filter(|last| self.any_after(kind, place, last, &selector));
        Ok(self.page(kind, place, &items, more))
    }

    fn any_after(
        &self,
        kind: &Kind,
        place: &Place,
        last: &(String, String),
        selector: &Selector,
    ) -> bool {
        self.list(kind, place.namespace.as_deref()).any(|(key, object)| {
            (&*key.namespace, &*key.name) > (&last.0, &last.1) && selector.selects(object)
        })
    }

    fn page(
        &self,
        kind: &Kind,
        place: &Place,
        items: &[u8],
        more: Option<(String, String)>,
    ) -> Vec<u8> {
        let mut meta = json!({"resourceVersion": self.version().to_string()});
        if let Some((namespace, name)) = more {
            meta["continue"] = json!([namespace, name]).to_string().into();
        }
        let api_version = Value::from(kind.api_version(&place.version));
        let list_kind = Value::from(kind.list_kind.as_str());
        let head = format!(
            "{{\"kind\":{list_kind},\"apiVersion\":{api_version},\"metadata\":{meta},\"items\":["
        );
        [head.as_bytes(), items, b"]}"].concat()
    }
}

fn read_token(token: &str) -> Result<(String, String), Failure> {
    serde_json::from_str(token).map_err(|_| Failure::bad_request("invalid continue token"))
}
