//! Where an agent keeps what makes it the agent: its own key, born in its cluster, and the last
//! credential the hub gave for it. How it got that is `uplink`'s.

use crate::membership::Membership;
use crate::refusal::Refusal;
use async_trait::async_trait;
use fleetlog_bus::Fault;
use fleetlog_messages::common::Credential;
use nkeys::KeyPair;
use prost::Message as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What an agent keeps over its restarts.
#[derive(Clone, PartialEq)]
pub struct Kept {
    /// The seed of its key (`SU...`).
    pub seed: String,
    /// The hub's last answer, if it has joined.
    pub credential: Option<Credential>,
}

/// A place for it.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// What is kept; the first call makes the key.
    async fn load(&self) -> Result<Kept, Fault>;

    /// Keeps the credential, or forgets it.
    async fn keep(&self, credential: Option<&Credential>) -> Result<(), Fault>;
}

/// In memory: it lives as long as this does.
pub struct MemoryKeys(Mutex<Kept>);

impl MemoryKeys {
    /// With this key.
    #[must_use]
    pub fn new(seed: impl Into<String>) -> Self {
        Self(Mutex::new(Kept { seed: seed.into(), credential: None }))
    }

    /// With a key of its own.
    ///
    /// # Errors
    /// When the key has no seed, which a fresh one always has.
    pub fn fresh() -> Result<Self, Fault> {
        Ok(Self::new(seed_of(&KeyPair::new_user())?))
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn load(&self) -> Result<Kept, Fault> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn keep(&self, credential: Option<&Credential>) -> Result<(), Fault> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.credential = credential.cloned();
        Ok(())
    }
}

/// In a folder: `agent.nk` and `hub.credential`, readable by the owner alone.
pub struct FileKeys {
    folder: PathBuf,
}

impl FileKeys {
    /// In `folder`, which is made when it is missing.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

/// Somewhere that named contents can be kept in, one replaced at a time.
#[async_trait]
pub trait Place: Send + Sync + 'static {
    /// What people know it as, for sentences.
    fn described(&self) -> String;

    /// What lies there under a name.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Fault>;

    /// Puts it there: after a crash the old content is there or the new one.
    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault>;
}

#[async_trait]
impl Place for FileKeys {
    fn described(&self) -> String {
        format!("the folder \"{}\"", self.folder.display())
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        read(&self.folder.join(name)).await
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        write(&self.folder.join(name), bytes).await
    }
}

const SEED: &str = "agent.nk";
const CREDENTIAL: &str = "hub.credential";

/// Key and credential of a place; the first call makes the key.
pub(crate) async fn load_from(place: &dyn Place) -> Result<Kept, Fault> {
    let seed = match place.read(SEED).await? {
        Some(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        None => {
            let seed = seed_of(&KeyPair::new_user())?;
            place.write(SEED, seed.as_bytes()).await?;
            seed
        }
    };
    let kept = place.read(CREDENTIAL).await?;
    let credential = kept.and_then(|bytes| Credential::decode(bytes.as_slice()).ok());
    Ok(Kept { seed, credential })
}

/// Keeps a credential, unless it is of another hub than the one that the place belongs to.
pub(crate) async fn keep_in(
    place: &dyn Place,
    credential: Option<&Credential>,
) -> Result<(), Fault> {
    if let (Some(new), Some(kept)) = (credential, Membership::load(place).await?)
        && new.hub_hash != kept.hub
    {
        let (what, cluster) = ("who answers as the hub".to_owned(), kept.cluster);
        let refusal = Refusal::OtherHub { what, cluster };
        return Err(Fault::lasting("keep the hub's credential", refusal));
    }
    let bytes = credential.map(prost::Message::encode_to_vec).unwrap_or_default();
    place.write(CREDENTIAL, &bytes).await
}

#[async_trait]
impl KeyStore for FileKeys {
    async fn load(&self) -> Result<Kept, Fault> {
        load_from(self).await
    }

    async fn keep(&self, credential: Option<&Credential>) -> Result<(), Fault> {
        keep_in(self, credential).await
    }
}

fn seed_of(key: &KeyPair) -> Result<String, Fault> {
    key.seed().map_err(|error| Fault::lasting("make the agent's key", error))
}

async fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match tokio::fs::read(path).await {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::lasting(format!("read \"{}\"", path.display()), error)),
    }
}

/// Writes beside and renames, so that a crash leaves the old content or the new one.
async fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let step = |error| Fault::lasting(format!("write \"{}\"", path.display()), error);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(step)?;
    }
    let beside = path.with_extension("new");
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&beside).await.map_err(step)?;
    tokio::io::AsyncWriteExt::write_all(&mut file, bytes).await.map_err(step)?;
    file.sync_all().await.map_err(step)?;
    tokio::fs::rename(&beside, path).await.map_err(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_key_and_credential_and_nobody_else_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("agents/c1");
        let first = FileKeys::new(&place).load().await.unwrap();
        assert!(first.seed.starts_with("SU") && first.credential.is_none());
        let credential = Credential { jwt: "jwt".into(), ..Credential::default() };
        FileKeys::new(&place).keep(Some(&credential)).await.unwrap();
        let again = FileKeys::new(&place).load().await.unwrap();
        assert!(again == Kept { seed: first.seed, credential: Some(credential) });
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| std::fs::metadata(place.join(name)).unwrap().permissions();
            assert_eq!(mode("agent.nk").mode() & 0o777, 0o600);
            assert_eq!(mode("hub.credential").mode() & 0o777, 0o600);
        }
        FileKeys::new(&place).keep(None).await.unwrap();
        assert!(FileKeys::new(&place).load().await.unwrap().credential.is_none());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let fault = FileKeys::new(file.join("below")).load().await.err().unwrap();
        assert!(fault.to_string().contains("below"), "{fault}");
    }
}
