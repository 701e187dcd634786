//! Every rule over a folder that breaks it: the offender is named, its neighbours are not.
#![allow(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use fleetlog_architecture_tests::{
    Offence, arrows, calls, caps, folders, heads, modules, purity, subjects, testing,
};
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (place, text) in files {
        let path = folder.path().join(place);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

/// The places and words of the offences that a rule finds in these files.
fn found(rule: impl Fn(&Path) -> Vec<Offence>, files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let offences = rule(folder.path());
    offences.iter().map(ToString::to_string).collect()
}

/// The one offence there is, holding these words.
fn one(offences: &[String], words: &[&str]) {
    assert_eq!(offences.len(), 1, "{offences:#?}");
    for word in words {
        assert!(offences[0].contains(word), "no \"{word}\" in: {}", offences[0]);
    }
}

fn package(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lints]\nworkspace = true\n\n[dependencies]\n{dependencies}\n"
    )
}

#[test]
fn a_service_that_names_another_is_reported() {
    let work = package("work", "bus.workspace = true\nplacement.workspace = true");
    let (bus, placement) = (package("bus", ""), package("placement", ""));
    let offences = found(
        arrows::check,
        &[
            ("services/work/Cargo.toml", &work),
            ("services/bus/Cargo.toml", &bus),
            ("services/placement/Cargo.toml", &placement),
        ],
    );
    one(&offences, &["services/work/Cargo.toml", "services/placement"]);
}

#[test]
fn a_domain_that_names_the_bus_is_reported_in_every_form() {
    let bus = package("bus", "");
    for form in [
        "bus = { path = \"../../bus\" }",
        "\n[dev-dependencies]\nbus.workspace = true",
        "\n[dependencies.bus]\npath = \"../../bus\"",
        "\n[build-dependencies]\n\"bus\" = \"1\"",
    ] {
        let domain = package("work-domain", form);
        let offences = found(
            arrows::check,
            &[("services/work/domain/Cargo.toml", &domain), ("services/bus/Cargo.toml", &bus)],
        );
        one(&offences, &["services/work/domain", "services/bus"]);
    }
}

#[test]
fn a_package_without_the_lints_is_reported() {
    let lax = package("rules", "").replace("[lints]\nworkspace = true", "");
    let offences = found(arrows::check, &[("schemas/rules/Cargo.toml", &lax)]);
    one(&offences, &["schemas/rules", "lints"]);
}

#[test]
fn a_pure_package_that_reaches_a_random_source_through_another_is_reported() {
    let plain = |name: &str, dependencies: &str| {
        package(name, dependencies).replace("[lints]\nworkspace = true", "")
    };
    let rules = plain("rules", "middle = { path = \"../../vendor/middle\" }");
    let middle = plain("middle", "getrandom = { path = \"../getrandom\" }");
    let random = plain("getrandom", "");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"schemas/rules\"]\n";
    let offences = found(
        purity::check,
        &[
            ("Cargo.toml", workspace),
            ("schemas/rules/Cargo.toml", &rules),
            ("schemas/rules/src/lib.rs", ""),
            ("vendor/middle/Cargo.toml", &middle),
            ("vendor/middle/src/lib.rs", ""),
            ("vendor/getrandom/Cargo.toml", &random),
            ("vendor/getrandom/src/lib.rs", ""),
        ],
    );
    one(&offences, &["schemas/rules", "reaches getrandom"]);
}

#[test]
fn a_pure_package_that_cannot_be_resolved_is_reported() {
    let broken = package("kernel", "no-such-crate = { path = \"nowhere\" }");
    let offences = found(
        purity::check,
        &[
            ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"schemas/kernel\"]\n"),
            ("schemas/kernel/Cargo.toml", &broken),
            ("schemas/kernel/src/lib.rs", ""),
        ],
    );
    one(&offences, &["schemas/kernel", "cannot be resolved alone"]);
}

#[test]
fn a_long_function_a_long_file_and_a_wide_line_are_reported_also_in_generated_files() {
    let body = "    let _ = \"}\"; // }\n".repeat(70);
    let long = format!("//! A file of a test.\nfn short() {{}}\nfn long() {{\n{body}}}\n");
    one(&found(caps::check, &[("a/src/lib.rs", &long)]), &["a/src/lib.rs:3", "fn long", "72"]);
    let file = "// x\n".repeat(501);
    let generated = "a/src/generated/x.rs";
    one(&found(caps::check, &[(generated, &file)]), &[generated, "501 lines"]);
    let wide = format!("//! {}\n", "ä".repeat(97));
    one(&found(caps::check, &[("a/build.rs", &wide)]), &["a/build.rs:1", "101 columns"]);
}

#[test]
fn tests_do_not_count_for_the_size_of_a_file() {
    let tests = "    // x\n".repeat(400);
    let text = format!("{}#[cfg(test)]\nmod tests {{\n{tests}}}\n", "// x\n".repeat(400));
    assert_eq!(found(caps::check, &[("a/src/lib.rs", &text)]), Vec::<String>::new());
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_is_reported() {
    for silent in ["use x;\n", "//!\n", "// A comment of its own.\n", ""] {
        let good = ("a/src/lib.rs", "//! A good beginning.\n");
        one(&found(heads::check, &[good, ("a/src/x.rs", silent)]), &["a/src/x.rs:1"]);
    }
}

#[test]
fn a_folder_without_a_readme_and_a_stranger_at_the_top_are_reported() {
    let manifest = package("core", "");
    let offences = found(
        folders::check,
        &[
            ("agents/README.md", "x"),
            ("agents/cluster/README.md", "x"),
            ("agents/cluster/src/lib.rs", ""),
            ("agents/cluster/core/Cargo.toml", &manifest),
        ],
    );
    one(&offences, &["agents/cluster/core", "README"]);
    one(&found(folders::check, &[("agents/cluster/README.md", "")]), &["agents: has no README"]);
    one(&found(folders::check, &[("TODO.txt", "")]), &["TODO.txt", "does not belong"]);
    let long = "x\n".repeat(61);
    one(&found(folders::check, &[("ops/README.md", &long)]), &["ops", "61 lines"]);
}

#[test]
fn a_file_that_no_module_leads_to_is_reported() {
    let manifest = package("a", "");
    let offences = found(
        modules::check,
        &[
            ("a/Cargo.toml", &manifest),
            ("a/src/lib.rs", "//! mod lost;\npub mod one;\n#[cfg(test)]\nmod two;\n"),
            ("a/src/one.rs", "pub(crate) mod below;"),
            ("a/src/one/below.rs", ""),
            ("a/src/two/mod.rs", ""),
            ("a/src/lost.rs", ""),
            ("a/tests/suite/main.rs", "mod part;"),
            ("a/tests/suite/part.rs", ""),
            ("a/tests/alone.rs", ""),
        ],
    );
    one(&offences, &["a/src/lost.rs", "mod"]);
}

#[test]
fn every_forbidden_call_is_reported_outside_its_place() {
    for call in [
        "tokio::spawn(async {})",
        "tokio::task::spawn(async {})",
        "SystemTime::now()",
        "chrono::Utc::now()",
        "Uuid::new_v4()",
        "Uuid::now_v7()",
        "std::time::Instant::now()",
        "x.unwrap()",
        "x.expect(\"y\")",
        "panic!(\"y\")",
        "todo!()",
    ] {
        let text = format!("//! Never `{call}`.\nfn f() {{\n    {call};\n}}\n");
        let offences = found(calls::check, &[("services/x/src/lib.rs", &text)]);
        one(&offences, &["services/x/src/lib.rs:3"]);
    }
}

#[test]
fn what_chance_decides_is_reported() {
    let unbiased =
        "//! x\nasync fn f() {\n    tokio::select! {\n        () = a() => {}\n    }\n}\n";
    let watch = "//! x\nuse std::fmt;\nuse tokio::sync::{Mutex, watch};\n";
    for text in [unbiased, watch] {
        let offences = found(calls::check, &[("services/x/src/lib.rs", text)]);
        one(&offences, &["services/x/src/lib.rs:3", "chance"]);
    }
    let biased = unbiased.replace("select! {\n", "select! {\n        biased;\n");
    let fine = [("a/src/lib.rs", biased.as_str()), ("services/bus/src/jetstream/link.rs", watch)];
    assert_eq!(found(calls::check, &fine), Vec::<String>::new());
}

#[test]
fn calls_that_only_look_forbidden_are_not_reported() {
    let text = r#"//! x
use tokio::time::Instant;
fn f() {
    let a = Instant::now();
    set.spawn(a);
    x.unwrap_or_default();
    y("panic!("); // todo!()
    my_tokio::task::spawned(a);
}
#[cfg(test)]
mod tests {
    fn g() { x.unwrap() }
}
"#;
    assert_eq!(found(calls::check, &[("a/src/lib.rs", text)]), Vec::<String>::new());
    let apart = [
        ("a/src/lib.rs", "//! x\n#[cfg(test)]\nmod apart;\n"),
        ("a/src/apart.rs", "//! x\nfn f() { x.unwrap() }\n"),
    ];
    assert_eq!(found(calls::check, &apart), Vec::<String>::new());
    let in_test = "//! x\nfn g() {\n    x.expect(\"y\");\n}\n";
    assert_eq!(found(calls::check, &[("a/tests/t.rs", in_test)]), Vec::<String>::new());
}

#[test]
fn a_subject_spelled_outside_its_module_is_reported() {
    let text = "//! fl.ev.x in a comment.\nfn f() {\n    send(format!(\"fl.{x}.y\"));\n}\n";
    one(&found(subjects::check, &[("services/x/src/lib.rs", text)]), &["services/x/src/lib.rs:3"]);
    let home = ("schemas/messages/src/subject.rs", text);
    let other = ("ops/cli/src/lib.rs", "fn f() { open(\"a.tfl.x\", \"fleetlog\", \"fl\") }");
    assert_eq!(found(subjects::check, &[home, other]), Vec::<String>::new());
}

#[test]
fn an_ignored_a_sleeping_and_an_idle_test_are_reported() {
    let test = |body: &str| format!("//! x\n#[test]\nfn t() {{\n    {body}\n}}\n");
    let ignored = test("assert!(x);").replace("#[test]", concat!("#[test]\n#[", "ignore]"));
    one(&found(testing::check, &[("a/tests/t.rs", &ignored)]), &["a/tests/t.rs:3", "ignored"]);
    let sleeping = test("tokio::time::sleep(a).await;\n    assert!(x);");
    one(&found(testing::check, &[("a/tests/t.rs", &sleeping)]), &["a/tests/t.rs:4", "sleeps"]);
    let paused = sleeping.replace("#[test]", "#[tokio::test(start_paused = true)]");
    assert_eq!(found(testing::check, &[("a/tests/t.rs", &paused)]), Vec::<String>::new());
    let nap = "//! x\nasync fn nap() {\n    sleep(a).await;\n}\n";
    let naps = |clock: &str| {
        let shared = "async fn t() { nap().await; assert!(x); }\n";
        found(testing::check, &[("a/tests/t.rs", &format!("{nap}#[tokio::test{clock}]\n{shared}"))])
    };
    assert_eq!(naps("(start_paused = true)"), Vec::<String>::new());
    one(&naps(""), &["a/tests/t.rs:3", "sleeps"]);
    let idle = test("let _ = f();");
    one(&found(testing::check, &[("a/tests/t.rs", &idle)]), &["a/tests/t.rs:3", "fn t"]);
    let through = format!("{}fn f() {{ g() }}\nfn g() {{ assert!(x) }}\n", test("f();"));
    assert_eq!(found(testing::check, &[("a/tests/t.rs", &through)]), Vec::<String>::new());
}
