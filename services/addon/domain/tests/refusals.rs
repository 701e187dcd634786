//! The words of refusals: every one has a code of its own, a sentence as people read them, an
//! advice, and a page in the runbooks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use fleetlog_addon_domain::Refusal;
use fleetlog_kernel::dns_label;
use fleetlog_messages::common;
use fleetlog_rules::finalizers::Late;
use fleetlog_rules::labels::{LabelError, SelectorError};
use std::collections::BTreeSet;
use std::path::Path;

fn all() -> Vec<Refusal> {
    let text = || "x".to_owned();
    vec![
        Refusal::NoSuchCluster { cluster: text() },
        Refusal::NoDefinition { name: text() },
        Refusal::Name(dns_label("X").unwrap_err()),
        Refusal::Outdated { object: text(), given: text(), current: text() },
        Refusal::BeingDeleted { object: text() },
        Refusal::NotFound { object: text() },
        Refusal::NotForUsers { command: "InstallAddOn" },
        Refusal::Misaddressed { given: text(), addressed: text() },
        Refusal::Incomplete { missing: "spec" },
        Refusal::Label(LabelError { text: text(), what: "key" }),
        Refusal::Selector(SelectorError::Text { text: text(), rule: "is none" }),
        Refusal::Kind { kind: text() },
        Refusal::Config { resource: text() },
        Refusal::Rollout { placement: text(), reason: text() },
        Refusal::NoPlacements,
        Refusal::Registration { kind: text() },
        Refusal::PreDelete { manifest: text() },
        Refusal::Hosted { add_on: text(), host: text() },
        Refusal::InstallNamespace { namespace: text() },
        Refusal::Lifecycle { lifecycle: text() },
        Refusal::NoManifests,
        Refusal::Manifest { index: 0, rule: text() },
        Refusal::TooLarge { size: 2, limit: 1 },
        Refusal::Late(Late { finalizers: vec![text()] }),
        Refusal::StatusTooLarge { size: 2, limit: 1 },
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
