//! `sim`: what happens to a simulated cluster of a development hub.

use crate::args::{SimAction, SimArgs};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::print::line;
use bytes::Bytes;
use fleetlog_bus::Retry;
use fleetlog_messages::common::Refusal;
use fleetlog_messages::subject;
use prost::Message as _;
use std::time::Duration;

/// How long the process of the clusters may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// `fleetlog sim`.
///
/// # Errors
/// A cluster that is not simulated, or a hub without simulated clusters.
pub async fn run(args: &SimArgs, hub: &Hub) -> Done {
    let (action, said) = match args.action {
        SimAction::Silence => ("silence", "is cut off from the hub"),
        SimAction::Resume => ("resume", "speaks with the hub again"),
    };
    let subject = subject::sim(action, &args.cluster);
    let answer = hub.operator().await?.request(&subject, Bytes::new(), ANSWER_WITHIN).await;
    let answer = answer.map_err(|fault| match fault.retry {
        Retry::NobodyThere => Failure::new(
            "CLI0034",
            "this hub has no simulated clusters",
            "simulated clusters run in the process of fleetlog dev",
        ),
        Retry::MayHelp | Retry::Useless | Retry::NoSpace => fault.into(),
    })?;
    let refusal = Refusal::decode(answer.payload).map_err(anyhow::Error::from)?;
    if !refusal.code.is_empty() {
        return Err(refusal.into());
    }
    line(&format!("cluster \"{}\" {said}", args.cluster));
    Ok(())
}
