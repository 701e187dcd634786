//! NATS JWTs: signing of claims, users under a role key, the check of names, and the file form of
//! credentials. What roles may do lies in topology; accounts and operators are built there too.

use fleetlog_kernel::{Timestamp, encode_token};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::credentials::Credentials;

/// Why no JWT was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The name would mean more than itself in a permission template.
    #[error("\"{0}\" cannot be a user's name: it has lower-case letters, digits, '-' and '.' only")]
    Name(String),
    /// The key is not one of a user.
    #[error("\"{0}\" is not the public key of a user")]
    PublicKey(String),
    /// The key cannot sign.
    #[error("the signing key is of no use: {0}")]
    Key(String),
}

/// A user to be let in, under a role whose template bounds it.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// The name before encoding: a cluster, an actor, a service.
    pub name: &'a str,
    /// The user's public key (`U...`), born with the user.
    pub public_key: &'a str,
    /// The public key of the account (`A...`).
    pub account: &'a str,
    /// When it is made.
    pub issued: Timestamp,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// What the role's template may name as `{{tag(<key>)}}`: `<key>:<value>`, checked by the
    /// caller.
    pub tags: &'a [String],
}

/// The name as `{{name()}}` will put it into permissions, checked so that it stands only for
/// itself.
///
/// # Errors
/// [`MintError::Name`]: a name `*` would own everything (a token of `a-z 0-9 - _`, whose edges are
/// alphanumeric, cannot).
pub fn user_token(name: &str) -> Result<String, MintError> {
    let token = encode_token(name);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let plain = token.chars().all(|c| edge(c) || c == '-' || c == '_');
    if plain && token.starts_with(edge) && token.ends_with(edge) {
        Ok(token)
    } else {
        Err(MintError::Name(name.to_owned()))
    }
}

/// Signs a user JWT with a role key. Limits stay out: the role's template has them.
///
/// # Errors
/// A name or a key that is refused.
pub fn mint_user(role: &KeyPair, user: &NewUser<'_>) -> Result<String, MintError> {
    let name = user_token(user.name)?;
    let known = KeyPair::from_public_key(user.public_key);
    if !user.public_key.starts_with('U') || known.is_err() {
        return Err(MintError::PublicKey(user.public_key.to_owned()));
    }
    let mut nats = json!({ "type": "user", "version": 2, "issuer_account": user.account });
    if !user.tags.is_empty() {
        nats["tags"] = json!(user.tags);
    }
    let mut claims = json!({
        "iat": user.issued.seconds(), "sub": user.public_key, "name": name, "nats": nats,
    });
    if let Some(expires) = user.expires {
        claims["exp"] = json!(expires.seconds());
    }
    sign_claims(role, claims)
}

/// Makes a JWT of claims (`iat`, `sub`, `name`, `nats`, perhaps `exp`); issuer and id are added.
///
/// # Errors
/// A key that cannot sign.
pub fn sign_claims(issuer: &KeyPair, mut claims: Value) -> Result<String, MintError> {
    let bad = |why: nkeys::error::Error| MintError::Key(why.to_string());
    let base64 = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    claims["iss"] = json!(issuer.public_key());
    let body = claims.to_string();
    let mark = issuer.sign(body.as_bytes()).map_err(bad)?;
    claims["jti"] = json!(data_encoding::BASE32_NOPAD.encode(&mark[..32]));
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" }).to_string();
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(claims.to_string().as_bytes()));
    let signature = issuer.sign(signed.as_bytes()).map_err(bad)?;
    Ok(format!("{signed}.{}", base64(&signature)))
}

/// The claims of a JWT, unverified: for reading one's own.
#[must_use]
pub fn claims_of(jwt: &str) -> Option<Value> {
    let body = jwt.split('.').nth(1)?;
    let bytes = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

const JWT_BEGIN: &str = "-----BEGIN NATS USER JWT-----";
const JWT_END: &str = "------END NATS USER JWT------";
const SEED_BEGIN: &str = "-----BEGIN USER NKEY SEED-----";
const SEED_END: &str = "------END USER NKEY SEED------";

impl Credentials {
    /// The text of a credentials file, as every NATS client reads it.
    #[must_use]
    pub fn to_file(&self) -> String {
        let Self { jwt, seed } = self;
        format!("{JWT_BEGIN}\n{jwt}\n{JWT_END}\n\n{SEED_BEGIN}\n{seed}\n{SEED_END}\n")
    }

    /// Reads the text of a credentials file.
    #[must_use]
    pub fn of_file(text: &str) -> Option<Self> {
        let between = |begin: &str, end: &str| {
            let (_, rest) = text.split_once(begin)?;
            rest.split_once(end).map(|(inner, _)| inner.trim().to_owned())
        };
        Some(Self { jwt: between(JWT_BEGIN, JWT_END)?, seed: between(SEED_BEGIN, SEED_END)? })
    }

    /// The name that the server vouches for, as the token in its permissions.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        claims_of(&self.jwt)?.get("name")?.as_str().map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user<'a>(name: &'a str, public_key: &'a str) -> NewUser<'a> {
        let issued = Timestamp::of_seconds(1_700_000_000);
        NewUser { name, public_key, account: "AACCOUNT", issued, expires: None, tags: &[] }
    }

    #[test]
    fn names_that_would_widen_a_permission_are_refused() {
        let (role, key) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        for name in ["*", ">", "", "a b", "c*", "x.>", ".a", "a.", "A", "a=b", "-a", "ä", "a_b"] {
            let refused = mint_user(&role, &user(name, &key));
            assert_eq!(refused, Err(MintError::Name(name.to_owned())));
        }
        assert_eq!(user_token("team.a-1").unwrap(), "team_a-1");
    }

    #[test]
    fn only_a_users_key_is_taken() {
        let (role, other) = (KeyPair::new_account(), KeyPair::new_account().public_key());
        assert!(matches!(mint_user(&role, &user("a", &other)), Err(MintError::PublicKey(_))));
        assert!(matches!(mint_user(&role, &user("a", "Unonsense")), Err(MintError::PublicKey(_))));
    }

    #[test]
    fn a_jwt_carries_no_permissions_of_its_own() {
        let (role, key) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        let claims = claims_of(&mint_user(&role, &user("a", &key)).unwrap()).unwrap();
        let members: Vec<&String> = claims["nats"].as_object().unwrap().keys().collect();
        assert_eq!(members, ["issuer_account", "type", "version"]);
        assert_eq!(claims["iss"], json!(role.public_key()));
    }

    #[test]
    fn a_credentials_file_round_trips() {
        let credentials = Credentials { jwt: "h.b.s".to_owned(), seed: "SUSEED".to_owned() };
        assert_eq!(Credentials::of_file(&credentials.to_file()), Some(credentials));
        assert_eq!(Credentials::of_file("nothing"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_of_credentials_panic(
            text in "\\PC*",
            jwt in "[A-Za-z0-9_.-]{0,64}",
            claims in prop::collection::vec(any::<u8>(), 0..64),
            between in any::<String>(),
        ) {
            let encoded = data_encoding::BASE64URL_NOPAD.encode(&claims);
            for jwt in [&text, &jwt, &format!("h.{encoded}.s")] {
                let _ = claims_of(jwt);
                let _ = Credentials { jwt: jwt.clone(), seed: String::new() }.name();
            }
            let _ = Credentials::of_file(&text);
            let torn = format!("{SEED_BEGIN}{between}{JWT_END}{between}{JWT_BEGIN}{text}");
            prop_assert_eq!(Credentials::of_file(&torn), None);
        }

        #[test]
        fn no_name_widens_what_a_user_may(name in any::<String>()) {
            if let Ok(token) = user_token(&name) {
                let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
                prop_assert!(!token.is_empty() && token.chars().all(plain), "{}", token);
            }
        }
    }
}
