//! The names of kinds as users type them: kind, plural, singular, short names, with or without the
//! group, in any case; and the form in which tables and `-o name` say them.

use crate::failure::Failure;
use fleetlog_kernel::Service;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::{KINDS, KindInfo};
use fleetlog_objects::nearest;

/// The kinds that the hub serves.
pub fn served() -> impl Iterator<Item = &'static KindInfo> {
    KINDS.iter().copied().filter(|info| info.service.is_some())
}

/// The kind that a word names.
///
/// # Errors
/// A word that names none, with the one that may have been meant.
pub fn find(word: &str) -> Result<&'static KindInfo, Failure> {
    let lower = word.to_lowercase();
    served().find(|info| is_named(info, &lower)).ok_or_else(|| {
        let known = served().flat_map(|info| [info.plural, info.singular]);
        let advice = match nearest(word, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                let all: Vec<_> = served().map(|info| info.plural).collect();
                format!("use one of {}", all.join(", "))
            }
        };
        Failure::new("CLI0015", format!("there is no kind \"{word}\""), advice)
    })
}

fn is_named(info: &KindInfo, lower: &str) -> bool {
    let kind = info.kind.to_lowercase();
    let long = [info.plural, info.singular, kind.as_str()];
    let short = info.short_names.iter().copied().chain([info.token]);
    let in_group = |name: &str| {
        let rest = lower.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| {
            let rest =
                rest.strip_prefix(info.version).and_then(|r| r.strip_prefix('.')).unwrap_or(rest);
            rest == info.group
        })
    };
    long.iter().any(|name| *name == lower || in_group(name))
        || short.into_iter().any(|n| n == lower)
}

/// `managedcluster.cluster.open-cluster-management.io/cluster1`: what kubectl calls an object.
#[must_use]
pub fn full_name(info: &KindInfo, name: &str) -> String {
    format!("{}/{name}", info.in_group(info.singular))
}

/// `ManifestWork/cluster1/shop`: KIND/NAMESPACE/NAME, or KIND/NAME.
#[must_use]
pub fn reference(info: &KindInfo, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{}/{namespace}/{name}", info.kind),
        None => format!("{}/{name}", info.kind),
    }
}

/// The kind of an aggregate; `None` for one of a later version.
#[must_use]
pub fn of_aggregate(id: &AggregateId) -> Option<&'static KindInfo> {
    served().find(|info| info.service == Some(id.service) && info.token == id.kind)
}

/// An aggregate as KIND/NAMESPACE/NAME.
#[must_use]
pub fn aggregate_reference(id: &AggregateId) -> String {
    match of_aggregate(id) {
        Some(info) => reference(info, id.scope.as_deref(), &id.name),
        None => id.to_string(),
    }
}

/// The service that decides on a kind.
///
/// # Errors
/// A kind of member clusters, which no service of the hub decides on.
pub fn service(info: &KindInfo) -> Result<Service, Failure> {
    info.service.ok_or_else(|| {
        let sentence = format!("a {} lives in member clusters, not on the hub", info.kind);
        Failure::new("CLI0016", sentence, "look for it there with kubectl")
    })
}

/// The aggregate of an object.
///
/// # Errors
/// As [`service`].
pub fn aggregate(
    info: &KindInfo,
    namespace: Option<&str>,
    name: &str,
) -> Result<AggregateId, Failure> {
    let service = service(info)?;
    Ok(AggregateId {
        service,
        kind: info.token.to_owned(),
        scope: namespace.map(str::to_owned),
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_any_of_its_names_in_any_case() {
        for word in [
            "ManagedCluster",
            "managedclusters",
            "MANAGEDCLUSTER",
            "mcl",
            "MCLs",
            "managedclusters.cluster.open-cluster-management.io",
            "managedclusters.v1.cluster.open-cluster-management.io",
            "ManagedCluster.cluster.open-cluster-management.io",
        ] {
            assert_eq!(find(word).unwrap().kind, "ManagedCluster", "{word}");
        }
        assert_eq!(find("mwrs").unwrap().kind, "ManifestWorkReplicaSet");
        assert_eq!(find("mclset").unwrap().kind, "ManagedClusterSet");
    }

    #[test]
    fn a_word_that_names_no_kind_gets_the_one_that_was_meant() {
        let slip = find("managedclutsers").unwrap_err();
        assert_eq!(slip.sentence, "there is no kind \"managedclutsers\"");
        assert_eq!(slip.advice, "did you mean \"managedclusters\"?");
        assert!(find("pods").unwrap_err().advice.contains("managedclusters"));
        assert!(find("managedclusters.apps").is_err());
        assert!(find("appliedmanifestworks").is_err());
    }

    #[test]
    fn every_served_kind_has_its_own_names() {
        for info in served() {
            for name in [info.plural, info.singular, info.kind, info.token] {
                assert_eq!(find(name).unwrap().kind, info.kind, "{name}");
            }
            for name in info.short_names {
                assert_eq!(find(name).unwrap().kind, info.kind, "{name}");
            }
        }
    }

    #[test]
    fn objects_are_named_as_kubectl_names_them() {
        let info = find("manifestwork").unwrap();
        assert_eq!(full_name(info, "shop"), "manifestwork.work.open-cluster-management.io/shop");
        let id = aggregate(info, Some("c1"), "shop").unwrap();
        assert_eq!(aggregate_reference(&id), "ManifestWork/c1/shop");
        assert_eq!(id.event().as_str(), "fl.ev.work.manifestwork.c1.shop");
    }
}
