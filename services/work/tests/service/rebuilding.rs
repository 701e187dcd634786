//! WORK is derived: what is lost from it or does not belong there is put right by a rebuild.

use crate::Stage;
use crate::common::{apply_work, work_key};
use anyhow::Context as _;
use bytes::Bytes;
use fleetlog_bus::Client;
use fleetlog_chassis::{Ids, projection_id};
use fleetlog_kernel::{Actor, Service};
use fleetlog_messages::common::{ProjectionCommand, RebuildProjection, projection_command};
use fleetlog_test_support::eventually;
use prost::Message as _;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_dropped_and_rebuilt_in_place_while_the_service_runs() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let said = stage.hand_over(&["a"]).await;
    for name in ["kept", "lost", "forged"] {
        let key = work_key("c1", name);
        stage.command(&key.aggregate(), apply_work(&key, &said)).await.unwrap();
    }
    let works = fleetlog_bus::Works::new(stage.service.ground.bus.broker.clone());
    let find = async |name: &str| works.all().await.ok()?.into_iter().find(|d| d.work == name);
    for name in ["kept", "lost", "forged"] {
        eventually("the work is published", async || find(name).await).await?;
    }
    let forged = fleetlog_bus::Signed {
        payload: Bytes::from_static(b"forged"),
        signature: "none".to_owned(),
        generation: 1,
    };
    let kept = find("kept").await.context("it is there")?;
    works.publish("c1", "forged", forged.clone()).await?;
    works.publish("c1", "stray", forged.clone()).await?;
    // What drops a message of WORK without a trace: it runs out.
    works.tombstone("c1", "lost", forged, Duration::from_secs(1)).await?;
    let gone = async || works.all().await.ok()?.iter().all(|d| d.work != "lost").then_some(());
    eventually("a work is lost from WORK", gone).await?;
    let ids = Ids::Random;
    let admin =
        Client::new(stage.hub.user("admin").await?, Actor::new("admin"), move || ids.command());
    let rebuild = projection_command::Command::Rebuild(RebuildProjection {});
    let rebuild = ProjectionCommand { command: Some(rebuild) }.encode_to_vec().into();
    admin.command(&projection_id(Service::Work), rebuild).await?;
    eventually("WORK is what the log says", async || {
        let all = works.all().await.ok()?;
        let held = |name: &str| all.iter().find(|d| d.work == name);
        let wanted = stage.service.read(|hosted| hosted.machine().deliveries());
        let right = wanted.iter().all(|(key, delivery)| {
            held(&key.name).is_some_and(|d| d.message.payload == delivery.encode_to_vec())
        });
        (right && wanted.len() == 3 && held("stray")?.deleted).then_some(())
    })
    .await?;
    let now = find("kept").await.context("it is there")?;
    assert_eq!(now.message.sequence, kept.message.sequence, "what was right was not sent again");
    Ok(())
}
