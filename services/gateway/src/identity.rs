//! Who asks: the subject of a client certificate, or nobody known (spec/gateway 7.1).

use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Who may do everything.
const MASTERS: &str = "system:masters";
/// Who showed a certificate.
const AUTHENTICATED: &str = "system:authenticated";
/// Who showed none.
const ANONYMOUS: (&str, &str) = ("system:anonymous", "system:unauthenticated");

/// How the log begins the names of those who are no users.
const OTHERS: [&str; 3] = ["service:", "timer:", "cluster:"];

/// A user and the groups it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl Identity {
    /// A user of these groups who has shown who it is.
    #[must_use]
    pub fn new(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]);
        Self { user: user.to_owned(), groups: groups.map(str::to_owned).collect() }
    }

    /// Who has not.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { user: ANONYMOUS.0.to_owned(), groups: vec![ANONYMOUS.1.to_owned()] }
    }

    /// The subject of a certificate (DER): its common name, each organisation a group. `None` for
    /// one without a name, or with one that the log keeps for others.
    #[must_use]
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        let user = subject.iter_common_name().next()?.as_str().ok()?;
        let groups: Vec<&str> =
            subject.iter_organization().filter_map(|group| group.as_str().ok()).collect();
        let reserved = OTHERS.iter().any(|prefix| user.starts_with(prefix));
        (!user.is_empty() && !reserved).then(|| Self::new(user, &groups))
    }

    /// Whether it may do everything.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// Whether it has shown who it is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.groups.iter().any(|group| group == AUTHENTICATED)
    }
}
