//! Tokens of service accounts: JSON Web Tokens signed by ES256 (RFC 7515, RFC 7518), with the key
//! of the gateway's authority folder.

use crate::Gateway;
use crate::who::accounts;
use anyhow::{Context as _, Result, anyhow};
use data_encoding::BASE64URL_NOPAD;
use fleetlog_gateway_domain::token::{Account, ISSUER, bootstrap_id, bootstrapper, read};
use fleetlog_gateway_domain::{Caller, Key, find};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// The longest token that is read.
const LONGEST: usize = 16 * 1_024;

/// What signs tokens and knows its own.
pub struct Tokens {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Tokens {
    /// By a key (PEM, PKCS#8).
    ///
    /// # Errors
    /// A key that is none of P-256.
    pub fn of(pem: &str) -> Result<Self> {
        let der =
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("read the key of tokens")?;
        let random = SystemRandom::new();
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(signing, der.secret_der(), &random);
        let key = key.map_err(|why| anyhow!("the key of tokens cannot be used: {why}"))?;
        Ok(Self { key, random })
    }

    /// A token that says these claims.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn signed(&self, claims: &Value) -> Result<String> {
        let head = json!({ "alg": "ES256", "typ": "JWT" }).to_string();
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let said = format!("{}.{}", part(&head), part(&claims.to_string()));
        let signature = self.key.sign(&self.random, said.as_bytes());
        let signature = signature.map_err(|_| anyhow!("the system has no randomness"))?;
        Ok(format!("{said}.{}", BASE64URL_NOPAD.encode(signature.as_ref())))
    }

    /// The claims of a token of ours; `None` for any other text.
    #[must_use]
    pub fn claims(&self, token: &str) -> Option<Value> {
        if token.len() > LONGEST {
            return None;
        }
        let (said, signature) = token.rsplit_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let public = self.key.public_key().as_ref();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
        key.verify(said.as_bytes(), &signature).ok()?;
        let claims = said.split_once('.')?.1;
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()
    }
}

impl Gateway {
    /// Whose a token is; `None` for one that is no good, or no more.
    pub(crate) fn bearer(&self, token: &str) -> Option<Caller> {
        self.bearer_for(token, &[ISSUER.to_owned()]).map(|(caller, _)| caller)
    }

    /// The same for other audiences; answers those of them that it is for.
    pub(crate) fn bearer_for(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Option<(Caller, Vec<String>)> {
        let now = self.clock.now();
        if let Some((id, secret)) = bootstrap_id(token) {
            let name = format!("bootstrap-token-{id}");
            let key = Key { namespace: "kube-system".to_owned(), name };
            let kind = find("", "v1", "secrets")?;
            let object = self.board.look(|view| view.get(kind, &key).cloned())?;
            let caller = bootstrapper((id, secret), &object.object, now)?;
            return Some((caller, audiences.to_vec()));
        }
        let claims = self.tokens.claims(token)?;
        let (account, id) = read(&claims, audiences, now)?;
        if !self.has_account(&account) {
            return None;
        }
        let given = claims["aud"].as_array().cloned().unwrap_or_default();
        let fitting = audiences.iter().filter(|one| given.iter().any(|g| g == one.as_str()));
        Some((account.caller(&id), fitting.cloned().collect()))
    }

    /// Whether this incarnation of an account is there.
    fn has_account(&self, account: &Account) -> bool {
        let key = Key { namespace: account.namespace.clone(), name: account.name.clone() };
        let found =
            accounts().and_then(|kind| self.board.look(|view| view.get(kind, &key).cloned()));
        found.is_some_and(|found| found.object["metadata"]["uid"] == account.uid.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn tokens() -> Tokens {
        Tokens::of(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_signature() {
        let (ours, theirs) = (tokens(), tokens());
        let token = ours.signed(&json!({ "sub": "a" })).unwrap();
        assert_eq!(ours.claims(&token), Some(json!({ "sub": "a" })));
        assert_eq!(theirs.claims(&token), None);
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#);
        let (_, rest) = token.split_once('.').unwrap();
        assert_eq!(ours.claims(&format!("{none}.{rest}")), None);
        let (said, _) = token.rsplit_once('.').unwrap();
        assert_eq!(ours.claims(&format!("{said}.")), None);
    }

    /// One of ours, once for all cases.
    static OURS: LazyLock<(Tokens, String)> = LazyLock::new(|| {
        let ours = tokens();
        let token = ours.signed(&json!({ "sub": "a", "aud": ["b"], "exp": 5 })).unwrap();
        (ours, token)
    });

    proptest! {
        #[test]
        fn a_harmed_token_is_none(at in any::<prop::sample::Index>(), with in "[ -~é]{0,3}") {
            let (ours, token) = &*OURS;
            let at = at.index(token.len());
            let harmed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            prop_assert_eq!(ours.claims(&harmed).is_some(), harmed == *token);
        }

        #[test]
        fn no_text_is_a_token(text in "\\PC{0,60}") {
            prop_assert_eq!(tokens().claims(&text), None);
        }
    }
}
