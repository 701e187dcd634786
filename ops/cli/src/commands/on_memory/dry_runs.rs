//! Changes that are only tried.

use super::{FLEET, Stage};
use crate::args::DryRun;
use crate::commands::apply::{Change, prepare, try_out};
use crate::commands::delete;
use crate::documents::Source;
use crate::failure::Failure;
use crate::target::Target;

async fn tried(stage: &Stage, text: &str, how: DryRun) -> Vec<Result<Change, String>> {
    let source = Source { name: "f".into(), text: text.into() };
    let mut all = vec![];
    for order in prepare(&[source], None).unwrap() {
        let tried = try_out(&stage.hub, order, how).await;
        all.push(tried.map(|tried| tried.change).map_err(|failure| failure.code));
    }
    all
}

async fn removal(stage: &Stage, what: &str, how: DryRun) -> Result<(), Failure> {
    delete::try_out(&stage.hub, &Target::parse(what).unwrap(), how).await
}

#[tokio::test]
async fn who_decides_is_asked_and_nothing_is_there_afterwards() {
    let stage = Stage::new().await;
    let alone = tried(&stage, FLEET, DryRun::Server).await;
    // The work lies in the namespace of a cluster that is not there yet.
    let created = || Ok(Change::Created);
    let refused = Err("WRK0001".to_owned());
    assert_eq!(alone, [created(), created(), created(), refused, created()]);
    assert_eq!(tried(&stage, FLEET, DryRun::Client).await, vec![created(); 5]);
    assert_eq!(stage.get("mcl", "c1").await, None);
    stage.apply(FLEET).await.unwrap();
    assert_eq!(tried(&stage, FLEET, DryRun::Server).await, vec![Ok(Change::Unchanged); 5]);
    let changed = tried(&stage, &FLEET.replace("a: b", "a: c"), DryRun::Server).await;
    assert_eq!(changed.iter().filter(|change| **change == Ok(Change::Configured)).count(), 1);
    let before = stage.get("manifestwork", "c1/hello").await.unwrap();
    assert_eq!(before["spec"]["workload"]["manifests"][0]["data"]["a"], "b");
}

#[tokio::test]
async fn a_removal_is_tried_too() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    for how in [DryRun::Client, DryRun::Server] {
        removal(&stage, "placement/team/anywhere", how).await.unwrap();
        removal(&stage, "placement/team/nowhere", how).await.unwrap_err();
    }
    // Only who decides knows that it may not go.
    let place = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n";
    stage.apply(place).await.unwrap();
    removal(&stage, "namespace/default", DryRun::Client).await.unwrap();
    let kept = removal(&stage, "namespace/default", DryRun::Server).await.unwrap_err();
    assert_eq!(kept.code, "COR0015");
    assert!(stage.get("placement", "team/anywhere").await.is_some());
}
