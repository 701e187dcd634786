//! A manager of controller-runtime, and who leads.

use crate::hub::seen;
use crate::program::Streams;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw108_a_manager_reconciles_kinds_of_the_fleet_and_of_kubernetes() {
    let Some(seen) = seen("controller", Streams::Begun).await else { return };
    // Each config map went once its finalizer was taken away.
    assert_eq!(seen["cleaned"], 5);
    // Placements, their secrets, config maps, and clusters by their metadata.
    assert_eq!((&seen["streams"], &seen["metadataWatches"]), (&json!(4), &json!(1)));
    assert_eq!(seen["lists"], 0);
    // It had a lease while it did, and gave it away.
    assert_eq!((&seen["led"], &seen["released"]), (&json!(true), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw108_one_leads_at_a_time_by_a_lease() {
    let Some(seen) = seen("leaders", Streams::Begun).await else { return };
    assert_eq!(seen["led"], json!(["a", "b", "c"]));
    assert_eq!((&seen["twice"], &seen["holder"]), (&json!(false), &json!("")));
}
