//! Golden bytes: each message has them in the shape of now, what was ever written still reads as it
//! did, by the protos and in Rust. Nothing here writes into the checkout.

use super::root;
use fleetlog_messages::upcast::MessageInfo;
use fleetlog_xtask::golden::{self, Golden, Messages, Sample};
use std::collections::BTreeSet;
use std::path::Path;

fn messages() -> Messages {
    Messages::compile(&root()).unwrap()
}

fn each(golden: &Golden) -> impl Iterator<Item = (&str, &Sample)> {
    golden.iter().flat_map(|(name, files)| files.iter().flatten().map(move |s| (name.as_str(), s)))
}

#[test]
fn every_message_has_golden_bytes_in_its_shape_of_now() {
    let missing = golden::missing(&messages(), &golden::kept(&root()).unwrap()).unwrap();
    let names: Vec<&String> = missing.keys().collect();
    assert!(names.is_empty(), "no golden bytes of {names:?}; write them with: cargo xtask golden");
}

#[test]
fn golden_bytes_read_as_they_did_when_they_were_written() {
    let (messages, golden) = (messages(), golden::kept(&root()).unwrap());
    assert!(each(&golden).count() > 300, "few golden samples were found");
    for (name, sample) in each(&golden) {
        let read = messages.read(name, &sample.bytes);
        let read = read.unwrap_or_else(|error| panic!("{name} ({}): {error:#}", sample.case));
        assert_eq!(read, sample.reads, "{name} ({}) reads differently now", sample.case);
    }
}

#[test]
fn rust_reads_golden_bytes_without_losing_any() {
    for (name, sample) in each(&golden::kept(&root()).unwrap()) {
        let message = MessageInfo::named(name).unwrap_or_else(|| panic!("no Rust of {name}"));
        let again = (message.again)(&sample.bytes).unwrap();
        assert_eq!(again, sample.bytes, "{name} ({})", sample.case);
    }
}

#[test]
fn the_samples_are_of_every_message_and_fill_every_field() {
    let messages = messages();
    let samples = messages.samples().unwrap();
    let known: BTreeSet<&str> = fleetlog_messages::MESSAGES.iter().map(|m| m.name).collect();
    assert_eq!(samples.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for (name, samples) in samples {
        let filled = samples.iter().filter_map(|sample| sample.reads.as_object());
        let filled: BTreeSet<String> = filled.flat_map(|fields| fields.keys().cloned()).collect();
        assert_eq!(filled, messages.fields(&name), "{name}");
    }
}

#[test]
fn a_field_that_was_lost_or_renamed_is_noticed() {
    let (messages, taint) = (messages(), "fleetlog.registration.v1.ClusterDeleted");
    assert_eq!(messages.read(taint, b"\x0a\x02by").unwrap()["by"], "by");
    let lost = messages.read(taint, b"\x12\x02by").unwrap_err();
    assert!(lost.to_string().contains("has no fields [2] any more"), "{lost}");
    let gone = messages.read("fleetlog.work.v1.Gone", b"").unwrap_err();
    assert!(gone.to_string().contains("fleetlog.work.v1.Gone"), "{gone}");
}

#[test]
fn what_is_missing_is_written_and_what_is_there_stays() {
    let copy = tempfile::tempdir().unwrap();
    let (root, folder) = (root(), copy.path().join(golden::FOLDER));
    copy_all(&root.join("schemas/proto"), &copy.path().join("schemas/proto"));
    copy_all(&root.join(golden::FOLDER), &folder);
    let gone = "fleetlog.common.v1.Commit.1.jsonl";
    std::fs::remove_file(folder.join(gone)).unwrap();
    let kept = folder.join("fleetlog.common.v1.Refusal.1.jsonl");
    let other = "{\"bytes\":\"0a0178\",\"case\":\"\",\"reads\":{\"code\":\"x\"}}\n";
    std::fs::write(&kept, other).unwrap();

    let written = golden::write(copy.path()).unwrap();

    let names: Vec<&str> = written.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, [gone, "fleetlog.common.v1.Refusal.2.jsonl"]);
    assert_eq!(std::fs::read_to_string(kept).unwrap(), other);
    let original = std::fs::read(root.join(golden::FOLDER).join(gone)).unwrap();
    assert_eq!(std::fs::read(folder.join(gone)).unwrap(), original);
    assert!(golden::write(copy.path()).unwrap().is_empty(), "the second time there is nothing");
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &there);
        } else {
            std::fs::copy(&path, &there).unwrap();
        }
    }
}
