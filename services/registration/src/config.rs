//! What registration is told at its start: keys, and the bounds of its own tasks.

use fleetlog_bus::Fault;
use fleetlog_kernel::{ContentHash, HubId};
use nkeys::KeyPair;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Keys and bounds. `Debug` shows no secret.
#[derive(Clone)]
pub struct Settings {
    /// The id of the hub; agents are told its hash.
    pub hub: HubId,
    /// The public key of the account that agents are users of.
    pub account: String,
    /// The key of the agents' role, which signs their credentials.
    pub role_key: KeyPair,
    /// The public half of the key that signs deliveries; agents are told it.
    pub work_key: String,
    /// How long a credential lives; agents renew it before.
    pub credential_life: Duration,
    /// How often a set is counted at most.
    pub count_every: Duration,
    /// How often the server of the leases is looked for.
    pub probe_every: Duration,
    /// How long it may be away before every grace begins anew.
    pub absence: Duration,
    /// How many leases are written at once.
    pub renewals: usize,
}

impl Settings {
    /// With these keys, and bounds that suit every fleet.
    #[must_use]
    pub fn new(
        hub: HubId,
        account: impl Into<String>,
        role_key: KeyPair,
        work_key: impl Into<String>,
    ) -> Self {
        Self {
            hub,
            account: account.into(),
            role_key,
            work_key: work_key.into(),
            credential_life: Duration::from_secs(60 * 60),
            count_every: Duration::from_secs(1),
            probe_every: Duration::from_millis(500),
            absence: Duration::from_secs(2),
            renewals: 512,
        }
    }

    /// What members record as "which hub".
    #[must_use]
    pub fn hub_hash(&self) -> String {
        ContentHash::of(self.hub.as_str().as_bytes()).to_string()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hub", &self.hub)
            .field("account", &self.account)
            .field("role_key", &self.role_key.public_key())
            .field("work_key", &self.work_key)
            .field("credential_life", &self.credential_life)
            .field("count_every", &self.count_every)
            .field("probe_every", &self.probe_every)
            .field("absence", &self.absence)
            .field("renewals", &self.renewals)
            .finish()
    }
}

/// What a process of its own is told by flag or by environment.
#[derive(clap::Args, Clone, Debug)]
pub struct Flags {
    /// File with the account and the seed of the agents' role: `{"account":"A..","seed":"SA.."}`.
    #[arg(long, env = "FLEETLOG_AGENT_ROLE", value_name = "FILE")]
    pub agent_role: PathBuf,
    /// The id of the hub, as `hub.json` has it.
    #[arg(long, env = "FLEETLOG_HUB_ID", value_name = "ID")]
    pub hub_id: String,
    /// The public half of the key that signs deliveries to agents.
    #[arg(long, env = "FLEETLOG_WORK_KEY", value_name = "KEY")]
    pub work_key: String,
    /// How many seconds an agent's credential lives.
    #[arg(long, env = "FLEETLOG_CREDENTIAL_SECONDS", default_value_t = 3600)]
    pub credential_seconds: u32,
}

impl Flags {
    /// Reads the keys.
    ///
    /// # Errors
    /// A file that cannot be read or holds no role, or a key that is none.
    pub fn settings(&self) -> Result<Settings, Fault> {
        let step = || format!("read the agents' role \"{}\"", self.agent_role.display());
        let text = std::fs::read_to_string(&self.agent_role);
        let text = text.map_err(|error| Fault::lasting(step(), error))?;
        let role: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| Fault::lasting(step(), error))?;
        let field = |name: &str| {
            let value = role[name].as_str().map(ToOwned::to_owned);
            value.ok_or_else(|| Fault::lasting(step(), format!("it has no \"{name}\"")))
        };
        let key = KeyPair::from_seed(&field("seed")?);
        let key = key.map_err(|error| Fault::lasting(step(), error))?;
        KeyPair::from_public_key(&self.work_key).map_err(|error| {
            Fault::lasting(format!("read the work key \"{}\"", self.work_key), error)
        })?;
        let hub = HubId::new(self.hub_id.clone());
        let settings = Settings::new(hub, field("account")?, key, self.work_key.clone());
        let credential_life = Duration::from_secs(self.credential_seconds.into());
        Ok(Settings { credential_life, ..settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn flags(role: &str, work_key: String) -> Result<Settings, Fault> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(role.as_bytes()).unwrap();
        let agent_role = file.path().to_owned();
        Flags { agent_role, hub_id: "hub".into(), work_key, credential_seconds: 60 }.settings()
    }

    #[test]
    fn a_role_file_is_read_and_a_damaged_one_named() {
        let (role, work) = (KeyPair::new_account(), KeyPair::new_user().public_key());
        let text = format!(r#"{{"account":"AX","seed":"{}"}}"#, role.seed().unwrap());
        let settings = flags(&text, work.clone()).unwrap();
        assert_eq!(settings.role_key.public_key(), role.public_key());
        assert_eq!((settings.account.as_str(), settings.credential_life.as_secs()), ("AX", 60));
        for (role, key) in [("", work.as_str()), ("{}", work.as_str()), (text.as_str(), "x")] {
            assert!(flags(role, key.to_owned()).unwrap_err().step.starts_with("read the "));
        }
        assert!(!format!("{settings:?}").contains(&role.seed().unwrap()), "no secret is shown");
    }
}
