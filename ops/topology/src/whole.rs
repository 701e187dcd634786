//! Whether everything lies on all the servers that it should lie on. A server says yes to a change
//! of replicas before the others have them, and what only one server has goes with that server.

use std::time::Duration;

use async_nats::Client;
use fleetlog_bus::AUDIT;
use serde_json::Value;

use crate::look::{audit_info, pages};
use crate::profile::Profile;
use crate::refusal::HubRefusal;

/// How often it is looked.
const ATTEMPTS: u32 = 240;
/// How long to wait between.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Waits, for a minute or a little more, until every stream and queue is on all its servers: those
/// that `operator` sees, and the mirror of followers, which `auditor` sees.
///
/// # Errors
/// [`HubRefusal::NotWhole`] names the first that is not; a server that does not answer.
pub(crate) async fn wait(
    operator: &Client,
    auditor: Option<&Client>,
    profile: Profile,
) -> Result<(), HubRefusal> {
    if profile.replicas() == 1 {
        return Ok(());
    }
    let mut attempt = 1;
    while let Some(what) = first_lacking(operator, auditor, profile).await? {
        if attempt == ATTEMPTS {
            return Err(HubRefusal::NotWhole { what, servers: profile.replicas() });
        }
        attempt += 1;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    Ok(())
}

/// The first stream or queue that is not on all its servers.
async fn first_lacking(
    operator: &Client,
    auditor: Option<&Client>,
    profile: Profile,
) -> Result<Option<String>, HubRefusal> {
    let lacks = |thing: &&Value| !is_on_all(&thing["cluster"], profile);
    for stream in pages(operator, "$JS.API.STREAM.LIST", "streams").await? {
        let name = stream["config"]["name"].as_str().unwrap_or_default();
        if lacks(&&stream) {
            return Ok(Some(format!("stream \"{name}\"")));
        }
        let queues = pages(operator, &format!("$JS.API.CONSUMER.LIST.{name}"), "consumers").await?;
        let durable = |queue: &&Value| queue["config"].get("durable_name").is_some();
        if let Some(queue) = queues.iter().filter(durable).find(lacks) {
            let queue = queue["name"].as_str().unwrap_or_default();
            return Ok(Some(format!("queue \"{queue}\" of stream \"{name}\"")));
        }
    }
    let Some(auditor) = auditor else { return Ok(None) };
    let mirror = audit_info(auditor).await?;
    let there = mirror.get("config").map(|_| &mirror);
    Ok(there.filter(lacks).map(|_| format!("stream \"{AUDIT}\"")))
}

/// Whether as many servers as there should be have all of it, and no move is under way: `cluster`
/// is what the server tells of a stream or a queue.
fn is_on_all(cluster: &Value, profile: Profile) -> bool {
    let others = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let current = others.iter().filter(|replica| replica["current"] == true).count();
    let is_led = cluster.get("leader").is_some() && cluster.get("desired").is_none();
    is_led && current + 1 >= profile.replicas() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_thing_is_on_all_its_servers_when_each_is_current_and_none_is_still_to_come() {
        let others = |second: bool| json!([{ "current": true }, { "current": second }]);
        let whole = json!({ "leader": "a", "replicas": others(true) });
        assert!(is_on_all(&whole, Profile::Ha));
        let lacking = [
            json!({ "leader": "a", "replicas": others(false) }),
            json!({ "leader": "a", "replicas": [{ "current": true }] }),
            json!({ "leader": "a", "replicas": others(true), "desired": {} }),
            json!({ "replicas": others(true) }),
            Value::Null,
        ];
        for cluster in lacking {
            assert!(!is_on_all(&cluster, Profile::Ha), "{cluster}");
        }
    }
}
