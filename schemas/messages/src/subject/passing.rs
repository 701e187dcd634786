//! Subjects of Kubernetes objects that pass: leases and events, which are kept beside the log.

use super::Subject;
use fleetlog_kernel::{decode_token, encode_token};

const LEASES: &str = "fl.klease.";
const EVENTS: &str = "fl.kev.";

/// `fl.klease.<namespace>.<name>`: a lease of Kubernetes.
#[must_use]
pub fn kubernetes_lease(namespace: &str, name: &str) -> Subject {
    Subject(format!("{LEASES}{}.{}", encode_token(namespace), encode_token(name)))
}

/// `fl.klease.>`.
#[must_use]
pub fn kubernetes_leases() -> Subject {
    Subject(format!("{LEASES}>"))
}

/// `fl.kev.<namespace>.<name>`: an event of Kubernetes.
#[must_use]
pub fn kubernetes_event(namespace: &str, name: &str) -> Subject {
    Subject(format!("{EVENTS}{}.{}", encode_token(namespace), encode_token(name)))
}

/// `fl.kev.>`.
#[must_use]
pub fn kubernetes_events() -> Subject {
    Subject(format!("{EVENTS}>"))
}

/// The namespace and the name of a subject of either.
#[must_use]
pub fn of_passing(subject: &str) -> Option<(String, String)> {
    let rest = subject.strip_prefix(LEASES).or_else(|| subject.strip_prefix(EVENTS))?;
    let (namespace, name) = rest.split_once('.')?;
    Some((decode_token(namespace).ok()?, decode_token(name).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_round_trip(namespace in any::<String>(), name in any::<String>()) {
            for make in [kubernetes_lease, kubernetes_event] {
                let subject = make(&namespace, &name);
                let named = (namespace.clone(), name.clone());
                prop_assert_eq!(of_passing(subject.as_str()), Some(named));
            }
        }

        #[test]
        fn no_subject_makes_it_panic(text in "(fl\\.(kev|klease)\\.)?\\PC*") {
            let _ = of_passing(&text);
        }
    }
}
