//! What a process shows the server to be let in: a user's JWT and the seed of its key.

/// A NATS user's credentials. `Debug` hides the seed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user JWT.
    pub jwt: String,
    /// The seed of the user's nkey (`SU...`).
    pub seed: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("jwt", &self.jwt).finish_non_exhaustive()
    }
}
