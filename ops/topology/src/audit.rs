//! AUDIT: the mirror of EVENTS in the account READERS, where followers read. It is made with the
//! first follower. A mirror that is cut off says nothing by itself, so it is looked at.

use async_nats::Client;
use fleetlog_bus::AUDIT;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use crate::apply::{ask, connect, first_wrong, make_missing};
use crate::hub::RunningHub;
use crate::plan::{Action, Change, Cost, Key, Kind, Plan, Thing, plan};
use crate::profile::Profile;
use crate::refusal::HubRefusal;
use crate::things::under;
use crate::{followers, look, wire};

/// After how long without a word from EVENTS a mirror counts as inactive; the server sends one at
/// least every ten seconds or so.
pub const INACTIVE_AFTER: Duration = Duration::from_secs(45);
/// How many commits a mirror may be behind.
pub const MOST_BEHIND: u64 = 10_000;
/// How often a mirror is made anew that hears nothing.
const REMADE: u32 = 3;
/// How often it is looked whether it hears, and how long between.
const LOOKS: u32 = 40;
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long a consumer of a follower may be of no use to anybody before it goes.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How a mirror stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// How many commits of EVENTS it lacks, as far as it knows.
    pub behind: u64,
    /// How long ago it heard of EVENTS; `None` for never.
    pub heard: Option<Duration>,
    /// The last position it has.
    pub position: u64,
}

impl Mirror {
    /// What is wrong with it; `None` when nothing is.
    #[must_use]
    pub fn alarm(&self) -> Option<HubRefusal> {
        let Self { behind, heard, .. } = *self;
        match heard {
            Some(heard) if heard < INACTIVE_AFTER && behind <= MOST_BEHIND => None,
            _ => Some(HubRefusal::Mirror { behind, heard }),
        }
    }
}

impl RunningHub {
    /// Looks at the mirror again and again, while there are followers; `tell` hears how it stands
    /// (`None` while there is none, or the server is away). An alarm is a warning in the log when
    /// it begins, and stands in `hub.json` while it lasts. Cancel-safe.
    pub async fn watch_mirror(&self, every: Duration, tell: impl Fn(Option<Mirror>)) -> Infallible {
        let (mut auditor, mut alarmed) = (None, false);
        loop {
            let mirror = self.mirror(&mut auditor).await.unwrap_or_default();
            let alarm = mirror.and_then(|mirror| mirror.alarm());
            self.set_mirror_alarm(alarm.as_ref().map(|a| format!("{} {a}", a.code())));
            if let Some(alarm) = alarm.as_ref().filter(|_| !alarmed) {
                tracing::warn!("{}: {alarm}; {}", alarm.code(), alarm.advice());
            }
            alarmed = alarm.is_some();
            tell(mirror);
            tokio::time::sleep(every).await;
        }
    }

    /// Looks how the mirror stands that followers read, over a connection that is kept while
    /// somebody follows; `None` when nobody does.
    async fn mirror(&self, auditor: &mut Option<Client>) -> Result<Option<Mirror>, HubRefusal> {
        if followers::all(self.dir())?.is_empty() {
            *auditor = None;
            return Ok(None);
        }
        let auditor = match auditor {
            Some(known) => known,
            None => auditor.insert(connect(self.url(), &self.identity().auditor()?).await?),
        };
        // One that is gone is as cut off as can be.
        let none = Mirror { behind: 0, heard: None, position: 0 };
        Ok(Some(look(auditor).await?.unwrap_or(none)))
    }
}

/// Makes the mirror when it is missing, and compares it otherwise, as a start does.
///
/// # Errors
/// One that differs, or a server that does not make it.
pub async fn apply(auditor: &Client, profile: Profile) -> Result<(), HubRefusal> {
    if make_missing(auditor, &planned(auditor, profile).await?).await? {
        return first_wrong(&planned(auditor, profile).await?);
    }
    Ok(())
}

/// Waits until the mirror hears of EVENTS, and makes it anew when it does not: one that is changed
/// while it first connects never connects (nats-server 2.15), and all that it lacks comes again.
/// Answers the change that was made, if one was.
///
/// # Errors
/// One that hears nothing all the same, or a server that does not make it.
pub(crate) async fn attend(
    auditor: &Client,
    profile: Profile,
) -> Result<Option<Change>, HubRefusal> {
    let mut made = None;
    for _ in 0..REMADE {
        if hears(auditor).await?.is_none() {
            return Ok(made);
        }
        let Thing { key, config: wanted } = thing(profile);
        let (action, cost) = (Action::Replace, Cost::Nothing);
        made = Some(Change { key, action, cost, wanted, fields: vec![] });
        ask(auditor, &format!("$JS.API.STREAM.DELETE.{AUDIT}"), &json!({})).await?;
        apply(auditor, profile).await?;
    }
    hears(auditor).await?.map_or(Ok(made), Err)
}

/// What is wrong with a mirror that hears nothing for ten seconds; `None` when it hears, or there
/// is none.
async fn hears(auditor: &Client) -> Result<Option<HubRefusal>, HubRefusal> {
    let mut wrong = None;
    for _ in 0..LOOKS {
        let Some(mirror) = look(auditor).await? else { return Ok(None) };
        // How much it lacks is another matter: it may just have begun.
        wrong = Mirror { behind: 0, ..mirror }.alarm();
        if wrong.is_none() {
            break;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    Ok(wrong)
}

async fn planned(auditor: &Client, profile: Profile) -> Result<Plan, HubRefusal> {
    let seen = BTreeSet::from([Kind::Stream]);
    Ok(plan(&[thing(profile)], &look::mirror(auditor).await?, &seen))
}

/// The mirror as it should be while somebody follows.
pub(crate) fn thing(profile: Profile) -> Thing {
    Thing { key: Key::new(Kind::Stream, AUDIT), config: under(profile, config()) }
}

/// Looks how it stands; `None` when there is none.
///
/// # Errors
/// A server that does not answer.
pub async fn look(auditor: &Client) -> Result<Option<Mirror>, HubRefusal> {
    let info = look::audit_info(auditor).await?;
    Ok(info.get("mirror").map(|mirror| {
        let heard = mirror["active"].as_i64().and_then(|nanos| u64::try_from(nanos).ok());
        Mirror {
            behind: mirror["lag"].as_u64().unwrap_or_default(),
            heard: heard.map(Duration::from_nanos),
            position: info["state"]["last_seq"].as_u64().unwrap_or_default(),
        }
    }))
}

/// Without the filter the server asks for the feeding consumer in a way that is not passed on, and
/// the mirror stays empty without a word.
fn config() -> Value {
    wire::with_common(json!({
        "name": AUDIT,
        "storage": "file",
        "mirror": {
            "name": "EVENTS",
            "filter_subject": "fl.ev.>",
            "external": { "api": "JS.HUB.API", "deliver": "fl.audit.deliver" },
        },
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_consumers": 256,
        "discard": "old",
        "deny_delete": true,
        "deny_purge": true,
        "consumer_limits": { "inactive_threshold": wire::nanos(IDLE) },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_that_hears_nothing_or_falls_behind_is_an_alarm() {
        let well = Mirror { behind: 3, heard: Some(Duration::from_secs(2)), position: 9 };
        assert_eq!(well.alarm().map(|alarm| alarm.code()), None);
        for sick in [
            Mirror { heard: None, ..well },
            Mirror { heard: Some(INACTIVE_AFTER), ..well },
            Mirror { behind: MOST_BEHIND + 1, ..well },
        ] {
            assert_eq!(sick.alarm().map(|alarm| alarm.code()), Some("HUB0034"), "{sick:?}");
        }
    }
}
