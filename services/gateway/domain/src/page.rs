//! Where a page ended: the resource version that all pages are of, and the last key (spec/gateway
//! 3.3). Clients hand it back as it is.

use crate::status::Status;
use crate::view::Key;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

/// A continue token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The form of the token.
    v: String,
    /// The resource version that the pages are of.
    pub rv: u64,
    /// The namespace of the last object.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

const FORM: &str = "meta.k8s.io/v1";

impl Token {
    /// After this key, at this resource version.
    #[must_use]
    pub fn new(rv: u64, last: &Key) -> Self {
        let (namespace, name) = (last.namespace.clone(), last.name.clone());
        Self { v: FORM.to_owned(), rv, namespace, name }
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a text.
    ///
    /// # Errors
    /// 400 for one that is not ours.
    pub fn read(text: &str) -> Result<Self, Status> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let token = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        token
            .filter(|token| token.v == FORM)
            .ok_or_else(|| Status::bad("continue key is not valid: it is not one that a list gave"))
    }

    /// The last key.
    #[must_use]
    pub fn last(&self) -> Key {
        Key { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn gw011_a_tampered_token_is_400() {
        let key = Key { namespace: "a".into(), name: "b".into() };
        let token = Token::new(7, &key);
        let text = token.text();
        assert_eq!(Token::read(&text).unwrap(), token);
        assert_eq!(token.last(), key);
        for wrong in [&text[1..], "x", "", "e30"] {
            assert_eq!(Token::read(wrong).unwrap_err().code, 400, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = Token::read(&text);
        }
    }
}
