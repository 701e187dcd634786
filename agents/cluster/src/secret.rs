//! A Secret of the member cluster as the place where its agent keeps what is its own.

use crate::keys::{Kept, KeyStore, Place, keep_in, load_from};
use async_trait::async_trait;
use fleetlog_bus::Fault;
use fleetlog_messages::common::Credential;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::json;

/// Key and credential in a Secret; it and its namespace are made when they are missing.
pub struct SecretKeys {
    client: Client,
    namespace: String,
    name: String,
}

impl SecretKeys {
    /// In the Secret `name` of `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { client, namespace: namespace.into(), name: name.into() }
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn fault(&self, verb: &str, error: Error) -> Fault {
        Fault::lasting(format!("{verb} {}", self.described()), error)
    }

    async fn create(&self) -> Result<(), Fault> {
        let named = |name: &str| ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = Namespace { metadata: named(&self.namespace), ..Namespace::default() };
        let made = namespaces.create(&PostParams::default(), &namespace).await;
        made.map(drop).or_else(unless_there).map_err(|error| self.fault("make", error))?;
        let secret = Secret { metadata: named(&self.name), ..Secret::default() };
        let made = self.api().create(&PostParams::default(), &secret).await;
        made.map(drop).or_else(unless_there).map_err(|error| self.fault("make", error))
    }
}

fn unless_there(error: Error) -> Result<(), Error> {
    match error {
        Error::Api(status) if status.code == 409 => Ok(()),
        error => Err(error),
    }
}

#[async_trait]
impl Place for SecretKeys {
    fn described(&self) -> String {
        format!("the secret \"{}/{}\"", self.namespace, self.name)
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let found = self.api().get_opt(&self.name).await;
        let secret = found.map_err(|error| self.fault("read", error))?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        Ok(data.get(name).map(|value| value.0.clone()).filter(|bytes| !bytes.is_empty()))
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let patch = Patch::Merge(json!({ "data": { name: ByteString(bytes.to_vec()) } }));
        let patched = self.api().patch(&self.name, &PatchParams::default(), &patch).await;
        match patched {
            Err(Error::Api(status)) if status.code == 404 => {
                self.create().await?;
                let again = self.api().patch(&self.name, &PatchParams::default(), &patch).await;
                again.map(drop).map_err(|error| self.fault("write", error))
            }
            other => other.map(drop).map_err(|error| self.fault("write", error)),
        }
    }
}

#[async_trait]
impl KeyStore for SecretKeys {
    async fn load(&self) -> Result<Kept, Fault> {
        load_from(self).await
    }

    async fn keep(&self, credential: Option<&Credential>) -> Result<(), Fault> {
        keep_in(self, credential).await
    }
}
