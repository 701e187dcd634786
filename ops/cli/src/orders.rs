//! The orders of the command line: objects and words to commands.

use crate::documents::Given;
use crate::failure::Failure;
use crate::target::Target;
use fleetlog_bus::MAX_COMMAND;
use fleetlog_messages::common::{ProjectionCommand, RebuildProjection, projection_command};
use fleetlog_messages::placement::{PlacementCommand, Rebalance, placement_command};
use fleetlog_messages::registration::{
    AcceptCluster, ClusterCommand, DenyCluster, cluster_command,
};
pub use fleetlog_objects::How;
use fleetlog_objects::{Applying, NoCommand};
use prost::Message as _;
use std::collections::BTreeMap;

/// An object ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Which object.
    pub target: Target,
    /// The encoded command message of its kind.
    pub command: Vec<u8>,
    /// The manifests, to be handed over before the command.
    pub bundle: Option<Vec<u8>>,
    /// The values of a secret, to be handed over before the command.
    pub values: Option<BTreeMap<String, String>>,
}

impl Order {
    /// The command, and what is said beside it when it is only tried.
    #[must_use]
    pub fn into_trial(self) -> (Vec<u8>, Vec<u8>) {
        let Self { command, bundle, values, .. } = self;
        let applying = Applying { command, bundle, values };
        let beside = applying.beside();
        (applying.command, beside)
    }
}

/// The command that makes an object what was given.
///
/// # Errors
/// Kinds that nobody applies, works without manifests, commands that are too large.
pub fn apply(given: Given, how: &How) -> Result<Order, Failure> {
    let Given { target, place, object } = given;
    let applying = fleetlog_objects::apply(target.info, object, how);
    let Applying { command, bundle, values } = applying.map_err(|why| failure(why).at(&place))?;
    if command.len() > MAX_COMMAND {
        let size = command.len();
        let sentence = format!("the command has {size} bytes, at most {MAX_COMMAND} are taken");
        let advice = "take large annotations and lists out; manifests do not count";
        return Err(Failure::new("CLI0014", sentence, advice).at(&place));
    }
    Ok(Order { target, command, bundle, values })
}

/// The command that removes an object.
///
/// # Errors
/// Kinds that nobody removes.
pub fn delete(target: &Target) -> Result<Vec<u8>, Failure> {
    fleetlog_objects::delete(target.info, "").map_err(failure)
}

fn failure(why: NoCommand) -> Failure {
    let sentence = why.to_string();
    match why {
        NoCommand::Derived(_) => {
            Failure::new("CLI0024", sentence, "change what it follows from instead")
        }
        NoCommand::NoManifests(_) => {
            Failure::new("CLI0013", sentence, "put at least one object there")
        }
        NoCommand::Unreadable(_) => {
            Failure::new("CLI0025", sentence, "write the value as the kind's schema has it")
        }
        NoCommand::Changed(_) => {
            Failure::new("CLI0025", sentence, "write the value in its plain form")
        }
        NoCommand::Unknown(refusal) => refusal.into(),
    }
}

/// The command that takes a cluster in.
#[must_use]
pub fn accept() -> Vec<u8> {
    let command = Some(cluster_command::Command::Accept(AcceptCluster {}));
    ClusterCommand { command }.encode_to_vec()
}

/// The command that refuses a cluster.
#[must_use]
pub fn deny() -> Vec<u8> {
    let command = Some(cluster_command::Command::Deny(DenyCluster {}));
    ClusterCommand { command }.encode_to_vec()
}

/// The command that lets a placement choose afresh.
#[must_use]
pub fn rebalance() -> Vec<u8> {
    let command = Some(placement_command::Command::Rebalance(Rebalance {}));
    PlacementCommand { command }.encode_to_vec()
}

/// The command that has a projection folded anew.
#[must_use]
pub fn rebuild() -> Vec<u8> {
    let command = Some(projection_command::Command::Rebuild(RebuildProjection {}));
    ProjectionCommand { command }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{Source, read as read_documents};
    use fleetlog_kernel::ContentHash;
    use fleetlog_messages::placement::{ScoreCommand, score_command};
    use fleetlog_messages::work::{Bundle, WorkCommand, work_command};

    const WORK: &str = "apiVersion: work.open-cluster-management.io/v1\nkind: ManifestWork\n\
        metadata: {name: w, namespace: c1}\nspec: {workload: {manifests: [\
        {kind: ConfigMap, apiVersion: v1, metadata: {name: m}, data: {b: '1', a: '2'}}]}}\n";

    fn order(text: &str) -> Result<Order, Failure> {
        let sources = [Source { name: "f".into(), text: text.into() }];
        apply(read_documents(&sources, None)?.remove(0), &How::default())
    }

    #[test]
    fn the_manifests_of_a_work_travel_apart_and_are_named_by_hash() {
        let order = order(WORK).unwrap();
        let body = order.bundle.unwrap();
        let text = "[{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\",\"b\":\"1\"},\
                    \"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\"}}]";
        assert_eq!(String::from_utf8(body.clone()).unwrap(), text);
        let command = WorkCommand::decode(order.command.as_slice()).unwrap();
        let Some(work_command::Command::Apply(apply)) = command.command else {
            panic!("not an apply")
        };
        let hash = ContentHash::of(&body).to_string();
        let size = body.len() as u64;
        assert_eq!(apply.bundle, Some(Bundle { hash, size, count: 1 }));
        assert_eq!(apply.work.unwrap().spec.unwrap().workload.unwrap().manifests, []);
    }

    #[test]
    fn a_work_without_manifests_is_refused_before_it_is_sent() {
        let start = WORK.find("[{").unwrap();
        let end = WORK.rfind("}]").unwrap() + 2;
        let empty = format!("{}[]{}", &WORK[..start], &WORK[end..]);
        let failure = order(&empty).unwrap_err();
        assert_eq!(failure.code, "CLI0013");
        assert!(failure.sentence.contains("\"spec.workload.manifests\""), "{failure}");
    }

    #[test]
    fn a_command_over_its_bound_is_refused_before_it_is_sent() {
        let text = "x".repeat(MAX_COMMAND);
        let large = WORK.replace("name: w,", &format!("name: w, annotations: {{a: {text}}},"));
        assert_eq!(order(&large).unwrap_err().code, "CLI0014");
        let manifests = WORK.replace("'1'", &format!("'{text}'"));
        assert!(order(&manifests).is_ok());
    }

    #[test]
    fn scores_are_sent_with_their_status_and_every_kind_can_be_deleted() {
        let score = "apiVersion: cluster.open-cluster-management.io/v1alpha1\n\
            kind: AddOnPlacementScore\nmetadata: {name: s, namespace: c1}\n\
            status: {scores: [{name: cpu, value: 90}]}\n";
        let command = ScoreCommand::decode(&*order(score).unwrap().command).unwrap().command;
        let Some(score_command::Command::Apply(apply)) = command else { panic!("{command:?}") };
        let status = apply.score.unwrap().status.unwrap();
        assert_eq!(status.scores[0].value(), 90, "the status of scores is their user's");
        for (kind, at) in
            [("mcl", "c"), ("mclset", "s"), ("placement", "t/p"), ("placementdecision", "t/d")]
        {
            assert!(delete(&Target::parse(&format!("{kind}/{at}")).unwrap()).is_ok());
        }
    }
}
