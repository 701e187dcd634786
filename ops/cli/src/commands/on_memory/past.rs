//! Looking back: every kind, list and form as of a moment, the log up to it, and what differs
//! between two.

use super::{FLEET, Stage};
use crate::args::{DiffArgs, Output, OutputArgs, ScopeArgs};
use crate::as_of::AsOf;
use crate::commands::diff::{self, difference};
use crate::commands::get::get_past;
use crate::failure::Failure;
use crate::hub::Bodies;
use crate::print::objects::{Layout, render};
use crate::target::{Target, Wanted};
use crate::{kinds, log};
use fleetlog_kernel::Timestamp;

const ADDON: &str = "
apiVersion: addon.open-cluster-management.io/v1alpha1
kind: AddOnTemplate
metadata: {name: metrics}
spec:
  addonName: metrics
  agentSpec:
    workload:
      manifests:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: metrics, namespace: default}}
---
apiVersion: addon.open-cluster-management.io/v1alpha1
kind: ClusterManagementAddOn
metadata: {name: metrics}
spec:
  supportedConfigs:
  - group: addon.open-cluster-management.io
    resource: addontemplates
    defaultConfig: {name: metrics}
---
apiVersion: addon.open-cluster-management.io/v1alpha1
kind: ManagedClusterAddOn
metadata: {name: metrics, namespace: c1}
spec: {}
---
apiVersion: cluster.open-cluster-management.io/v1alpha1
kind: AddOnPlacementScore
metadata: {name: load, namespace: c1}
status: {scores: [{name: cpu, value: 90}]}
";

const PLAIN: &str = "
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}, stringData: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: shop}, data: {a: b}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, namespace: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: shop},
  rules: []}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding,
  metadata: {name: b, namespace: shop}, roleRef: {kind: Role, name: r}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: []}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b},
  roleRef: {kind: ClusterRole, name: r}}
---
{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: c},
  spec: {request: eA==, signerName: example.com/x, usages: [client auth]}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition,
  metadata: {name: things.example.com},
  spec: {group: example.com, names: {plural: things}}}
---
{apiVersion: addon.open-cluster-management.io/v1alpha1, kind: AddOnDeploymentConfig,
  metadata: {name: d, namespace: shop}, spec: {}}
";

const FORMS: [Output; 5] = [Output::Table, Output::Wide, Output::Json, Output::Yaml, Output::Name];

async fn end(stage: &Stage) -> u64 {
    AsOf::Now.position(&stage.hub).await.unwrap()
}

fn diff_args(object: &str, from: u64, to: Option<u64>) -> DiffArgs {
    DiffArgs {
        object: object.to_owned(),
        from: from.to_string(),
        to: to.map(|to| to.to_string()),
        output: OutputArgs::default(),
    }
}

#[tokio::test]
async fn every_kind_is_served_as_it_was_in_every_form() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    stage.apply(ADDON).await.unwrap();
    stage.apply(PLAIN).await.unwrap();
    stage.made_work().await;
    let scope = ScopeArgs { namespace: None, all_namespaces: true };
    let kinds: Vec<&str> = kinds::served().map(|info| info.plural).collect();
    let wanted = Wanted::parse(&[kinds.join(",")], &scope).unwrap();
    let at = end(&stage).await;
    let get = async |as_of| {
        let found = get_past(&stage.hub, &wanted, &scope, "", Bodies::Wanted, as_of).await.unwrap();
        let now = Timestamp::of_seconds(4_000_000_000);
        let shown = |form| render(&found.listings, form, false, Layout::default(), now);
        (FORMS.map(shown), found.listings)
    };
    let (before, listings) = get(AsOf::Position(at)).await;
    let empty = |found: &&crate::print::objects::Listing| found.objects.is_empty();
    let none: Vec<&str> = listings.iter().filter(empty).map(|l| l.info.kind).collect();
    assert_eq!(none, Vec::<&str>::new(), "of these kinds nothing was served");
    assert!(get(AsOf::Position(1)).await.1.iter().map(|l| l.objects.len()).sum::<usize>() <= 2);
    stage.apply(&FLEET.replace("region: east", "region: west")).await.unwrap();
    assert_eq!(get(AsOf::Position(at)).await.0, before, "what came later changes no past");
    let cluster = stage.get("mcl", "c1").await.unwrap();
    assert_eq!(cluster["metadata"]["labels"]["region"], "west");
    let late = get_past(&stage.hub, &wanted, &scope, "", Bodies::Wanted, AsOf::Position(9_999));
    assert_eq!(late.await.unwrap_err().code, "CHS0008");
}

#[tokio::test]
async fn the_log_ends_at_the_moment_that_is_asked_for() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let whole = log::read(&stage.hub, None, 1..=u64::MAX).await.unwrap();
    for until in [1, 3, end(&stage).await] {
        let then: Vec<_> = whole.iter().filter(|line| line.position <= until).cloned().collect();
        assert_eq!(log::read(&stage.hub, None, 1..=until).await.unwrap(), then);
    }
    let work = Target::parse("manifestwork/c1/hello").unwrap();
    let made = log::read(&stage.hub, Some(&work), 1..=u64::MAX).await.unwrap()[0].position;
    assert_eq!(log::read(&stage.hub, Some(&work), 1..=made).await.unwrap().len(), 1);
    let before = log::read(&stage.hub, Some(&work), 1..=made - 1).await;
    assert_eq!(before.unwrap_err().code, "CLI0006");
    assert_eq!(AsOf::Position(9_999).position(&stage.hub).await.unwrap_err().code, "CHS0008");
    assert_eq!(AsOf::Time(stage.hub.now()).position(&stage.hub).await.unwrap(), end(&stage).await);
}

#[tokio::test]
async fn what_changed_between_two_moments_is_told_with_its_events() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let from = end(&stage).await;
    stage.apply(&FLEET.replace("region: east", "region: west")).await.unwrap();
    let to = end(&stage).await;
    stage.apply(&FLEET.replace("region: east", "region: north")).await.unwrap();

    let found = difference(&diff_args("mcl/c1", from, Some(to)), &stage.hub).await.unwrap();
    let text = found.text(crate::print::paint::Paint::Off);
    assert!(text.contains("-    region: east\n+    region: west\n"), "{text}");
    assert!(!found.events.is_empty());
    assert!(found.events.iter().all(|line| line.object == "ManagedCluster/c1"));
    assert!(found.events.iter().all(|line| line.position > from && line.position <= to));
    let now = difference(&diff_args("mcl/c1", from, None), &stage.hub).await.unwrap();
    assert!(now.text(crate::print::paint::Paint::Off).contains("+    region: north\n"));
    let back = difference(&diff_args("mcl/c1", to, Some(from)), &stage.hub).await.unwrap();
    assert_eq!((back.from, back.to, back.events), (found.to, found.from, found.events));

    let args = diff_args("mcl/c1", from, None);
    let nowhere = diff::run(&args, async || Err(Failure::new("CLI0003", "no hub", ""))).await;
    assert_eq!(nowhere.unwrap_err().exit, 2, "1 is for what differs");
}

#[tokio::test]
async fn an_object_that_was_not_there_yet_is_made_by_its_difference() {
    let stage = Stage::new().await;
    stage.apply(FLEET).await.unwrap();
    let args = |object| diff_args(object, 1, None);
    let work = difference(&args("manifestwork/c1/hello"), &stage.hub).await.unwrap();
    assert_eq!((work.from.object, work.from.position), (None, 1));
    assert_eq!(work.to.object.unwrap()["metadata"]["name"], "hello");
    let nobody = difference(&args("mcl/nobody"), &stage.hub).await.unwrap_err();
    assert_eq!(nobody.code, "CLI0006");
    assert!(nobody.sentence.contains("at positions 1 and"), "{nobody}");
    let soon = DiffArgs { from: "soon".into(), ..args("mcl/c1") };
    assert_eq!(difference(&soon, &stage.hub).await.unwrap_err().code, "CLI0035");
}
