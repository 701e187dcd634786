//! The spec of a cluster after an apply: defaults, checks, and what of it is the hub's own.

use crate::names;
use crate::refusal::Refusal;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::registration::{ManagedCluster, ManagedClusterSpec, Taint};
use fleetlog_rules::{labels, taint, time};

/// Whether the hub set this taint, so that it is no user's to set or to take away.
pub(super) fn by_the_hub(taint: &Taint) -> bool {
    let keys = [names::UNREACHABLE, names::UNAVAILABLE];
    keys.contains(&taint.key()) && taint.value().is_empty() && taint.effect() == taint::NO_SELECT
}

/// The spec that `given` makes of the current one; absent, the spec stays what it is.
pub(super) fn after(
    given: Option<&ManagedClusterSpec>,
    current: Option<&ManagedCluster>,
    at: Timestamp,
) -> Result<ManagedClusterSpec, Refusal> {
    let current = current.and_then(|c| c.spec.as_ref());
    let mut after = match (given, current) {
        (None, Some(current)) => return Ok(current.clone()),
        (given, _) => given.cloned().unwrap_or_default(),
    };
    for config in &after.managed_cluster_client_configs {
        if !https(config.url()) {
            return Err(Refusal::InsecureUrl { url: config.url().to_owned() });
        }
    }
    let accepted = current.is_some_and(ManagedClusterSpec::hub_accepts_client);
    after.hub_accepts_client = Some(accepted);
    after.lease_duration_seconds = match after.lease_duration_seconds {
        None | Some(0) => Some(names::LEASE_SECONDS),
        Some(seconds) if seconds < 0 => return Err(Refusal::Lease { seconds }),
        given => given,
    };
    let taints = current.map_or(&[][..], |c| &c.taints);
    let own = taints.iter().filter(|t| by_the_hub(t)).cloned();
    let given = after.taints.iter().filter(|t| !by_the_hub(t));
    let given: Vec<Taint> = given
        .map(|given| stamped(given, taints, current.is_some(), at))
        .collect::<Result<_, _>>()?;
    after.taints = given.into_iter().chain(own).collect();
    Ok(after)
}

fn https(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
}

/// A given taint with its time: the hub's of now, or that which it has.
fn stamped(given: &Taint, taints: &[Taint], exists: bool, at: Timestamp) -> Result<Taint, Refusal> {
    let key = given.key();
    let wrong = |rule| Refusal::Taint { key: key.to_owned(), rule };
    labels::check_key(key).map_err(|_| wrong("its key is no label key"))?;
    if given.value().len() > 1024 {
        return Err(wrong("its value is longer than 1024 characters"));
    }
    if ![taint::NO_SELECT, taint::PREFER_NO_SELECT, taint::NO_SELECT_IF_NEW]
        .contains(&given.effect())
    {
        return Err(wrong("its effect is unknown"));
    }
    let same =
        |t: &&Taint| (t.key(), t.value(), t.effect()) == (key, given.value(), given.effect());
    let had = taints.iter().find(same).and_then(|t| t.time_added.clone());
    let time_added = match (had, &given.time_added) {
        (Some(had), Some(given)) if (had.seconds, had.nanos) != (given.seconds, given.nanos) => {
            return Err(Refusal::TaintTime { key: key.to_owned() });
        }
        (Some(had), _) => had,
        (None, Some(_)) if exists => return Err(Refusal::TaintTime { key: key.to_owned() }),
        (None, _) => time(at),
    };
    Ok(Taint { time_added: Some(time_added), ..given.clone() })
}
