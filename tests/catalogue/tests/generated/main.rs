//! Generated files are exactly what the protos say, no more and no less.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod golden;

use fleetlog_catalogue_tests::reference;
use fleetlog_xtask::{catalogue, covered};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn every_generated_file_is_committed_as_it_is_generated() {
    let root = root();
    let generated = catalogue::generate(&root).unwrap();
    assert!(generated.len() > 20, "the generator made only {} files", generated.len());
    for (path, text) in &generated {
        let committed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(
            committed == *text,
            "{} is not what the protos say; write it with: cargo xtask catalogue",
            path.display()
        );
    }
}

#[test]
fn nothing_else_lies_in_the_generated_folder() {
    let root = root();
    let generated: BTreeSet<_> = catalogue::generate(&root).unwrap().into_keys().collect();
    let committed: BTreeSet<_> = catalogue::committed(&root).unwrap().into_iter().collect();
    let stray: Vec<_> = committed.difference(&generated).collect();
    assert!(stray.is_empty(), "not generated: {stray:?}");
}

#[test]
fn the_committed_list_of_covered_behaviours_is_true() {
    let root = root();
    let found = covered::text(&covered::find(&root).unwrap()).unwrap();
    let committed = std::fs::read_to_string(root.join(covered::FILE)).unwrap_or_default();
    let file = covered::FILE;
    assert!(committed == found, "{file} is not true any more; write it: cargo xtask catalogue");
}

#[test]
fn the_reference_page_says_what_the_code_says() {
    let page = reference::page(&root()).unwrap();
    let committed = std::fs::read_to_string(root().join(reference::FILE)).unwrap_or_default();
    let file = reference::FILE;
    assert!(committed == page, "{file} is not true any more; write it: cargo xtask catalogue");
    for known in ["`fl.ev.>`", "`Fl-Schema`", "| EVENTS |", "`BindingUnbound`", "`AcceptCluster`"] {
        assert!(page.contains(known), "{known} is not on the page");
    }
    for schema in fleetlog_messages::EVENTS {
        assert!(page.contains(&format!("### {}", schema.name)), "{}", schema.name);
        assert!(schema.types.iter().all(|kind| page.contains(&format!("| `{kind}` |"))));
    }
}

#[test]
fn every_kind_has_a_schema_with_its_fields() {
    let schema: serde_json::Value = serde_json::from_str(fleetlog_messages::SCHEMA).unwrap();
    for kind in fleetlog_messages::KINDS {
        let properties = &schema["definitions"][kind.message]["properties"];
        for field in ["apiVersion", "kind", "metadata"] {
            assert!(properties.get(field).is_some(), "{} lacks {field}", kind.message);
        }
        assert!(properties.get("empties").is_none(), "{} shows empties", kind.message);
    }
}
