//! The story on a real Kubernetes API, with the words that its users type.

use fleetlog_apps_tests::{online_boutique, there};
use fleetlog_e2e_tests::{Fleetlog, Member, Victim, programs, until_well};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ops/cli/demo");

/// A binding, and a placement that wants every cluster of the set `default`.
const PLACEMENT: &str = "
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSetBinding
metadata: {name: default, namespace: shop}
spec: {clusterSet: default}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: boutique, namespace: shop}
spec: {}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_published_application_comes_to_a_real_cluster_through_separate_processes() {
    let Some(member) = Member::real("prod-1", "the boutique through separate processes").unwrap()
    else {
        return;
    };
    let mut whole = Fleetlog::start(programs!()).await.unwrap();
    let token = whole.token("prod-1").unwrap();
    let secret = ["--key-secret".to_owned(), "e2e-story/agent".to_owned()];
    whole.agent_with(&member, Some(&token), None, secret.to_vec()).unwrap();
    whole.accept("prod-1").await.unwrap();
    whole.available("prod-1").unwrap();
    whole.feed(&["apply", "-f", "-"], PLACEMENT).unwrap().ok().unwrap();
    let file = |name: &str| format!("{DEMO}/{name}.yaml");
    whole.run(&["apply", "-f", &file("boutique")]).unwrap().ok().unwrap();
    // The agent dies over it, with a part of the objects made.
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    until_well("something of it is there", async || {
        let list = member.read(deployments).await?.unwrap_or_default();
        anyhow::ensure!(list["items"].as_array().is_some_and(|all| !all.is_empty()), "{list}");
        Ok(())
    })
    .await
    .unwrap();
    let agent = Victim::Agent("prod-1".to_owned());
    whole.kill(&agent).unwrap();
    whole.start_again(&agent).unwrap();
    let applied = ["wait", "mwrs/boutique", "-n", "shop", "--timeout", "120s"];
    let condition = ["--for=condition=ManifestworkApplied"];
    whole.run(&[&applied[..], &condition[..]].concat()).unwrap().ok().unwrap();
    let objects = online_boutique().unwrap();
    assert_eq!((objects.len(), there(member.client(), &objects).await.unwrap()), (35, 35));
    let made = member.read(deployments).await.unwrap().unwrap();
    for deployment in made["items"].as_array().unwrap() {
        assert_eq!(deployment["metadata"]["generation"], 1, "applied once: {deployment}");
    }

    // An add-on, through the fourth service, and away again.
    whole.run(&["apply", "-f", &file("metrics")]).unwrap().ok().unwrap();
    let account = "/api/v1/namespaces/fleet-metrics/serviceaccounts/fleet-metrics";
    until_well("the add-on's agent is there", async || {
        let found = member.read(account).await?;
        anyhow::ensure!(found.is_some(), "no service account");
        Ok(())
    })
    .await
    .unwrap();
    let away = ["delete", "clustermanagementaddon", "fleet-metrics", "--timeout", "120s"];
    whole.run(&away).unwrap().ok().unwrap();
    assert_eq!(member.read(account).await.unwrap(), None);

    whole.run(&["delete", "mwrs", "boutique", "-n", "shop"]).unwrap().ok().unwrap();
    until_well("nothing of the application is left", async || {
        let left = there(member.client(), &objects).await?;
        anyhow::ensure!(left == 0, "{left} objects");
        Ok(())
    })
    .await
    .unwrap();
    whole.verify().unwrap();
}
