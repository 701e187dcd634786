//! The generated configuration of the embedded nats-server.

use std::collections::BTreeMap;
use std::path::Path;

use crate::accounts::Account;
use crate::identity::Identity;

/// How soon the server brings what it acknowledged to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sync {
    /// The server's default, minutes: for `dev` and tests.
    Default,
    /// Before it acknowledges: for everything that must survive a power cut.
    Always,
}

/// Settings of JetStream by their names in the configuration.
pub type Settings = BTreeMap<String, String>;

/// The settings that a profile says: how soon the disk has what was acknowledged, and how many
/// bytes may lie in memory.
#[must_use]
pub fn settings(sync: Sync, max_memory: u64) -> Settings {
    let mut all = Settings::from([("max_mem".to_owned(), max_memory.to_string())]);
    if sync == Sync::Always {
        all.insert("sync_interval".to_owned(), "always".to_owned());
    }
    all
}

/// Those settings as the text of a `nats.conf` has them.
#[must_use]
pub fn settings_of(text: &str) -> Settings {
    let block = text.split_once("jetstream {").and_then(|(_, rest)| rest.split_once('}'));
    let pairs = block.map_or("", |(inside, _)| inside).split(',');
    let pairs = pairs.filter_map(|pair| pair.split_once(':'));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pairs.filter(|(name, _)| ["max_mem", "sync_interval"].contains(&name.as_str())).collect()
}

/// The text of `nats.conf` for a hub whose server files lie in `nats_dir`. Address and port come by
/// flag. `settings` are [`settings`]; `max_file` is how much it may store, in bytes: beyond that it
/// refuses what is new, and keeps what it has.
#[must_use]
pub fn configuration(
    identity: &Identity,
    nats_dir: &Path,
    settings: &Settings,
    max_file: u64,
) -> String {
    let quoted = |path: &str| {
        let path = nats_dir.join(path).display().to_string();
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let settings: String =
        settings.iter().map(|(name, value)| format!("{name}: {value}, ")).collect();
    let preload: String = Account::ALL
        .into_iter()
        .map(|account| identity.account(account))
        .map(|(key, jwt)| format!("  {key}: {jwt}\n"))
        .collect();
    format!(
        "# Generated at every start; changes are lost.\n\
        server_name: fleetlog-{hub}\n\
        jetstream {{ store_dir: {store}, {settings}max_file: {max_file} }}\n\
        operator: {operator}\n\
        system_account: {system}\n\
        resolver: {{ type: full, dir: {jwt}, allow_delete: true, interval: \"2m\" }}\n\
        resolver_preload: {{\n{preload}}}\n",
        hub = identity.hub_id(),
        store = quoted("js"),
        operator = identity.operator_jwt(),
        system = identity.account(Account::Sys).0,
        jwt = quoted("jwt"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetlog_kernel::Timestamp;

    #[test]
    fn what_a_configuration_says_is_what_it_was_written_with() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), Timestamp::of_seconds(1)).unwrap();
        for sync in [Sync::Default, Sync::Always] {
            let said = settings(sync, 1 << 28);
            let text = configuration(&identity, dir.path(), &said, 1 << 40);
            assert_eq!(settings_of(&text), said);
        }
        assert_eq!(settings_of("listen: 127.0.0.1:4222\n"), Settings::new());
    }
}
