//! Names that are checked where they enter: services, clusters, actors; DNS-1123 as Kubernetes has
//! it.

use std::fmt;

/// The services that decide. The token stands in subjects, headers and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Clusters, sets, bindings: who belongs to the fleet.
    Registration,
    /// Placements: which clusters are chosen.
    Placement,
    /// Manifest works and their replica sets: what runs where.
    Work,
    /// Add-ons: what extends clusters.
    Addon,
    /// Plain objects of Kubernetes: namespaces, settings, secrets, who may do what.
    Core,
}

impl Service {
    /// All services, in a fixed order.
    pub const ALL: [Self; 5] =
        [Self::Registration, Self::Placement, Self::Work, Self::Addon, Self::Core];

    /// The service's subject token.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Placement => "placement",
            Self::Work => "work",
            Self::Addon => "addon",
            Self::Core => "core",
        }
    }

    /// Reads a token; `None` when no service has it.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.token() == token)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// Why a name is refused, in Kubernetes' terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// What was given.
    pub name: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a valid name: {}", self.name, self.rule)
    }
}

impl std::error::Error for NameError {}

/// Checks a DNS-1123 label: at most 63 of `a-z 0-9 -`, first and last alphanumeric.
///
/// # Errors
/// The broken rule.
pub fn dns_label(name: &str) -> Result<(), NameError> {
    let refuse = |rule| Err(NameError { name: name.to_owned(), rule });
    if name.is_empty() || name.len() > 63 {
        return refuse("a DNS-1123 label has 1 to 63 characters");
    }
    if label_characters(name) {
        Ok(())
    } else {
        refuse(
            "a DNS-1123 label has lower-case letters, digits and '-', \
                and starts and ends with a letter or digit",
        )
    }
}

/// Checks a DNS-1123 subdomain: at most 253 characters, labels joined by dots.
///
/// # Errors
/// The broken rule.
pub fn dns_subdomain(name: &str) -> Result<(), NameError> {
    let refuse = |rule| Err(NameError { name: name.to_owned(), rule });
    if name.is_empty() || name.len() > 253 {
        return refuse("a DNS-1123 subdomain has 1 to 253 characters");
    }
    if name.split('.').all(|label| !label.is_empty() && label_characters(label)) {
        Ok(())
    } else {
        refuse(
            "a DNS-1123 subdomain has lower-case letters, digits, '-' and '.', \
                and starts and ends with a letter or digit",
        )
    }
}

fn label_characters(label: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| c == '-' || edge(c))
}

/// The name of a member cluster: a DNS-1123 label, because it is a namespace on the hub too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

impl ClusterName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        dns_label(name).map(|()| Self(name.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks: a user's name as the server vouches for it (a subject token, so decoded text here).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(String);

impl Actor {
    /// Takes any text; it is encoded wherever it becomes a token.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_refuses_are_refused() {
        for name in ["", "A", "-a", "a-", "a.b", "a_b", "*", ">", &"a".repeat(64)] {
            assert!(ClusterName::parse(name).is_err(), "{name}");
        }
        for name in ["", "A.b", "a..b", ".a", "a.", "a b", &"a".repeat(254)] {
            assert!(dns_subdomain(name).is_err(), "{name}");
        }
        assert!(ClusterName::parse("cluster1").is_ok());
        assert!(dns_subdomain("a.b-c.d1").is_ok());
    }

    #[test]
    fn a_service_is_known_by_its_token() {
        for service in Service::ALL {
            assert_eq!(Service::parse(service.token()), Some(service));
        }
        assert_eq!(Service::parse("gateway"), None);
    }
}
