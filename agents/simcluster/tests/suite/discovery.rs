//! What clients ask before anything else: version, groups, kinds.

use kube::api::GroupVersionKind;
use kube::discovery::{self, Discovery, Scope, verbs};

use super::cluster;

#[tokio::test(start_paused = true)]
async fn the_version_is_the_one_of_the_options() {
    let version = cluster().client().apiserver_version().await.expect("answered");
    assert_eq!(version.git_version, "v1.36.1");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_discovery_find_every_kind() {
    let plain = Discovery::new(cluster().client()).run().await.expect("answered");
    let aggregated = Discovery::new(cluster().client()).run_aggregated().await.expect("answered");
    for discovery in [plain, aggregated] {
        let kinds = |group: &str| {
            let group = discovery.get(group).expect("the group is served");
            group.recommended_resources().len()
        };
        assert!(kinds("") > 10 && kinds("apps") == 5);
        let gvk = GroupVersionKind::gvk("apps", "v1", "Deployment");
        let (resource, capabilities) = discovery.resolve_gvk(&gvk).expect("served");
        assert_eq!(resource.plural, "deployments");
        assert_eq!(capabilities.scope, Scope::Namespaced);
        assert!(capabilities.supports_operation(verbs::PATCH));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_pinned_and_an_unknown_one_is_told_from_an_unknown_group() {
    let client = cluster().client();
    let gvk = GroupVersionKind::gvk("", "v1", "Namespace");
    let (resource, capabilities) =
        discovery::pinned_kind(&client, &gvk).await.expect("namespaces are served");
    assert_eq!((resource.plural.as_str(), capabilities.scope), ("namespaces", Scope::Cluster));
    let kind = discovery::pinned_kind(&client, &GroupVersionKind::gvk("apps", "v1", "No")).await;
    assert!(matches!(kind, Err(kube::Error::Discovery(_))), "{kind:?}");
    let group = discovery::pinned_kind(&client, &GroupVersionKind::gvk("no.io", "v1", "No")).await;
    assert!(matches!(&group, Err(kube::Error::Api(s)) if s.is_not_found()), "{group:?}");
}
