//! The keys and JWTs of one hub: made at the first start, kept in its folder, reused ever after.
//!
//! The operator's and the accounts' own keys are forgotten once the first JWTs are signed; what
//! stays can sign account JWTs anew (the operator's signing key) and let users in (one key per
//! role).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetlog_bus::Credentials;
use fleetlog_bus::jwt::{MintError, NewUser, claims_of, mint_user, sign_claims};
use fleetlog_kernel::{HubId, Service, Timestamp};
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::accounts::Account;
use crate::claims::{self, Revoked};
use crate::folder::{read_file, write_secret};
use crate::followers;
use crate::refusal::HubRefusal;
use crate::roles::roles;

/// What is kept in `creds/identity.json`. Everything in it but the JWTs is secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    hub_id: String,
    operator_jwt: String,
    /// Signs account JWTs.
    operator_signing: String,
    /// Public key and JWT of each account.
    accounts: BTreeMap<String, KeptAccount>,
    /// The seed of each role's key.
    roles: BTreeMap<String, String>,
    /// The seed that signs deliveries to agents.
    delivery_signing: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptAccount {
    key: String,
    jwt: String,
}

/// The identity of one hub.
#[derive(Debug, Clone)]
pub struct Identity {
    kept: Kept,
    creds: PathBuf,
    at: Timestamp,
}

/// What registration needs to let agents in: the account and the role's key.
#[derive(Debug, Clone)]
pub struct AgentRole {
    /// The public key of the account AGENTS.
    pub account: String,
    /// The key that signs agents' JWTs.
    pub key: KeyPair,
}

impl AgentRole {
    /// Lets an agent in as `cluster`, with the key that was born with it.
    ///
    /// # Errors
    /// A name or key that is refused.
    pub fn mint(
        &self,
        cluster: &str,
        public_key: &str,
        issued: Timestamp,
        expires: Timestamp,
    ) -> Result<String, MintError> {
        let (account, expires) = (self.account.as_str(), Some(expires));
        mint_user(
            &self.key,
            &NewUser { name: cluster, public_key, account, issued, expires, tags: &[] },
        )
    }
}

impl Identity {
    /// Reads the identity in `DIR/creds`, or makes it at the first start. `at` is now.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn load_or_create(dir: &Path, at: Timestamp) -> Result<Self, HubRefusal> {
        let creds = dir.join("creds");
        let file = creds.join("identity.json");
        let (mut kept, mut changed) = match read_file(&file)? {
            Some(text) => {
                let damaged = |why: serde_json::Error| HubRefusal::Damaged {
                    file: file.clone(),
                    why: why.to_string(),
                };
                (serde_json::from_str(&text).map_err(damaged)?, false)
            }
            None => (Kept::create(at)?, true),
        };
        changed |= kept.settle_roles()?;
        changed |= kept.settle_accounts(at, &followers::revoked(dir)?)?;
        if changed {
            let text = serde_json::to_string_pretty(&kept).unwrap_or_default();
            write_secret(&file, &text)?;
        }
        let identity = Self { kept, creds, at };
        identity.write_all()?;
        Ok(identity)
    }

    /// Reads the identity of a hub that may be running, and changes nothing. `at` is now.
    ///
    /// # Errors
    /// A file that is missing or cannot be read.
    pub fn read(dir: &Path, at: Timestamp) -> Result<Self, HubRefusal> {
        let creds = dir.join("creds");
        let file = creds.join("identity.json");
        let not_running = || HubRefusal::NotRunning { dir: dir.to_path_buf() };
        let text = read_file(&file)?.ok_or_else(not_running)?;
        let kept = serde_json::from_str(&text)
            .map_err(|why| HubRefusal::Damaged { file, why: why.to_string() })?;
        Ok(Self { kept, creds, at })
    }

    /// The hub's id, minted at the first start.
    #[must_use]
    pub fn hub_id(&self) -> HubId {
        HubId::new(self.kept.hub_id.clone())
    }

    /// The operator's JWT, for the server's configuration.
    #[must_use]
    pub fn operator_jwt(&self) -> &str {
        &self.kept.operator_jwt
    }

    /// The public key and the JWT of an account.
    #[must_use]
    pub fn account(&self, account: Account) -> (&str, &str) {
        let kept = self.kept.accounts.get(account.name());
        kept.map_or(("", ""), |kept| (kept.key.as_str(), kept.jwt.as_str()))
    }

    /// What the JWT of each account should say. A role that came with this release and has no key
    /// in the folder yet is given one at the next start.
    ///
    /// # Errors
    /// A key that is damaged.
    pub fn claims(&self) -> Result<Vec<(Account, Value)>, HubRefusal> {
        let mut keys = self.kept.role_keys()?;
        for role in roles() {
            keys.entry(role.name.to_owned()).or_insert_with(|| "a new key".to_owned());
        }
        let revoked = followers::revoked(self.creds.parent().unwrap_or(&self.creds))?;
        let hub = self.account(Account::Hub).0;
        let claims = |account| (account, claims::account(account, hub, &keys, &revoked));
        Ok(Account::ALL.map(claims).into())
    }

    /// The user of a service.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn service(&self, service: Service) -> Result<Credentials, HubRefusal> {
        let file = self.creds.join("services").join(format!("{service}.creds"));
        self.kept_user(&file, Account::Hub, service.token(), service.token())
    }

    /// The user who runs the hub: topology, DLQ, reading the log.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn operator(&self) -> Result<Credentials, HubRefusal> {
        self.kept_user(&self.creds.join("operator.creds"), Account::Hub, "operator", "operator")
    }

    /// The gateway, which speaks for those whom it has authenticated.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn gateway(&self) -> Result<Credentials, HubRefusal> {
        self.kept_user(&self.creds.join("gateway.creds"), Account::Hub, "gateway", "gateway")
    }

    /// The person `admin`, who may command and ask everything.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn admin(&self) -> Result<Credentials, HubRefusal> {
        self.kept_user(&self.creds.join("admin.creds"), Account::Users, "user", "admin")
    }

    /// A new user for a person; nothing of it is kept here.
    ///
    /// # Errors
    /// A name that is refused.
    pub fn new_user(&self, name: &str) -> Result<Credentials, HubRefusal> {
        self.user_of(Account::Users, "user", name, None)
    }

    /// Topology's own user in READERS.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn auditor(&self) -> Result<Credentials, HubRefusal> {
        let file = self.creds.join("auditor.creds");
        self.kept_user(&file, Account::Readers, "auditor", "auditor")
    }

    /// The user who tells the server who is let in no more.
    ///
    /// # Errors
    /// When its file cannot be read or written.
    pub fn keeper(&self) -> Result<Credentials, HubRefusal> {
        self.kept_user(&self.creds.join("keeper.creds"), Account::Sys, "keeper", "keeper")
    }

    /// A new follower, who may read these subjects of the log; nothing of it is kept here.
    ///
    /// # Errors
    /// A name that is refused.
    pub fn new_follower(&self, name: &str, subjects: &[String]) -> Result<Credentials, HubRefusal> {
        let tags: Vec<String> = subjects.iter().map(|s| format!("subject:{s}")).collect();
        self.tagged_user_of(Account::Readers, "follower", name, None, &tags)
    }

    /// Signs the accounts anew, so that these users are let in no more; answers READERS' JWT. It is
    /// for the caller to tell the server.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn revoke(&mut self, revoked: &Revoked) -> Result<String, HubRefusal> {
        if self.kept.settle_accounts(self.at, revoked)? {
            let text = serde_json::to_string_pretty(&self.kept).unwrap_or_default();
            write_secret(&self.creds.join("identity.json"), &text)?;
        }
        Ok(self.account(Account::Readers).1.to_owned())
    }

    /// A new join token: a user who can only ask to join, until `expires`. Nothing of it is kept
    /// here.
    ///
    /// # Errors
    /// A key that cannot sign.
    pub fn boot_token(&self, expires: Option<Timestamp>) -> Result<Credentials, HubRefusal> {
        self.user_of(Account::Agents, "boot", "boot", expires)
    }

    /// What registration needs to let agents in.
    ///
    /// # Errors
    /// A key that is damaged.
    pub fn agent_role(&self) -> Result<AgentRole, HubRefusal> {
        let account = self.account(Account::Agents).0.to_owned();
        Ok(AgentRole { account, key: self.role_key("agent")? })
    }

    /// The key with which the work service signs what it sends to agents.
    ///
    /// # Errors
    /// A key that is damaged.
    pub fn delivery_key(&self) -> Result<KeyPair, HubRefusal> {
        key_of(&self.kept.delivery_signing)
    }

    fn role_key(&self, role: &str) -> Result<KeyPair, HubRefusal> {
        key_of(self.kept.roles.get(role).map_or("", String::as_str))
    }

    /// Every file that others read, so that it is there before anyone asks.
    fn write_all(&self) -> Result<(), HubRefusal> {
        self.operator()?;
        self.gateway()?;
        self.admin()?;
        self.auditor()?;
        self.keeper()?;
        for service in Service::ALL {
            self.service(service)?;
        }
        let services = self.creds.join("services");
        let agents = json!({ "account": self.account(Account::Agents).0,
            "seed": self.kept.roles.get("agent") });
        write_secret(&services.join("registration.agent-role.json"), &agents.to_string())?;
        write_secret(&services.join("work.delivery-key"), &self.kept.delivery_signing)
    }

    fn kept_user(
        &self,
        file: &Path,
        account: Account,
        role: &str,
        name: &str,
    ) -> Result<Credentials, HubRefusal> {
        if let Some(text) = read_file(file)? {
            let why = "it is not a credentials file".to_owned();
            let damaged = || HubRefusal::Damaged { file: file.to_path_buf(), why };
            return Credentials::of_file(&text).ok_or_else(damaged);
        }
        let made = self.user_of(account, role, name, None)?;
        write_secret(file, &made.to_file())?;
        Ok(made)
    }

    fn user_of(
        &self,
        account: Account,
        role: &str,
        name: &str,
        expires: Option<Timestamp>,
    ) -> Result<Credentials, HubRefusal> {
        self.tagged_user_of(account, role, name, expires, &[])
    }

    fn tagged_user_of(
        &self,
        account: Account,
        role: &str,
        name: &str,
        expires: Option<Timestamp>,
        tags: &[String],
    ) -> Result<Credentials, HubRefusal> {
        let (key, public) = (self.role_key(role)?, KeyPair::new_user());
        let (account, public_key) = (self.account(account).0, &public.public_key());
        let user = NewUser { name, public_key, account, issued: self.at, expires, tags };
        Ok(Credentials { jwt: mint_user(&key, &user)?, seed: seed_of(&public)? })
    }
}

impl Kept {
    fn create(at: Timestamp) -> Result<Self, HubRefusal> {
        let (operator, signing) = (KeyPair::new_operator(), KeyPair::new_operator());
        let digest = Sha256::digest(operator.public_key().as_bytes());
        let hub_id = data_encoding::BASE32_NOPAD.encode(&digest[..10]).to_lowercase();
        let account = |_: &Account| KeyPair::new_account().public_key();
        let accounts: BTreeMap<String, KeptAccount> = Account::ALL
            .iter()
            .map(|a| (a.name().to_owned(), KeptAccount { key: account(a), jwt: String::new() }))
            .collect();
        let system = &accounts[Account::Sys.name()].key;
        let nats = claims::operator(&signing.public_key(), system);
        let claims = json!({
            "iat": at.seconds(), "sub": operator.public_key(), "name": "fleetlog", "nats": nats,
        });
        Ok(Self {
            operator_jwt: sign_claims(&operator, claims)?,
            operator_signing: seed_of(&signing)?,
            accounts,
            roles: BTreeMap::new(),
            delivery_signing: seed_of(&KeyPair::new_user())?,
            hub_id,
        })
    }

    /// Gives every role a key; true when one was missing.
    fn settle_roles(&mut self) -> Result<bool, HubRefusal> {
        let mut changed = false;
        for role in roles() {
            if !self.roles.contains_key(role.name) {
                self.roles.insert(role.name.to_owned(), seed_of(&KeyPair::new_account())?);
                changed = true;
            }
        }
        Ok(changed)
    }

    /// The public key of each role.
    fn role_keys(&self) -> Result<BTreeMap<String, String>, HubRefusal> {
        let key = |(role, seed): (&String, &String)| Ok((role.clone(), key_of(seed)?.public_key()));
        self.roles.iter().map(key).collect()
    }

    /// Signs every account whose JWT does not say what the data says now; true when one was signed.
    fn settle_accounts(&mut self, at: Timestamp, revoked: &Revoked) -> Result<bool, HubRefusal> {
        for account in Account::ALL {
            let new =
                || KeptAccount { key: KeyPair::new_account().public_key(), jwt: String::new() };
            self.accounts.entry(account.name().to_owned()).or_insert_with(new);
        }
        let keys = self.role_keys()?;
        let hub = self.accounts.get(Account::Hub.name()).map(|a| a.key.clone()).unwrap_or_default();
        let signing = key_of(&self.operator_signing)?;
        let mut changed = false;
        for account in Account::ALL {
            let nats = claims::account(account, &hub, &keys, revoked);
            let Some(kept) = self.accounts.get_mut(account.name()) else { continue };
            let said: Option<Value> = claims_of(&kept.jwt).and_then(|c| c.get("nats").cloned());
            if said.as_ref() != Some(&nats) {
                let claims = json!({
                    "iat": at.seconds(), "sub": kept.key, "name": account.name(), "nats": nats,
                });
                kept.jwt = sign_claims(&signing, claims)?;
                changed = true;
            }
        }
        Ok(changed)
    }
}

fn key_of(seed: &str) -> Result<KeyPair, HubRefusal> {
    KeyPair::from_seed(seed).map_err(|why| MintError::Key(why.to_string()).into())
}

fn seed_of(key: &KeyPair) -> Result<String, HubRefusal> {
    key.seed().map_err(|why| MintError::Key(why.to_string()).into())
}
