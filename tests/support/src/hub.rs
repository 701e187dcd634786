//! A real hub as a guard: its server on a free port of loopback, its data in a temporary folder,
//! every stream in place. Both are gone when it is dropped. No service runs in it.

use crate::MADE;
use anyhow::Context as _;
use fleetlog_bus::{Credentials, JetStream, SharedBroker};
use fleetlog_kernel::Service;
use fleetlog_topology::hub::{HubConfig, RunningHub, start};
use fleetlog_topology::{Folder, Identity, SpaceConfig};
use nkeys::KeyPair;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long credentials that tests make are good for: longer than any test, from [`MADE`] on far
/// into the future of the server's own clock.
const GOOD_FOR: Duration = Duration::from_secs(60 * 365 * 24 * 60 * 60);

/// A hub for one test.
pub struct TestHub {
    /// Dropped first: the server ends before its folder goes.
    running: Option<RunningHub>,
    config: HubConfig,
    dir: TempDir,
}

impl TestHub {
    /// Starts a hub; obtains nats-server when there is none.
    ///
    /// # Errors
    /// No server can be obtained or started.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_leaving(SpaceConfig::default()).await
    }

    /// Starts a hub on a disk of the test's own making.
    ///
    /// # Errors
    /// As [`Self::start`], and a disk without space.
    pub async fn start_leaving(space: SpaceConfig) -> anyhow::Result<Self> {
        let binary =
            tokio::task::spawn_blocking(|| fleetlog_tools::nats_server(&fleetlog_tools::quiet));
        let config = HubConfig { space, ..HubConfig::standalone(binary.await??) };
        let dir = tempfile::tempdir()?;
        let running = start(Folder::open(dir.path(), MADE)?, &config).await?;
        Ok(Self { running: Some(running), config, dir })
    }

    /// Ends the server in order and starts it again: same folder, same port, same users.
    ///
    /// # Errors
    /// The server does not start again; nothing runs then.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_after(|_| Ok(())).await
    }

    /// As [`Self::restart`], and keeps a copy of the server's store from between.
    ///
    /// # Errors
    /// As there, and a store that cannot be copied.
    pub async fn restart_with_copy(&mut self) -> anyhow::Result<TempDir> {
        let copy = tempfile::tempdir()?;
        self.restart_after(|store| copy_folder(store, copy.path())).await?;
        Ok(copy)
    }

    /// As [`Self::restart`], on a copy of the store that was kept before.
    ///
    /// # Errors
    /// As there, and a store that cannot be replaced.
    pub async fn restart_from_copy(&mut self, copy: &TempDir) -> anyhow::Result<()> {
        self.restart_after(|store| {
            std::fs::remove_dir_all(store)?;
            copy_folder(copy.path(), store)
        })
        .await
    }

    async fn restart_after(
        &mut self,
        between: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let port = self.url().rsplit(':').next().and_then(|port| port.parse().ok());
        let running = self.running.take().context("no hub runs")?;
        tokio::task::spawn_blocking(move || running.stop()).await?;
        between(&self.dir.path().join("nats"))?;
        let config = HubConfig { port, ..self.config.clone() };
        self.running = Some(start(Folder::open(self.dir.path(), MADE)?, &config).await?);
        Ok(())
    }

    /// Where clients connect; empty while nothing runs.
    #[must_use]
    pub fn url(&self) -> &str {
        self.running.as_ref().map_or("", RunningHub::url)
    }

    /// The data folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server's binary.
    #[must_use]
    pub fn binary(&self) -> &PathBuf {
        &self.config.binary
    }

    /// Its keys and users.
    ///
    /// # Errors
    /// When nothing runs.
    pub fn identity(&self) -> anyhow::Result<&Identity> {
        Ok(self.running.as_ref().context("no hub runs")?.identity())
    }

    /// A connection of a service's user.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn service(&self, service: Service) -> anyhow::Result<SharedBroker> {
        self.connect(self.identity()?.service(service)?).await
    }

    /// A connection of the user who runs the hub.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn operator(&self) -> anyhow::Result<SharedBroker> {
        self.connect(self.identity()?.operator()?).await
    }

    /// A connection of a person; `admin` is one of them.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn user(&self, name: &str) -> anyhow::Result<SharedBroker> {
        self.connect(self.identity()?.new_user(name)?).await
    }

    /// A connection of an accepted cluster's agent.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn agent(&self, cluster: &str) -> anyhow::Result<SharedBroker> {
        self.connect(self.agent_credentials(cluster)?).await
    }

    /// A connection with a new join token, and the token's public key.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn boot(&self) -> anyhow::Result<(SharedBroker, String)> {
        let token = self.boot_credentials()?;
        let key = KeyPair::from_seed(&token.seed)?.public_key();
        let broker = JetStream::connect(self.url(), token, &format!("boot_{key}")).await?;
        Ok((broker, key))
    }

    /// What registration would give an accepted cluster's agent, for a new key.
    ///
    /// # Errors
    /// A name that is refused.
    pub fn agent_credentials(&self, cluster: &str) -> anyhow::Result<Credentials> {
        let (role, key) = (self.identity()?.agent_role()?, KeyPair::new_user());
        let jwt = role.mint(cluster, &key.public_key(), MADE, MADE.plus(GOOD_FOR))?;
        Ok(Credentials { jwt, seed: key.seed()? })
    }

    /// A new join token.
    ///
    /// # Errors
    /// A key that cannot sign.
    pub fn boot_credentials(&self) -> anyhow::Result<Credentials> {
        Ok(self.identity()?.boot_token(None)?)
    }

    /// A connection of any user but a join token's: inboxes are named as the user is.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect(&self, credentials: Credentials) -> anyhow::Result<SharedBroker> {
        let name = credentials.name().context("the credentials name nobody")?;
        Ok(JetStream::connect(self.url(), credentials, &name).await?)
    }
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
