//! Who asks, by a client certificate (spec/gateway 7.1).

use fleetlog_gateway_domain::Caller;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How the log begins the names of those who are no users.
const OTHERS: [&str; 3] = ["service:", "timer:", "cluster:"];

/// Whether the log keeps a name for others than users, or it is none.
pub(crate) fn is_reserved(user: &str) -> bool {
    user.is_empty() || OTHERS.iter().any(|prefix| user.starts_with(prefix))
}

/// The subject of a certificate (DER): its common name, each organisation a group. `None` for one
/// without a name, or with one that the log keeps for others.
#[must_use]
pub fn of_certificate(der: &[u8]) -> Option<Caller> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?;
    let groups: Vec<&str> =
        subject.iter_organization().filter_map(|group| group.as_str().ok()).collect();
    (!is_reserved(user)).then(|| Caller::known(user, &groups))
}
