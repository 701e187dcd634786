//! What registration tells itself without a commit that led to it: the words of agents and of
//! time. Each id is made of what was seen, so that a repeat changes nothing.
//!
//! A cluster's words carry as their cause the cluster's own last commit: whatever they lead to
//! moves the cluster on, so the same word said again is known, and no later one is taken for it.
//! The word that leases ran out, of many clusters, carries the newest of theirs; what it leads to
//! carries each its own (`Machine::speaks_of_each`).
//! A set's words carry the position of the fleet that they speak of; the newest wins, and each is
//! judged by the fleet as it stands when it is decided.

use crate::machine::{LEASE, Registration, cluster_id, on_cluster, set_id};
use crate::parse;
use bytes::Bytes;
use fleetlog_bus::{Fault, MAX_BATCH, Told};
use fleetlog_chassis::Context;
use fleetlog_kernel::{ClusterName, CommandId, MessageId, Position, Service};
use fleetlog_messages::registration::{
    ClusterSetCommand, CountClusterSet, ManagedClusterSet, NoteBeat, RequestJoin,
    cluster_command::Command, cluster_set_command,
};
use fleetlog_messages::subject::AggregateId;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use std::fmt::Write as _;

/// The version of the ids.
const VERSION: u32 = 1;

/// A word about a cluster. Those with a greater index are heard after those with a smaller one
/// about the same commit.
#[derive(Clone, Copy)]
enum Word {
    Join = 0,
    Beat = 1,
    Expiry = 2,
    Count = 3,
    Restore = 4,
}

/// An agent asks with this key to be the cluster's.
pub(crate) async fn join(
    context: &Context<Registration>,
    cluster: &str,
    join: RequestJoin,
) -> Result<(), Fault> {
    let key = join.public_key.clone();
    about_cluster(context, cluster, Word::Join, &key, Command::RequestJoin(join)).await
}

/// A first beat came, or the first after an expiry.
pub(crate) async fn beat(context: &Context<Registration>, cluster: &str) -> Result<(), Fault> {
    about_cluster(context, cluster, Word::Beat, "", Command::NoteBeat(NoteBeat {})).await
}

/// Leases ran out: each cluster's that is marked so at this LEASE sequence. Many are told of in one
/// word. It may be told of one commit again and again, as long as each time the cluster is heard
/// before that is decided.
pub(crate) async fn expiries(
    context: &Context<Registration>,
    expired: &[(ClusterName, u64)],
) -> Result<(), Fault> {
    let words: Vec<_> =
        expired.chunks(MAX_BATCH).map(|some| expired_together(context, some)).collect();
    stream::iter(words).buffer_unordered(context.ground.bounds.window).try_collect().await
}

/// The word of some: the newest of the clusters' commits is its cause, so that it is decided on a
/// state that has seen them all.
async fn expired_together(
    context: &Context<Registration>,
    expired: &[(ClusterName, u64)],
) -> Result<(), Fault> {
    let Some((first, _)) = expired.first() else { return Ok(()) };
    let cause = context.read(|hosted| {
        let stands =
            |(cluster, _): &(ClusterName, u64)| hosted.head(&cluster_id(cluster.as_str())).position;
        expired.iter().map(stands).max().unwrap_or_default()
    });
    let mut seen = context.ground.clock.now().as_nanos().to_string();
    for (cluster, marker) in expired {
        let _ = write!(seen, " {cluster} {marker}");
    }
    let to = AggregateId::global(Service::Registration, LEASE, first.as_str());
    let clusters = expired.iter().map(|(cluster, _)| cluster.to_string()).collect();
    say(context, to, (Position(cause), Word::Expiry), &seen, parse::of_expired(clusters)).await
}

/// A set's members are to be counted.
pub(crate) async fn count(context: &Context<Registration>, set: &str) -> Result<(), Fault> {
    let cause = spoken_of(context).await;
    let clusters = context.read(|hosted| hosted.machine().fleet().members(set));
    let count = cluster_set_command::Command::Count(CountClusterSet { clusters });
    let command = ClusterSetCommand { command: Some(count) };
    say(context, set_id(set), (cause, Word::Count), "", command.encode_to_vec().into()).await
}

/// A built-in set is to be put right.
pub(crate) async fn restore(
    context: &Context<Registration>,
    name: &str,
    set: &ManagedClusterSet,
) -> Result<(), Fault> {
    let cause = spoken_of(context).await;
    let payload = crate::machine::restore_set(set).encode_to_vec().into();
    say(context, set_id(name), (cause, Word::Restore), "", payload).await
}

/// The position that a set's word speaks of, once everything that follows from the log up to there
/// was said: else a reaction to an earlier position would come after a newer word.
async fn spoken_of(context: &Context<Registration>) -> Position {
    let position = context.read(|hosted| hosted.position());
    context.performed(position).await;
    position
}

async fn about_cluster(
    context: &Context<Registration>,
    cluster: &str,
    word: Word,
    detail: &str,
    command: Command,
) -> Result<(), Fault> {
    let to = cluster_id(cluster);
    let cause = Position(context.read(|hosted| hosted.head(&to).position));
    say(context, to, (cause, word), detail, on_cluster(command)).await
}

async fn say(
    context: &Context<Registration>,
    to: AggregateId,
    (cause, word): (Position, Word),
    detail: &str,
    payload: Bytes,
) -> Result<(), Fault> {
    let (service, index) = (Service::Registration, word as u32);
    let seen = format!("{cause}\n{to}\n{detail}");
    let id = MessageId::derived(service, "told", VERSION, &seen, index);
    let id = CommandId::new(id.as_str());
    let told = Told {
        to,
        correlation: id.to_string(),
        id,
        cause,
        index: index.into(),
        reacted: context.reacted(),
        payload,
    };
    let commands = &context.ground.bus.commands;
    context.patiently(|| commands.tell(service, told.clone())).await.map(|_| ())
}
