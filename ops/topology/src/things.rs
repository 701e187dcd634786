//! Everything that a hub should have under a profile, each with its settings in the server's words.

use serde_json::{Value, json};

use crate::accounts::Account;
use crate::identity::Identity;
use crate::plan::{Key, Kind, Thing};
use crate::profile::Profile;
use crate::server::settings;
use crate::streams::{SNAP_BUCKET, queues, streams};
use crate::wire;

/// The streams, the bucket of snapshots and the queues, in the order in which they are made.
#[must_use]
pub fn in_jetstream(profile: Profile) -> Vec<Thing> {
    let stream = |config: Value| {
        let name = config["name"].as_str().unwrap_or_default();
        Thing { key: Key::new(Kind::Stream, name), config: under(profile, config) }
    };
    let mut all: Vec<Thing> = streams().iter().map(|spec| stream(wire::stream(spec))).collect();
    all.push(stream(wire::bucket(SNAP_BUCKET)));
    all.extend(queues().iter().map(|spec| Thing {
        key: Key::consumer(spec.stream, &spec.durable),
        config: wire::queue(spec),
    }));
    all
}

/// The accounts with their permissions, and the server's settings: what a hub's folder tells of.
///
/// # Errors
/// A key of the folder that is damaged.
pub fn of_server(
    identity: &Identity,
    profile: Profile,
) -> Result<Vec<Thing>, crate::refusal::HubRefusal> {
    let mut all = vec![Thing {
        key: Key::new(Kind::Server, "nats-server"),
        config: json!(settings(profile.sync(), profile.max_memory())),
    }];
    let account = |(account, config): (Account, Value)| Thing {
        key: Key::new(Kind::Account, account.name()),
        config,
    };
    all.extend(identity.claims()?.into_iter().map(account));
    Ok(all)
}

/// The settings of a stream, as far as a profile sets them.
pub(crate) fn under(profile: Profile, mut config: Value) -> Value {
    config["num_replicas"] = json!(profile.replicas());
    // Of several servers each has what it said; the server refuses the laxer way there.
    if let Some(config) = config.as_object_mut().filter(|_| profile.replicas() > 1) {
        config.remove("persist_mode");
    }
    if let (Some("DLQ"), Some(bytes)) = (config["name"].as_str(), profile.max_dead_letters()) {
        config["max_bytes"] = json!(bytes);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(profile: Profile, name: &str) -> Value {
        let mut all = in_jetstream(profile).into_iter();
        all.find(|thing| thing.key == Key::new(Kind::Stream, name)).unwrap().config
    }

    #[test]
    fn a_profile_sets_replicas_and_limits_and_leaves_the_truth_unlimited() {
        for profile in Profile::ALL {
            let replicas = if profile == Profile::Ha { 3 } else { 1 };
            for thing in in_jetstream(profile).iter().filter(|t| t.key.kind == Kind::Stream) {
                assert_eq!(thing.config["num_replicas"], json!(replicas), "{}", thing.key);
            }
            let events = config(profile, "EVENTS");
            for limit in ["max_age", "max_msgs", "max_bytes", "max_msgs_per_subject"] {
                assert!(events[limit].as_i64().unwrap() <= 0, "{limit}");
            }
            assert_eq!(events["allow_msg_ttl"], json!(false));
        }
        assert_eq!(config(Profile::Dev, "DLQ")["max_bytes"], json!(-1));
        assert_eq!(config(Profile::Single, "DLQ")["max_bytes"], json!(1_u64 << 30));
    }
}
