//! A real Kubernetes API that the tests of one program share, with somebody who plays the
//! controllers it lacks. Each test has its own namespaces in it.

use crate::controllers;
use anyhow::Context as _;
use fleetlog_tools::{KubeServer, ToolError, quiet};
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A real member cluster; it ends with the program, or with its last clone.
#[derive(Clone)]
pub struct KubeMember(Arc<KubeServer>);

impl KubeMember {
    /// The one server of this program. Where none can be had, `what` counts as skipped.
    ///
    /// # Panics
    /// Where one can be had but does not start, or none although `CI` is set: there everything has
    /// to be tested.
    #[must_use]
    pub fn shared(what: &str) -> Option<Self> {
        static SHARED: OnceLock<Result<KubeMember, ToolError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(member) => Some(member.clone()),
            Err(error) => {
                let why = format!("{error}; {}", error.advice());
                let may_lack = matches!(error, ToolError::Missing { .. });
                assert!(may_lack && std::env::var_os("CI").is_none(), "{why}");
                // Past the runner, which keeps what a test prints to itself.
                let _ = writeln!(std::io::stdout(), "\nskipped: {what}: {why}");
                None
            }
        }
    }

    /// A server of one's own; obtains what it lacks.
    ///
    /// # Errors
    /// As [`KubeServer::start`].
    pub fn start() -> Result<Self, ToolError> {
        let member = Self(Arc::new(KubeServer::start(&quiet)?));
        controllers::play(member.kubeconfig());
        Ok(member)
    }

    /// A kubeconfig with every right.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.kubeconfig()
    }

    /// The process ids of the API server and its store.
    #[must_use]
    pub fn pids(&self) -> [u32; 2] {
        self.0.pids()
    }

    /// A client of its own, with every right.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub fn client(&self) -> anyhow::Result<kube::Client> {
        client(&self.kubeconfig())
    }
}

/// A client as a kubeconfig says.
pub(crate) fn client(kubeconfig: &PathBuf) -> anyhow::Result<kube::Client> {
    let file = Kubeconfig::read_from(kubeconfig).context("read the kubeconfig")?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options);
    // Nothing in it waits: all that it names is in the file.
    let config = futures::executor::block_on(config).context("take the kubeconfig")?;
    Ok(kube::Client::try_from(config)?)
}
