//! Taking beats: `fl.a.*.beat`. A beat renews the cluster's lease and is no event; only a first
//! one, or the first after an expiry, is told on.

use crate::handlers::{Running, bury, listen, read, refuse};
use crate::nudges::Nudges;
use crate::told;
use fleetlog_bus::{Fault, Leases, Message};
use fleetlog_kernel::Decider as _;
use fleetlog_messages::common::{Beat, BeatAnswer};
use fleetlog_messages::subject;
use fleetlog_registration_domain::Refusal;
use fleetlog_registration_domain::command::ClusterCommand;
use std::sync::Arc;

/// Answers beats.
pub(crate) async fn beats(context: Running, nudges: Arc<Nudges>) -> Result<(), Fault> {
    let leases = Leases::new(context.ground.bus.broker.clone());
    listen(context, subject::asks("beat"), move |context, message| {
        let (leases, nudges) = (leases.clone(), nudges.clone());
        async move { beat(&context, (&leases, &nudges), &message).await }
    })
    .await
}

async fn beat(
    context: &Running,
    (leases, nudges): (&Leases, &Nudges),
    message: &Message,
) -> Result<BeatAnswer, Fault> {
    let Some(cluster) = subject::asking_cluster(&message.subject) else {
        let refusal = bury(context, message, "the subject names no cluster".to_owned()).await?;
        return Ok(refused(refusal, ""));
    };
    let name = cluster.as_str();
    if let Err(refusal) = read::<Beat>(context, message).await? {
        return Ok(refused(refusal, name));
    }
    // Before the state is read: what changes from here on may be news to this agent.
    nudges.heard(&cluster);
    // Judged as it would be decided: a refusal is answered at once, a usual beat decides nothing.
    let at = context.ground.clock.now();
    let (verdict, lease_duration_seconds, grace) = context.read(|hosted| {
        let cluster = hosted.machine().fleet().cluster(name);
        let verdict = cluster.decide(&ClusterCommand::NoteBeat, at);
        (verdict.map(|events| events.is_empty()), cluster.lease_seconds(), cluster.grace())
    });
    let usual = match verdict {
        Ok(usual) => usual,
        Err(refusal) => return Ok(refused(refusal, name)),
    };
    leases.beat(&cluster, grace).await?;
    if !usual {
        told::beat(context, name).await?;
    }
    Ok(BeatAnswer { lease_duration_seconds, refused: None })
}

fn refused(refusal: Refusal, cluster: &str) -> BeatAnswer {
    BeatAnswer { lease_duration_seconds: 0, refused: Some(refuse(refusal, cluster)) }
}
