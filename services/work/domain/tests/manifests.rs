//! Bundles: what the hub checks of manifests before it promises to deliver them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use fleetlog_messages::work::Bundle;
use fleetlog_work_domain::Refusal;
use fleetlog_work_domain::manifests::{Flaw, FlawKind, check};

fn said(body: &str, count: u32) -> Bundle {
    Bundle { hash: String::new(), size: body.len() as u64, count }
}

fn manifest(name: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"d"}}}}"#
    )
}

fn flaw(body: &str, count: u32) -> Refusal {
    check(&said(body, count), body.as_bytes()).unwrap_err()
}

fn bad(index: usize, kind: FlawKind) -> Refusal {
    Refusal::BadManifest(Flaw { index, kind })
}

#[test]
fn a_good_bundle_passes() {
    let body = format!("[{},{}]", manifest("a"), manifest("b"));
    assert_eq!(check(&said(&body, 2), body.as_bytes()), Ok(()));
}

#[test]
fn the_same_object_twice_is_refused() {
    let body = format!("[{},{},{}]", manifest("a"), manifest("b"), manifest("a"));
    let object = "v1 ConfigMap d/a".to_owned();
    assert_eq!(flaw(&body, 3), bad(2, FlawKind::Again { first: 0, object }));
}

#[test]
fn a_manifest_that_nobody_could_find_again_is_refused() {
    let generated = r#"[{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"a-"}}]"#;
    assert_eq!(flaw(generated, 1), bad(0, FlawKind::GeneratedName));
    let nameless = r#"[{"apiVersion":"v1","kind":"Pod","metadata":{}}]"#;
    assert_eq!(flaw(nameless, 1), bad(0, FlawKind::Missing("metadata.name")));
    let kindless = r#"[{"apiVersion":"v1","metadata":{"name":"a"}}]"#;
    assert_eq!(flaw(kindless, 1), bad(0, FlawKind::Missing("kind")));
    assert_eq!(flaw("[7]", 1), bad(0, FlawKind::NoObject));
}

#[test]
fn a_bundle_is_what_was_said_of_it() {
    let body = format!("[{}]", manifest("a"));
    assert!(matches!(flaw(&body, 2), Refusal::OtherBundle { .. }));
    let longer = Bundle { size: 1, ..said(&body, 1) };
    assert!(matches!(check(&longer, body.as_bytes()), Err(Refusal::OtherBundle { .. })));
    assert!(matches!(flaw("{}", 1), Refusal::OtherBundle { .. }));
    assert_eq!(flaw("[]", 0), Refusal::NoManifests);
}

#[test]
fn every_refusal_of_a_manifest_names_it() {
    let sentence = flaw("[7]", 1).sentence();
    assert_eq!(sentence, "\"manifests[0]\" is no object");
}
