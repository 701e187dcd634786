//! The words of refusals: every one has a code of its own, a sentence as people read them, an
//! advice, and a page in the runbooks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use fleetlog_kernel::dns_label;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::LabelError;
use fleetlog_work_domain::Refusal;
use fleetlog_work_domain::manifests::{Flaw, FlawKind};
use std::collections::BTreeSet;
use std::path::Path;

fn all() -> Vec<Refusal> {
    let text = || "x".to_owned();
    vec![
        Refusal::NoSuchCluster { cluster: text() },
        Refusal::NoManifests,
        Refusal::TooLarge { size: 2, limit: 1 },
        Refusal::BadName(dns_label("X").unwrap_err()),
        Refusal::Outdated { object: text(), given: text(), current: text() },
        Refusal::OwnedByReplicaSet { work: text(), owner: text() },
        Refusal::OwnedByAddOn { work: text(), add_on: text() },
        Refusal::BeingDeleted { object: text() },
        Refusal::NotFound { object: text() },
        Refusal::OtherGeneration { reported: 1, current: 2 },
        Refusal::NotForUsers { command: "Summarize" },
        Refusal::Misaddressed { given: text(), addressed: text() },
        Refusal::NoBundle { hash: text() },
        Refusal::OtherBundle { difference: text() },
        Refusal::BadManifest(Flaw { index: 0, kind: FlawKind::NoObject }),
        Refusal::NoPlacements,
        Refusal::BadRollout { placement: text(), reason: text() },
        Refusal::Incomplete { missing: "spec" },
        Refusal::BadSelector { selector: text(), reason: text() },
        Refusal::BadBody { reason: text() },
        Refusal::BadLabel(LabelError { text: text(), what: "key" }),
        Refusal::ReportTooLarge { size: 2, limit: 1 },
        Refusal::CommandTooLarge { size: 2, limit: 1 },
        Refusal::OutOfReach { reason: text() },
        Refusal::UnknownKind { kind: text() },
        Refusal::Late(Late { finalizers: vec![text()] }),
    ]
}

#[test]
fn every_refusal_has_a_code_of_its_own_and_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ops/runbooks");
    let codes: BTreeSet<&str> = all().iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), all().len());
    for code in codes {
        assert!(pages.join(format!("{code}.md")).is_file(), "{code} has no page");
    }
}

#[test]
fn the_words_are_sentences_without_capitals_and_full_stops() {
    for refusal in all() {
        let words = common::Refusal::from(&refusal);
        for text in [&words.sentence, &words.advice] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", words.code);
            assert!(!text.starts_with(char::is_uppercase), "{}: {text}", words.code);
        }
    }
}
