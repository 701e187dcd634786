//! Commands that come again, however late: after their outcome is no longer kept, after their
//! aggregate has forgotten them.

use crate::commands::by_another;
use crate::stage::{Stage, accomplished, bounds, pass, refused};
use crate::tally::tally;
use fleetlog_bus::Append;
use fleetlog_chassis::Bounds;
use fleetlog_kernel::{CommandId, Position};
use std::sync::Arc;
use std::time::Duration;

/// Longer than CMD and RESULT keep anything.
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// When the stage's clock begins, in seconds.
const BEGIN: u64 = 1_800_000_000;

/// A UUID of version 7 that says it was made so long after the stage's beginning.
fn made_after(time: Duration) -> CommandId {
    let millis = u128::from(BEGIN) * 1_000 + time.as_millis();
    let hex = format!("{millis:012x}");
    CommandId::new(format!("{}-{}-7abc-8def-0123456789ab", &hex[..8], &hex[8..]))
}

/// So many commits of somebody else, so that the aggregate forgets what was before.
async fn forget(stage: &Arc<Stage>, first: u64) {
    for number in first..first + 20 {
        assert_eq!(by_another(stage, number, "1").await, Append::Appended(Position(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_told_when_its_outcome_is_long_gone() {
    let stage = Stage::new();
    let service = stage.start().await;
    for id in [CommandId::new("my-own"), made_after(MONTH)] {
        let before = stage.stored("EVENTS").await.len() as u64;
        let client = stage.client();
        let first = client.command_as(&id, &tally("a"), "add 3".into()).await.unwrap();
        assert_eq!(accomplished(first.clone()).position, before + 1);
        forget(&stage, before + 2).await;
        pass(MONTH).await;
        assert!(stage.stored("RESULT").await.is_empty(), "outcomes are not kept for ever");
        let again = client.command_as(&id, &tally("a"), "add 3".into()).await.unwrap();
        assert_eq!(again, first);
        assert_eq!(stage.stored("EVENTS").await.len() as u64, before + 21);
    }
    assert_eq!(service.read(|h| h.machine().0["a"]), 2 * (3 + 20));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_decided_when_nobody_knows_why_any_more() {
    let stage = Stage::new();
    let service = stage.start().await;
    let (client, id) = (stage.client(), made_after(Duration::ZERO));
    let first = client.command_as(&id, &tally("a"), "panic".into()).await.unwrap();
    assert_eq!(refused(first).code, "CHS0006");
    // Today it would be accomplished.
    accomplished(client.command(&tally("mended"), "add 1".into()).await.unwrap());
    pass(MONTH).await;
    let again = client.command_as(&id, &tally("a"), "panic".into()).await.unwrap();
    let refusal = refused(again);
    assert_eq!(refusal.code, "CHS0041");
    assert!(refusal.sentence.contains("31 days old"), "{}", refusal.sentence);
    assert!(!service.read(|h| h.machine().0.contains_key("a")));
    let anew = made_after(MONTH);
    accomplished(client.command_as(&anew, &tally("a"), "panic".into()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn how_old_an_id_may_be_is_a_bound() {
    let stage = Stage::new();
    let outcomes_kept = Duration::from_secs(60);
    let _service = stage.start_with(Bounds { outcomes_kept, ..bounds() }, Arc::default()).await;
    pass(Duration::from_secs(100)).await;
    for (second, late) in [(30, true), (50, false), (200, false)] {
        let id = made_after(Duration::from_secs(second));
        let outcome = stage.client().command_as(&id, &tally("a"), "add 1".into()).await.unwrap();
        match late {
            true => assert_eq!(refused(outcome).code, "CHS0041"),
            false => assert!(accomplished(outcome).position > 0),
        }
    }
}
