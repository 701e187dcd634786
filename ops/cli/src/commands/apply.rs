//! `apply`: everything is read and checked, then manifests and commands are sent, in an order in
//! which each finds what it refers to.

use crate::args::{ApplyArgs, DryRun, Output};
use crate::documents::{self, Given, Source};
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::kinds;
use crate::orders::{self, How, Order};
use crate::print::objects::{Layout, Listing, render};
use crate::print::{line, out};
use crate::target::Target;
use std::fmt;

/// What an apply did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none.
    Created,
    /// It was changed.
    Configured,
    /// It was so already.
    Unchanged,
}

/// An object that was applied; durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which object.
    pub target: Target,
    /// What was done to it.
    pub change: Change,
    /// The EVENTS sequence that it stands at.
    pub position: u64,
}

impl fmt::Display for Applied {
    /// As kubectl says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self.change {
            Change::Created => "created",
            Change::Configured => "configured",
            Change::Unchanged => "unchanged",
        };
        write!(f, "{} {change}", self.target.full_name())
    }
}

/// The order in which kinds are sent: what is referred to goes first.
const ORDER: [&str; 20] = [
    "namespace",
    "crd",
    "serviceaccount",
    "secret",
    "configmap",
    "clusterrole",
    "clusterrolebinding",
    "role",
    "rolebinding",
    "clusterset",
    "binding",
    "cluster",
    "score",
    "placement",
    "manifestwork",
    "replicaset",
    "template",
    "addondeploymentconfig",
    "definition",
    "clusteraddon",
];

/// `fleetlog apply`.
///
/// # Errors
/// Everything that is wrong with the documents, before anything is sent; or the first refusal.
pub async fn run(args: ApplyArgs, open: impl AsyncFnOnce() -> Result<Hub, Failure>) -> Done {
    let sources = documents::sources(&args.filename)?;
    let orders = prepare(&sources, args.namespace.as_deref())?;
    let output = args.output.output;
    let dry_run = args.dry_run.dry_run;
    if dry_run != DryRun::None && matches!(output, Output::Json | Output::Yaml) {
        let advice = "leave -o away, or use -o name";
        return Err(Failure::usage("a dry run has no objects to print", advice));
    }
    let hub = open().await?;
    if dry_run != DryRun::None {
        return try_all(&hub, orders, (dry_run, output)).await;
    }
    let mut told = |applied: &Applied| match output {
        Output::Table | Output::Wide => line(&applied.to_string()),
        Output::Name => line(&applied.target.full_name()),
        Output::Json | Output::Yaml => {}
    };
    let applied = apply_documents(&hub, orders, &mut told).await?;
    if matches!(output, Output::Json | Output::Yaml) {
        let single = applied.len() == 1;
        let mut listings = vec![];
        for Applied { target, .. } in applied {
            let Target { info, namespace, name } = target;
            let found = hub.object(info, namespace.as_deref(), &name, Bodies::Wanted).await?;
            listings.push(Listing { info, objects: found.into_iter().collect() });
        }
        out(&render(&listings, output, single, Layout::default(), hub.now()));
    }
    Ok(())
}

/// Reads and checks texts, and makes the command of each object, in the order of sending.
///
/// # Errors
/// Everything that is wrong.
pub fn prepare(sources: &[Source], namespace: Option<&str>) -> Result<Vec<Order>, Failure> {
    let given: Vec<Given> = documents::read(sources, namespace)?;
    let (mut ready, mut wrong) = (vec![], vec![]);
    for given in given {
        match orders::apply(given, &How::default()) {
            Ok(order) => ready.push(order),
            Err(failure) => wrong.push(failure),
        }
    }
    let place = |order: &Order| ORDER.iter().position(|token| *token == order.target.info.token);
    ready.sort_by_key(place);
    Failure::all(wrong).map_or(Ok(ready), Err)
}

/// Sends orders one after the other, each durable before the next, and tells each.
///
/// # Errors
/// The first refusal; what comes after it was not sent, and is counted in the sentence.
pub async fn apply_documents(
    hub: &Hub,
    orders: Vec<Order>,
    told: &mut (dyn FnMut(&Applied) + Send),
) -> Result<Vec<Applied>, Failure> {
    let all = orders.len();
    let mut done = vec![];
    for order in orders {
        let reference = order.target.reference();
        match send(hub, order).await {
            Ok(applied) => {
                told(&applied);
                done.push(applied);
            }
            Err(failure) => {
                let left = all - done.len() - 1;
                let place = match left {
                    0 => reference,
                    left => format!("{reference} ({left} after it not sent)"),
                };
                return Err(failure.at(&place));
            }
        }
    }
    Ok(done)
}

/// Tries each order by itself, and tells what would come of it: what one before it would make is
/// not there.
async fn try_all(hub: &Hub, orders: Vec<Order>, (how, output): (DryRun, Output)) -> Done {
    let mut wrong = vec![];
    for order in orders {
        let (reference, name) = (order.target.reference(), order.target.full_name());
        match try_out(hub, order, how).await {
            Ok(_) if output == Output::Name => line(&name),
            Ok(applied) => line(&format!("{applied}{}", how.words())),
            Err(failure) => wrong.push(failure.at(&reference)),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}

/// What would come of an order: by what there is, or by who decides.
///
/// # Errors
/// The refusal, or a hub that does not answer.
pub async fn try_out(hub: &Hub, order: Order, how: DryRun) -> Result<Applied, Failure> {
    let (target, position) = (order.target.clone(), 0);
    let namespace = target.namespace.as_deref();
    let before = hub.object(target.info, namespace, &target.name, Bodies::LeftOut).await?;
    let mut change = if before.is_none() { Change::Created } else { Change::Configured };
    if how == DryRun::Server {
        let aggregate = kinds::aggregate(target.info, namespace, &target.name)?;
        let (command, beside) = order.into_trial();
        if hub.try_out(&aggregate, command, beside).await?.is_empty() {
            change = Change::Unchanged;
        }
    }
    Ok(Applied { target, change, position })
}

/// Hands the manifests over, then sends the command.
///
/// # Errors
/// The refusal, or a hub that does not answer.
pub async fn send(hub: &Hub, order: Order) -> Result<Applied, Failure> {
    let Order { target, mut command, bundle, values } = order;
    let namespace = target.namespace.as_deref();
    // Asked first for two reasons: to tell "created" from "configured", and because the answer
    // waits until this object's service has heard of everything that was sent before.
    let before = hub.object(target.info, namespace, &target.name, Bodies::LeftOut).await?;
    if let Some(body) = bundle {
        hub.client().put_blob(body.into()).await?;
    }
    if let Some(values) = values {
        command = fleetlog_objects::with_sealed(&command, hub.client().seal(values).await?);
    }
    let aggregate = kinds::aggregate(target.info, namespace, &target.name)?;
    let (position, types) = hub.command(&aggregate, command).await?;
    let change = match (before, types.is_empty()) {
        (_, true) => Change::Unchanged,
        (None, false) => Change::Created,
        (Some(_), false) => Change::Configured,
    };
    Ok(Applied { target, change, position })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTS: &str = r"
apiVersion: work.open-cluster-management.io/v1alpha1
kind: ManifestWorkReplicaSet
metadata: {name: r, namespace: t}
spec:
  placementRefs: [{name: p}]
  manifestWorkTemplate:
    workload: {manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}]}
---
apiVersion: cluster.open-cluster-management.io/v1beta1
kind: Placement
metadata: {name: p, namespace: t}
spec: {}
---
apiVersion: cluster.open-cluster-management.io/v1beta2
kind: ManagedClusterSet
metadata: {name: s}
";

    fn source(text: &str) -> [Source; 1] {
        [Source { name: "f".into(), text: text.into() }]
    }

    #[test]
    fn kinds_may_stand_in_any_order_and_are_sent_in_one_that_works() {
        let orders = prepare(&source(DOCUMENTS), None).unwrap();
        let references: Vec<String> = orders.iter().map(|o| o.target.reference()).collect();
        assert_eq!(
            references,
            ["ManagedClusterSet/s", "Placement/t/p", "ManifestWorkReplicaSet/t/r"]
        );
        let (with, without): (Vec<&Order>, _) = orders.iter().partition(|o| o.bundle.is_some());
        assert_eq!((with.len(), without.len()), (1, 2));
    }

    #[test]
    fn what_was_done_is_said_as_kubectl_says_it() {
        let target = Target::parse("placement/t/p").unwrap();
        let applied = Applied { target, change: Change::Configured, position: 7 };
        let words = "placement.cluster.open-cluster-management.io/p configured";
        assert_eq!(applied.to_string(), words);
    }

    #[test]
    fn the_demos_files_are_taken() {
        let demo = [
            include_str!("../../demo/fleet.yaml"),
            include_str!("../../demo/clusters.yaml"),
            include_str!("../../demo/boutique.yaml"),
        ];
        for text in demo {
            assert!(!prepare(&source(text), None).unwrap().is_empty());
        }
        let orders = prepare(&source(demo[2]), None).unwrap();
        let body: Vec<serde_json::Value> =
            serde_json::from_slice(orders[0].bundle.as_ref().unwrap()).unwrap();
        assert_eq!(body.len(), 35);
    }
}
