//! The generated configuration of the embedded nats-server.

use std::path::Path;

use crate::accounts::Account;
use crate::identity::Identity;

/// How soon the server brings what it acknowledged to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// The server's default, minutes: for `dev` and tests.
    Default,
    /// Before it acknowledges: for everything that must survive a power cut.
    Always,
}

/// The text of `nats.conf` for a hub whose server files lie in `nats_dir`. Address and port come by
/// flag. `max_file` is how much it may store, in bytes: beyond that it refuses what is new, and
/// keeps what it has.
#[must_use]
pub fn configuration(identity: &Identity, nats_dir: &Path, sync: Sync, max_file: u64) -> String {
    let quoted = |path: &str| {
        let path = nats_dir.join(path).display().to_string();
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let interval = if sync == Sync::Always { ", sync_interval: always" } else { "" };
    let preload: String = Account::ALL
        .into_iter()
        .map(|account| identity.account(account))
        .map(|(key, jwt)| format!("  {key}: {jwt}\n"))
        .collect();
    format!(
        "# Generated at every start; changes are lost.\n\
        server_name: fleetlog-{hub}\n\
        jetstream {{ store_dir: {store}, max_mem: 256MB, max_file: {max_file}{interval} }}\n\
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
