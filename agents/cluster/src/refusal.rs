//! Why an agent does not start: code, sentence, advice. What goes wrong later it tries again.

/// The agent says no to how it was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is none, or not whole.
    #[error("the join token cannot be read")]
    Token,
    /// The token came too late.
    #[error("the join token expired {seconds} seconds ago")]
    Expired {
        /// How long ago.
        seconds: i64,
    },
    /// The hub does not take what it was shown.
    #[error("the hub at \"{url}\" does not let cluster \"{cluster}\" in: {why}")]
    NotLetIn {
        /// Where it is.
        url: String,
        /// Who asked.
        cluster: String,
        /// The server's words.
        why: String,
    },
    /// A hub with another id.
    #[error("{what} is another hub than the one that cluster \"{cluster}\" belongs to")]
    OtherHub {
        /// What leads there.
        what: String,
        /// The cluster.
        cluster: String,
    },
    /// Nothing to join with.
    #[error("cluster \"{cluster}\" has not joined yet and there is no join token")]
    NoToken {
        /// The cluster.
        cluster: String,
    },
    /// What was kept is another cluster's.
    #[error("{place} keeps the key of cluster \"{kept}\", not of cluster \"{cluster}\"")]
    OtherCluster {
        /// Where it is kept.
        place: String,
        /// Whose it is.
        kept: String,
        /// Who wants it.
        cluster: String,
    },
}

impl Refusal {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Token => "AGT0001",
            Self::Expired { .. } => "AGT0002",
            Self::NotLetIn { .. } => "AGT0003",
            Self::OtherHub { .. } => "AGT0004",
            Self::NoToken { .. } => "AGT0005",
            Self::OtherCluster { .. } => "AGT0006",
        }
    }

    /// What would make it succeed.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Token => "give the whole token that fleetlog hub token create printed",
            Self::Expired { .. } | Self::NotLetIn { .. } | Self::NoToken { .. } => {
                "make a new one at the hub: fleetlog hub token create; give it with --token"
            }
            Self::OtherHub { .. } => {
                "give the address of its own hub; to change hubs, remove what the agent keeps first"
            }
            Self::OtherCluster { .. } => {
                "give the name it joined with, or another place with --data or --key-secret"
            }
        }
    }
}
