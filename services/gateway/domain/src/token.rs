//! Tokens: what those of service accounts claim, and whom a bootstrap token stands for
//! (spec/gateway 7.1). How they are signed is the shell's.

use crate::access::{AUTHENTICATED, Caller};
use data_encoding::BASE64;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who issues tokens, and for whom they are if nobody else is named.
pub const ISSUER: &str = "https://fleetlog";
/// Seconds that a token is good for if nothing is said.
pub const LIFE: i64 = 3_600;
/// The least and the most that may be asked for.
pub const LIVES: (i64, i64) = (600, 1 << 32);

/// A service account that a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This incarnation.
    pub uid: String,
}

impl Account {
    /// As whom its bearer acts.
    #[must_use]
    pub fn caller(&self, id: &str) -> Caller {
        let Self { namespace, name, uid } = self;
        let of = format!("system:serviceaccounts:{namespace}");
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let mut caller = Caller::known(&user, &["system:serviceaccounts", &of]);
        caller.uid.clone_from(uid);
        if !id.is_empty() {
            let id = format!("JTI={id}");
            caller.extra =
                BTreeMap::from([("authentication.kubernetes.io/credential-id".into(), vec![id])]);
        }
        caller
    }
}

/// What a token says.
#[must_use]
pub fn claims(
    account: &Account,
    audiences: &[String],
    (at, seconds): (Timestamp, i64),
    id: &str,
) -> Value {
    let now = at.seconds();
    json!({
        "iss": ISSUER,
        "sub": format!("system:serviceaccount:{}:{}", account.namespace, account.name),
        "aud": audiences, "iat": now, "nbf": now, "exp": now + seconds, "jti": id,
        "kubernetes.io": {
            "namespace": account.namespace,
            "serviceaccount": { "name": account.name, "uid": account.uid },
        },
    })
}

/// Whom claims are of, and their id; `None` where they do not hold at this moment for one of these
/// audiences. Whether the account still is there is another question.
#[must_use]
pub fn read(claims: &Value, audiences: &[String], at: Timestamp) -> Option<(Account, String)> {
    let now = at.seconds();
    let holds = claims["iss"] == ISSUER
        && claims["exp"].as_i64().is_some_and(|end| now < end)
        && claims["nbf"].as_i64().is_some_and(|start| start <= now);
    let mut given = claims["aud"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if !holds || !given.any(|one| audiences.iter().any(|wanted| wanted == one)) {
        return None;
    }
    let text = |pointer: &str| claims.pointer(pointer)?.as_str().map(str::to_owned);
    let account = Account {
        namespace: text("/kubernetes.io/namespace")?,
        name: text("/kubernetes.io/serviceaccount/name")?,
        uid: text("/kubernetes.io/serviceaccount/uid")?,
    };
    Some((account, text("/jti").unwrap_or_default()))
}

/// The id of a bootstrap token, if a text has the form of one.
#[must_use]
pub fn bootstrap_id(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret)).then_some((id, secret))
}

/// Whom a bootstrap token stands for, by the secret that makes it one.
#[must_use]
pub fn bootstrapper((id, secret): (&str, &str), object: &Value, at: Timestamp) -> Option<Caller> {
    let value = |name: &str| {
        let bytes = BASE64.decode(object["data"][name].as_str()?.as_bytes()).ok()?;
        String::from_utf8(bytes).ok()
    };
    let going = !object["metadata"]["deletionTimestamp"].is_null();
    let over = match value("expiration") {
        None => false,
        Some(text) => Time::parse(&text).is_none_or(|end| end.seconds <= at.seconds()),
    };
    let good = object["type"] == "bootstrap.kubernetes.io/token"
        && value("token-id").as_deref() == Some(id)
        && value("token-secret").is_some_and(|known| is_same(&known, secret))
        && value("usage-bootstrap-authentication").as_deref() == Some("true");
    if going || over || !good {
        return None;
    }
    let more = value("auth-extra-groups").unwrap_or_default();
    let more = more.split(',').map(str::trim).filter(|g| g.starts_with("system:bootstrappers:"));
    let groups = std::iter::once("system:bootstrappers").chain(more).chain([AUTHENTICATED]);
    Some(Caller {
        user: format!("system:bootstrap:{id}"),
        groups: groups.map(str::to_owned).collect(),
        ..Caller::default()
    })
}

/// Compares secrets in a time that tells nothing of where they differ.
fn is_same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && differ == 0
}

/// How long a token of a `TokenRequest` is to live, in seconds.
#[must_use]
pub fn life(request: &Value) -> Option<Duration> {
    let seconds = match &request["spec"]["expirationSeconds"] {
        Value::Null => LIFE,
        given => given.as_i64()?,
    };
    let (least, most) = LIVES;
    let seconds = (least..=most).contains(&seconds).then_some(seconds)?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account() -> Account {
        Account { namespace: "n".into(), name: "a".into(), uid: "u".into() }
    }

    fn us() -> Vec<String> {
        vec![ISSUER.to_owned()]
    }

    #[test]
    fn gw083_claims_hold_for_their_time_and_audience() {
        let at = Timestamp::of_seconds;
        let made = claims(&account(), &us(), (at(1_000), 600), "i");
        assert_eq!(read(&made, &us(), at(1_000)), Some((account(), "i".to_owned())));
        assert_eq!(read(&made, &us(), at(1_599)).unwrap().0, account());
        assert_eq!(read(&made, &us(), at(1_600)), None);
        assert_eq!(read(&made, &us(), at(999)), None);
        assert_eq!(read(&made, &["other".to_owned()], at(1_000)), None);
        let caller = account().caller("i");
        assert_eq!(caller.user, "system:serviceaccount:n:a");
        let wanted = ["system:serviceaccounts", "system:serviceaccounts:n", AUTHENTICATED];
        assert_eq!(caller.groups, wanted);
        let of = |seconds: i64| life(&json!({ "spec": { "expirationSeconds": seconds } }));
        assert_eq!((of(500), of(600)), (None, Some(Duration::from_secs(600))));
        assert_eq!(life(&json!({})), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn gw084_a_bootstrap_token_stands_for_its_groups_while_it_is_good() {
        let coded = |text: &str| json!(BASE64.encode(text.as_bytes()));
        let secret = json!({
            "type": "bootstrap.kubernetes.io/token",
            "data": {
                "token-id": coded("abcdef"), "token-secret": coded("0123456789abcdef"),
                "usage-bootstrap-authentication": coded("true"),
                "expiration": coded("2026-01-01T00:00:00Z"),
                "auth-extra-groups": coded("system:bootstrappers:managedcluster,other"),
            },
        });
        let token = bootstrap_id("abcdef.0123456789abcdef").unwrap();
        let before = Timestamp::of_seconds(1_767_225_599);
        let caller = bootstrapper(token, &secret, before).unwrap();
        assert_eq!(caller.user, "system:bootstrap:abcdef");
        let groups = ["system:bootstrappers", "system:bootstrappers:managedcluster", AUTHENTICATED];
        assert_eq!(caller.groups, groups);
        assert_eq!(bootstrapper(token, &secret, Timestamp::of_seconds(1_767_225_600)), None);
        for field in ["token-secret", "usage-bootstrap-authentication"] {
            let mut other = secret.clone();
            other["data"][field] = coded("false");
            assert_eq!(bootstrapper(token, &other, before), None, "{field}");
        }
        assert_eq!(bootstrap_id("abcdef"), None);
        assert_eq!(bootstrap_id("ABCDEF.0123456789abcdef"), None);
    }

    proptest! {
        #[test]
        fn no_claims_make_it_panic(text in "\\PC{0,40}") {
            let _ = bootstrap_id(&text);
            let claims = serde_json::from_str(&text).unwrap_or_default();
            prop_assert_eq!(read(&claims, &us(), Timestamp::default()), None);
        }
    }
}
