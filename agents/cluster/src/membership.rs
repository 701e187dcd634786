//! Which hub a cluster belongs to, and as whom: kept beside its key, by the hash of the hub's id
//! and never by an address, so that a hub may move and no other takes its place.

use crate::keys::Place;
use crate::refusal::Refusal;
use data_encoding::BASE64URL_NOPAD;
use fleetlog_bus::{Fault, JoinToken};
use fleetlog_kernel::{ClusterName, ContentHash};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// Where it is kept, among the key and the credential.
const NAME: &str = "membership.json";
/// How long a server may take to say who it is.
const GREETS_WITHIN: Duration = Duration::from_secs(3);

/// What is kept of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The cluster's name.
    pub cluster: String,
    /// SHA-256 of the hub's id, in hex.
    pub hub: String,
    /// The certificate of the hub's authority (DER).
    pub authority: Option<Vec<u8>>,
}

impl Membership {
    /// What was kept.
    pub(crate) async fn load(place: &dyn Place) -> Result<Option<Self>, Fault> {
        let Some(bytes) = place.read(NAME).await? else { return Ok(None) };
        let kept: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::lasting(format!("read \"{NAME}\""), error))?;
        let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
        let authority = BASE64URL_NOPAD.decode(text("authority").as_bytes());
        let authority = authority.ok().filter(|der| !der.is_empty());
        Ok(Some(Self { cluster: text("cluster"), hub: text("hub"), authority }))
    }

    /// Keeps it.
    pub(crate) async fn keep(&self, place: &dyn Place) -> Result<(), Fault> {
        let authority = BASE64URL_NOPAD.encode(self.authority.as_deref().unwrap_or_default());
        let kept = json!({ "cluster": self.cluster, "hub": self.hub, "authority": authority });
        place.write(NAME, kept.to_string().as_bytes()).await
    }

    /// What was kept, brought up to date by a token; a token of another hub is refused.
    pub(crate) fn settle(
        kept: Option<Self>,
        place: &str,
        cluster: &ClusterName,
        token: Option<&JoinToken>,
    ) -> Result<Self, Refusal> {
        let own = || cluster.to_string();
        let shown = token.map(|token| Self {
            cluster: own(),
            hub: token.hub_hash.clone(),
            authority: token.authority.clone(),
        });
        match (kept, shown) {
            (Some(kept), _) if kept.cluster != cluster.as_str() => {
                let (place, kept) = (place.to_owned(), kept.cluster);
                Err(Refusal::OtherCluster { place, kept, cluster: own() })
            }
            (Some(kept), Some(shown)) if kept.hub != shown.hub => {
                Err(Refusal::OtherHub { what: "the hub of the join token".into(), cluster: own() })
            }
            (_, Some(shown)) => Ok(shown),
            (Some(kept), None) => Ok(kept),
            (None, None) => Err(Refusal::NoToken { cluster: own() }),
        }
    }

    /// Whether a hub that greets at `url` says that it is another one. Whoever lies here gains
    /// nothing: the certificate of the authority and the signatures of deliveries tell hubs apart.
    pub(crate) async fn meets_other(&self, url: &str) -> bool {
        if self.authority.is_some() {
            return false;
        }
        let greeted = timeout(GREETS_WITHIN, greeting(url)).await.ok().flatten();
        let id = greeted.as_ref().and_then(|name| name.strip_prefix("fleetlog-"));
        id.is_some_and(|id| ContentHash::of(id.as_bytes()).to_string() != self.hub)
    }
}

/// The name that a server gives itself before anything else.
async fn greeting(url: &str) -> Option<String> {
    let address = url.rsplit("://").next()?;
    let stream = TcpStream::connect(address).await.ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.ok()?;
    let info: Value = serde_json::from_str(line.strip_prefix("INFO ")?).ok()?;
    info["server_name"].as_str().map(ToOwned::to_owned)
}
