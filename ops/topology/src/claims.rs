//! The claims of operator and accounts, built from the data of accounts and roles.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::accounts::{Account, PASSAGES, Passing};
use crate::roles::{Role, roles};

/// What the operator JWT says.
pub(crate) fn operator(signing_key: &str, system_account: &str) -> Value {
    json!({
        "type": "operator", "version": 2,
        "signing_keys": [signing_key], "system_account": system_account,
    })
}

/// Public keys of users that are let in no more, with the second up to which their JWTs are void.
pub(crate) type Revoked = BTreeMap<String, i64>;

/// What an account's JWT says: its limits, what it exports or imports, its roles, and who of it is
/// revoked.
/// `role_keys` has the public key of each role by name, `hub` is HUB's public key.
pub(crate) fn account(
    account: Account,
    hub: &str,
    role_keys: &BTreeMap<String, String>,
    revoked: &Revoked,
) -> Value {
    let mut claims = json!({
        "type": "account", "version": 2,
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "conn": -1, "leaf": -1, "wildcards": true,
        },
    });
    if matches!(account, Account::Hub | Account::Readers) {
        for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
            claims["limits"][limit] = json!(-1);
        }
    }
    if account == Account::Hub {
        claims["exports"] = exports();
    }
    if account == Account::Readers && !revoked.is_empty() {
        claims["revocations"] = json!(revoked);
    }
    let imports = imports(account, hub);
    if !imports.is_empty() {
        claims["imports"] = Value::Array(imports);
    }
    let scopes: Vec<Value> = roles()
        .iter()
        .filter(|role| role.account == account)
        .filter_map(|role| Some(scope(role, role_keys.get(role.name)?)))
        .collect();
    if !scopes.is_empty() {
        claims["signing_keys"] = Value::Array(scopes);
    }
    claims
}

fn exports() -> Value {
    let export = |subject: &str, passing: Passing| {
        let mut claims = json!({ "name": subject, "subject": subject, "type": kind(passing) });
        match passing {
            Passing::Messages => {}
            Passing::OneAnswer => claims["response_type"] = json!("Singleton"),
            Passing::Answers => claims["response_type"] = json!("Stream"),
        }
        claims
    };
    PASSAGES.iter().map(|p| export(p.subject, p.passing)).collect()
}

fn imports(account: Account, hub: &str) -> Vec<Value> {
    let mine = PASSAGES.iter().filter(|passage| passage.into == account);
    mine.map(|passage| {
        let mut claims = json!({
            "name": passage.subject, "subject": passage.subject,
            "account": hub, "type": kind(passage.passing),
        });
        if let Some(subject) = passage.locally {
            claims["local_subject"] = json!(subject);
        }
        if passage.tells_who {
            claims["share"] = json!(true);
        }
        claims
    })
    .collect()
}

fn kind(passing: Passing) -> &'static str {
    if passing == Passing::Messages { "stream" } else { "service" }
}

fn scope(role: &Role, key: &str) -> Value {
    let limit = |bound: Option<u32>| bound.map_or(-1, i64::from);
    let template = json!({
        "pub": { "allow": role.publish },
        "sub": { "allow": role.subscribe },
        "subs": limit(role.max_subscriptions),
        "data": -1,
        "payload": limit(role.max_payload),
        "allowed_connection_types": ["STANDARD"],
    });
    json!({ "kind": "user_scope", "key": key, "role": role.name, "template": template })
}
