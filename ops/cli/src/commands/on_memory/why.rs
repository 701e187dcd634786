//! Why a placement chose whom it chose, and what if something were otherwise.

use super::super::simulate::{Simulated, simulate};
use super::{FLEET, Stage};
use crate::as_of::AsOf;
use crate::failure::Failure;
use crate::print::paint::Paint;
use crate::target::Target;
use crate::{explain, supposed, why};
use fleetlog_messages::placement::SimulatePlacement;
use serde_json::json;

fn placement() -> Target {
    Target::parse("placement/team/anywhere").unwrap()
}

async fn suppose(stage: &Stage, changes: &[&str]) -> Result<Simulated, Failure> {
    let changes = changes.iter().map(|text| supposed::change(text).unwrap()).collect();
    let asked = SimulatePlacement { changes, ..SimulatePlacement::default() };
    simulate(&stage.hub, placement(), &asked, AsOf::Now).await
}

#[tokio::test]
async fn everybodys_reason_is_told_as_a_table_and_as_json() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    stage.made_work().await;
    let answer = why::ask(&stage.hub, &placement(), None, AsOf::Now).await.unwrap();
    let text = answer.text(&placement(), Paint::Off);
    assert!(text.starts_with("Placement/team/anywhere\nrevision "), "{text}");
    assert!(text.contains("1 chosen of 1 that fit; wanted: all that fit"), "{text}");
    assert!(text.contains("\nc1        yes      it ranks 1 of 1 with 200: Balance 100"), "{text}");
    let wide = answer.wide();
    let headings = wide.lines().next().unwrap().split_whitespace().collect::<Vec<_>>();
    let expected = ["CLUSTER", "CHOSEN", "RANK", "TOTAL", "BALANCE", "STEADY", "WHY"];
    assert_eq!(headings, expected);
    let json = answer.json();
    assert_eq!(json["clusters"][0]["scores"], json!({ "Balance": 100, "Steady": 100 }));
    let one = why::ask(&stage.hub, &placement(), Some("c9"), AsOf::Now).await.unwrap();
    let text = one.text(&placement(), Paint::Off);
    assert!(text.contains("\nc9 was not chosen: the fleet has no such cluster; name"), "{text}");
}

#[tokio::test]
async fn the_past_is_explained_as_it_was() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let work = stage.made_work().await;
    let now = why::ask(&stage.hub, &placement(), None, AsOf::Now).await.unwrap();
    assert_eq!(now.placement.chosen, 1);
    let chain = explain::explain(&stage.hub, &placement()).await.unwrap();
    let first = chain.steps.iter().find_map(|step| step.line.as_ref()).unwrap().position;
    let then = AsOf::Position(first);
    let past = why::ask(&stage.hub, &placement(), None, then).await.unwrap();
    assert_eq!((past.placement.revision, past.position), (0, first));
    let early = explain::explain_at(&stage.hub, &placement(), first).await.unwrap();
    assert_eq!(early.steps.len(), 1);
    let refused = explain::explain_at(&stage.hub, &work, first).await.unwrap_err();
    assert_eq!(refused.code, "CLI0006");
}

#[tokio::test]
async fn what_would_be_gained_lost_and_follow_is_shown_and_nothing_is_written() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    stage.made_work().await;
    let before = why::ask(&stage.hub, &placement(), None, AsOf::Now).await.unwrap();
    let gone = suppose(&stage, &["cluster/c1 gone"]).await.unwrap();
    let text = gone.text(Paint::Off);
    assert!(text.contains("clusters: 1 now, 0 then"), "{text}");
    assert!(text.contains("\n-   c1        the fleet has no such cluster"), "{text}");
    assert!(text.contains("ManifestWorkReplicaSet/team/shop: works +0 -1"), "{text}");
    assert_eq!(gone.json()["lost"], json!(["c1"]));
    let same = suppose(&stage, &["cluster/c1 label region=west"]).await.unwrap();
    assert!(same.text(Paint::Off).ends_with("nothing would change\n"));
    let after = why::ask(&stage.hub, &placement(), None, AsOf::Now).await.unwrap();
    assert_eq!(before.placement, after.placement);
    let refused = suppose(&stage, &["cluster/c9 gone"]).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, "PLC0013");
}
