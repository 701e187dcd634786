//! Informers and pagers: what they hold is what there is.

use crate::hub::{End, Hub, seen};
use crate::program::{Running, Streams, program};
use serde_json::Value;

fn number(seen: &Value, name: &str) -> u64 {
    seen[name].as_u64().unwrap_or_else(|| panic!("no \"{name}\" in {seen}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw025_informers_that_begin_with_a_stream_miss_nothing() {
    let Some(seen) = seen("informers", Streams::Begun).await else { return };
    assert_eq!((number(&seen, "empty"), number(&seen, "written")), (9, 400));
    // Nine of what is empty and five of what is written: one stream each, and it lasts.
    assert_eq!((number(&seen, "streams"), number(&seen, "watches")), (14, 14));
    assert_eq!(number(&seen, "lists"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw026_informers_that_begin_with_a_list_miss_nothing() {
    let Some(seen) = seen("informers", Streams::Off).await else { return };
    assert_eq!((number(&seen, "empty"), number(&seen, "written")), (9, 400));
    assert_eq!((number(&seen, "lists"), number(&seen, "watches")), (14, 14));
    assert_eq!(number(&seen, "streams"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw009_many_objects_are_read_in_pages_of_one_moment() {
    let Some(seen) = seen("pages", Streams::Off).await else { return };
    // 1,100 in pages of 500, and one that came after the first page: on none of them.
    assert_eq!((number(&seen, "read"), number(&seen, "pages")), (1_100, 3));
    assert_eq!((number(&seen, "held"), number(&seen, "informerPages")), (1_101, 3));
    assert_eq!(number(&seen, "informerStreams"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gw038_informers_go_on_without_a_list_when_their_gateway_is_back() {
    let Some(program) = program("informers over restarts of their gateway") else { return };
    let hub = Hub::start().await;
    let (mut followed, written) = (hub.serve(None).await, hub.serve(None).await);
    let gateways = [followed.kubeconfig.clone(), written.kubeconfig.clone()];
    let mut running = Running::start(program, "restarts", &gateways, Streams::Begun);
    assert_eq!(running.next()["step"], "synced");
    for end in [End::InOrder, End::AtOnce] {
        let address = followed.end(end).await;
        running.tell("away");
        assert_eq!(running.next()["step"], "written");
        followed = hub.serve(Some(address)).await;
        running.tell("back");
        assert_eq!(running.next()["step"], "told", "{end:?}");
    }
    let seen = running.end();
    assert_eq!(number(&seen, "rounds"), 2);
    assert_eq!((number(&seen, "listsAfter"), number(&seen, "streamsAfter")), (0, 0), "{seen}");
}
