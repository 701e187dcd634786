//! A request parsed at the door: which command it is, who may give it, what rides along. What is
//! decided about it lies in the domain.

use crate::machine::{CLUSTER, LEASE};
use bytes::Bytes;
use fleetlog_bus::MAX_BATCH;
use fleetlog_chassis::{Denied, Origin, Request};
use fleetlog_kernel::{Position, Service, Uid};
use fleetlog_messages::registration::{
    self as wire, ClusterFacts, binding_command, cluster_command, cluster_set_command,
    lease_command,
};
use fleetlog_registration_domain::Refusal;
use fleetlog_registration_domain::command::{
    Apply, BindingCommand, ClusterCommand, SetCommand, Target,
};
use fleetlog_rules::metadata::Change;
use prost::Message as _;

/// A command on a cluster; of an agent, its report.
pub(crate) fn cluster(request: &Request) -> Result<ClusterCommand, Denied> {
    use cluster_command::Command;
    if let Origin::Agent(_) = request.origin {
        let facts: ClusterFacts = decode(&request.payload)?;
        if facts == ClusterFacts::default() {
            return Err(Denied::Unreadable("it reports nothing".to_owned()));
        }
        return Ok(ClusterCommand::Report(facts));
    }
    let command = decode::<wire::ClusterCommand>(&request.payload)?.command.ok_or_else(empty)?;
    let by = request.origin.to_string();
    Ok(match command {
        Command::Apply(given) => {
            let object = given.cluster.ok_or_else(empty)?;
            let how = (given.resource_version.as_str(), given.replace_metadata);
            ClusterCommand::Apply(Box::new(apply(request, object, how)?))
        }
        Command::Accept(_) => ClusterCommand::Accept { by },
        Command::Deny(_) => ClusterCommand::Deny { by },
        Command::Delete(_) => ClusterCommand::Delete { by },
        Command::WriteStatus(given) => ClusterCommand::WriteStatus {
            status: Box::new(given.status.unwrap_or_default()),
            expected: expected(&given.resource_version)?,
        },
        Command::RequestJoin(join) => {
            own(request, "RequestJoin")?;
            ClusterCommand::RequestJoin {
                name: request.target.name.clone(),
                public_key: join.public_key,
                labels: join.labels,
                uid: uid(request),
            }
        }
        Command::Report(report) => {
            own(request, "ReportCluster")?;
            ClusterCommand::Report(report.facts.unwrap_or_default())
        }
        Command::NoteBeat(_) => {
            own(request, "NoteBeat")?;
            ClusterCommand::NoteBeat
        }
        Command::NoteLeaseExpiry(_) => {
            own(request, "NoteLeaseExpiry")?;
            ClusterCommand::NoteLeaseExpiry
        }
    })
}

/// The clusters whose leases ran out, by registration's own word; none when this is another.
pub(crate) fn expiries(request: &Request) -> Option<Vec<String>> {
    if !matches!(request.origin, Origin::Service { from: Service::Registration, .. }) {
        return None;
    }
    match request.target.kind.as_str() {
        CLUSTER => {
            let command = wire::ClusterCommand::decode(request.payload.clone()).ok()?.command;
            let expiry = matches!(command, Some(cluster_command::Command::NoteLeaseExpiry(_)));
            expiry.then(|| vec![request.target.name.clone()])
        }
        LEASE => leases(request).ok(),
        _ => None,
    }
}

/// The clusters of a command on leases.
pub(crate) fn leases(request: &Request) -> Result<Vec<String>, Denied> {
    let command = decode::<wire::LeaseCommand>(&request.payload)?.command;
    let lease_command::Command::NoteExpiries(expired) = command.ok_or_else(empty)?;
    own(request, "NoteLeaseExpiries")?;
    let mut clusters = expired.clusters;
    clusters.sort_unstable();
    clusters.dedup();
    match clusters.len() {
        1..=MAX_BATCH => Ok(clusters),
        other => {
            Err(Denied::Unreadable(format!("it names {other} clusters, not 1 to {MAX_BATCH}")))
        }
    }
}

/// A command on the leases of these clusters.
pub(crate) fn of_expired(clusters: Vec<String>) -> Bytes {
    let expired = wire::NoteLeaseExpiries { clusters };
    let command = Some(lease_command::Command::NoteExpiries(expired));
    wire::LeaseCommand { command }.encode_to_vec().into()
}

/// A command on a set. How many `members` it has is looked up now: a count that waited is stale.
pub(crate) fn set(request: &Request, members: u64) -> Result<SetCommand, Denied> {
    use cluster_set_command::Command;
    let command = decode::<wire::ClusterSetCommand>(&request.payload)?.command;
    Ok(match command.ok_or_else(empty)? {
        Command::Apply(given) => {
            let object = given.set.ok_or_else(empty)?;
            let how = (given.resource_version.as_str(), given.replace_metadata);
            SetCommand::Apply { apply: Box::new(apply(request, object, how)?) }
        }
        Command::Delete(_) => SetCommand::Delete { by: request.origin.to_string() },
        Command::Count(_) => {
            own(request, "CountClusterSet")?;
            SetCommand::Count { clusters: members }
        }
    })
}

/// A command on a binding. Whether its set `exists` is looked up now.
pub(crate) fn binding(request: &Request, exists: bool) -> Result<BindingCommand, Denied> {
    use binding_command::Command;
    let command = decode::<wire::BindingCommand>(&request.payload)?.command;
    Ok(match command.ok_or_else(empty)? {
        Command::Apply(given) => {
            let object = given.binding.ok_or_else(empty)?;
            let how = (given.resource_version.as_str(), given.replace_metadata);
            BindingCommand::Apply { apply: Box::new(apply(request, object, how)?), exists }
        }
        Command::Delete(_) => BindingCommand::Delete { by: request.origin.to_string() },
        Command::NoteBound(_) => {
            own(request, "NoteBound")?;
            BindingCommand::NoteBound { exists }
        }
    })
}

fn decode<T: prost::Message + Default>(payload: &Bytes) -> Result<T, Denied> {
    T::decode(payload.clone()).map_err(|error| Denied::Unreadable(error.to_string()))
}

fn empty() -> Denied {
    Denied::Unreadable("it is empty, or of a later release".to_owned())
}

/// Refuses anybody but registration itself.
fn own(request: &Request, command: &'static str) -> Result<(), Denied> {
    match request.origin {
        Origin::Service { from: Service::Registration, .. } => Ok(()),
        _ => {
            let by = request.origin.to_string();
            Err(Denied::Refused(Refusal::NotForUsers { command, by }.into()))
        }
    }
}

fn uid(request: &Request) -> Uid {
    Uid::derived(&request.id, request.target.event().as_str())
}

fn apply<T>(
    request: &Request,
    object: T,
    (version, replace): (&str, bool),
) -> Result<Apply<T>, Denied> {
    let (namespace, name) = (request.target.scope.clone(), request.target.name.clone());
    let expected = expected(version)?;
    let change = if replace { Change::Replace } else { Change::Merge };
    let (target, by) = (Target { namespace, name }, request.origin.to_string());
    Ok(Apply { object, target, expected, change, uid: uid(request), by })
}

/// The position that an object must stand at; none is given where any does.
fn expected(version: &str) -> Result<Option<Position>, Denied> {
    if version.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let reason = format!("\"{version}\" is no resource version");
        Denied::Refused(Refusal::Unreadable { reason }.into())
    };
    Position::of_resource_version(version).map(Some).ok_or_else(wrong)
}
