//! Who follows the log from outside: kept in `creds/followers.json`, each with a user of READERS
//! of its own. One that is deleted is revoked: its JWT is void for ever, a connection of it is cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetlog_bus::Credentials;
use fleetlog_bus::jwt::user_token;
use fleetlog_kernel::Timestamp;
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

use crate::apply::{ask_text, connect};
use crate::audit;
use crate::claims::Revoked;
use crate::folder::{read_file, read_hub_file, write_secret};
use crate::identity::Identity;
use crate::refusal::HubRefusal;

/// Names of users of our own: their inboxes are theirs alone.
const RESERVED: [&str; 5] = ["admin", "auditor", "gateway", "keeper", "operator"];

/// One follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Follower {
    /// Its name.
    pub name: String,
    /// What it may read of the log: subjects of events, with wildcards.
    pub subjects: Vec<String>,
    /// The public key of its user.
    pub public_key: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    followers: BTreeMap<String, Follower>,
    /// Those that were deleted.
    #[serde(default)]
    revoked: Revoked,
}

/// Every follower, by name.
///
/// # Errors
/// A file that cannot be read.
pub fn all(dir: &Path) -> Result<Vec<Follower>, HubRefusal> {
    Ok(read(dir)?.followers.into_values().collect())
}

/// Makes a follower of the hub that runs at `url` on `dir`, and the mirror it reads from. What it
/// shows the server is not kept.
///
/// # Errors
/// A name that is taken or refused, subjects that are not those of events, a server that does not
/// answer.
pub async fn create(
    dir: &Path,
    url: &str,
    name: &str,
    subjects: &[String],
    at: Timestamp,
) -> Result<Credentials, HubRefusal> {
    user_token(name)?;
    if RESERVED.contains(&name) {
        return Err(HubRefusal::FollowerExists { name: name.to_owned() });
    }
    subjects.iter().try_for_each(|subject| check(subject))?;
    let (identity, mut kept) = (Identity::read(dir, at)?, read(dir)?);
    if kept.followers.contains_key(name) {
        return Err(HubRefusal::FollowerExists { name: name.to_owned() });
    }
    let profile = read_hub_file(dir)?.and_then(|hub| hub.profile).unwrap_or_default();
    audit::apply(&connect(url, &identity.auditor()?).await?, profile).await?;
    let credentials = identity.new_follower(name, subjects)?;
    let key = KeyPair::from_seed(&credentials.seed)
        .map_err(|why| fleetlog_bus::jwt::MintError::Key(why.to_string()))?;
    let follower = Follower {
        name: name.to_owned(),
        subjects: subjects.to_vec(),
        public_key: key.public_key(),
        created: at.seconds(),
    };
    kept.followers.insert(name.to_owned(), follower);
    write(dir, &kept)?;
    Ok(credentials)
}

/// Deletes a follower: the hub that runs at `url` on `dir` lets it in no more, and cuts it.
///
/// # Errors
/// A name that nobody has, a server that does not answer: then it is refused from the next start of
/// the hub on, or when this is done again.
pub async fn delete(dir: &Path, url: &str, name: &str, at: Timestamp) -> Result<(), HubRefusal> {
    let (mut identity, mut kept) = (Identity::read(dir, at)?, read(dir)?);
    let Some(follower) = kept.followers.get(name) else {
        return Err(HubRefusal::NoFollower { name: name.to_owned() });
    };
    // A JWT that was made in the same second, or by a clock ahead of ours, is void too.
    kept.revoked.insert(follower.public_key.clone(), at.seconds().max(follower.created));
    write(dir, &kept)?;
    let jwt = identity.revoke(&kept.revoked)?;
    let keeper = connect(url, &identity.keeper()?).await?;
    let answer = ask_text(&keeper, "$SYS.REQ.CLAIMS.UPDATE", jwt).await?;
    if answer["data"]["code"] != 200 {
        let what = format!("the end of follower \"{name}\"");
        return Err(HubRefusal::NotMade { what, why: answer["error"].to_string() });
    }
    kept.followers.remove(name);
    write(dir, &kept)
}

/// Those that are let in no more.
pub(crate) fn revoked(dir: &Path) -> Result<Revoked, HubRefusal> {
    Ok(read(dir)?.revoked)
}

/// A subject of events, perhaps with wildcards, and nothing wider.
fn check(subject: &str) -> Result<(), HubRefusal> {
    let refused = || HubRefusal::NoSubject { subject: subject.to_owned() };
    let tokens: Vec<&str> = subject.split('.').collect();
    let plain = |token: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || ":-_=".contains(c);
        token == "*" || (!token.is_empty() && token.chars().all(known))
    };
    let (last, before) = tokens.split_last().ok_or_else(refused)?;
    // To the server a filter `>` is one token and matches a `*` at the end: that would give it all.
    let ends = *last == ">" || (*last != "*" && plain(last));
    let sound = before.iter().all(|token| plain(token)) && ends;
    let of_events = tokens.len() > 2 && tokens[..2] == ["fl", "ev"];
    if sound && of_events { Ok(()) } else { Err(refused()) }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("creds").join("followers.json")
}

fn read(dir: &Path) -> Result<Kept, HubRefusal> {
    let file = file(dir);
    let Some(text) = read_file(&file)? else { return Ok(Kept::default()) };
    serde_json::from_str(&text).map_err(|why| HubRefusal::Damaged { file, why: why.to_string() })
}

fn write(dir: &Path, kept: &Kept) -> Result<(), HubRefusal> {
    write_secret(&file(dir), &serde_json::to_string_pretty(kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_subjects_of_events_can_be_followed() {
        for good in ["fl.ev.>", "fl.ev.work.>", "fl.ev.*.cluster.c1", "fl.ev.work.*.c=41.shop_x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ">",
            "fl.>",
            "fl.ev",
            "fl.*.>",
            "fl.cmd.>",
            "fl.ev.>.x",
            "fl.ev..x",
            "fl.ev.a b",
            "fl.ev.{{name()}}",
            "fl.ev.x>",
            "$JS.API.>",
            "fl.ev.x*",
            "fl.ev.*",
            "fl.ev.work.*",
        ] {
            assert_eq!(check(bad).map_err(|r| r.code()), Err("HUB0031"), "{bad}");
        }
    }
}
