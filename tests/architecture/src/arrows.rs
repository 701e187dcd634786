//! Which package of the workspace may name which (ARCHITECTURE.md), and that each
//! takes the workspace's lints. Foreign crates are the purity rule's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::{Manifest, packages};
use crate::offence::Offence;

const RULE: &str = "arrows";

/// Packages that decide or describe: they name the language only.
const LANGUAGE: [&str; 4] =
    ["schemas/kernel", "schemas/messages", "schemas/objects", "schemas/rules"];

/// What the tests of a package outside `tests/` may name beside what it ships with.
const FOR_TESTS: [&str; 4] = ["tests/support", "ops/topology", "ops/tools", "agents/simcluster"];

/// Packages that name what they should not.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    let packages = packages(root);
    let folders: BTreeMap<&str, &str> =
        packages.iter().map(|package| (&*package.name, &*package.folder)).collect();
    packages.iter().flat_map(|package| offences(package, &folders)).collect()
}

fn offences(package: &Manifest, folders: &BTreeMap<&str, &str>) -> Vec<Offence> {
    let targets = |names: &[String]| -> Vec<String> {
        names.iter().filter_map(|name| folders.get(&**name)).map(|f| (*f).to_owned()).collect()
    };
    let wrong = |target: &String| format!("may not name {target}");
    let shipped = targets(&package.names).into_iter();
    let shipped = shipped.filter(|target| !may_name(&package.folder, target));
    let tested = targets(&package.names_in_tests).into_iter().filter(|target| {
        !may_name(&package.folder, target) && !may_name_in_tests(&package.folder, target)
    });
    let mut found: Vec<Offence> = shipped
        .chain(tested)
        .map(|target| Offence::of(RULE, package.place(), wrong(&target)))
        .collect();
    if !package.lints {
        found.push(Offence::of(RULE, package.place(), "does not take the workspace's lints"));
    }
    found
}

/// Whether a folder below a service or an agent is its pure part. The service of plain objects has
/// its name from what Kubernetes calls them.
pub(crate) fn is_pure(folder: &str) -> bool {
    folder.ends_with("/domain") || (folder.ends_with("/core") && folder != "services/core")
}

fn may_name(from: &str, to: &str) -> bool {
    let among = |allowed: &[&str]| allowed.contains(&to);
    let pure = is_pure(from);
    match from {
        _ if from == to => true,
        "schemas/kernel" => false,
        "schemas/messages" => among(&["schemas/kernel"]),
        "schemas/objects" | "schemas/rules" => among(&["schemas/kernel", "schemas/messages"]),
        _ if pure => LANGUAGE.contains(&to),
        "services/bus" => among(&["schemas/kernel", "schemas/messages"]),
        "services/chassis" => LANGUAGE.contains(&to) || among(&["services/bus"]),
        "agents/simcluster" => LANGUAGE.contains(&to),
        "ops/tools" => among(&["schemas/kernel"]),
        "ops/topology" => LANGUAGE.contains(&to) || among(&["services/bus", "ops/tools"]),
        "ops/xtask" => !to.starts_with("tests/") || to == "tests/support",
        "ops/cli" => !to.starts_with("tests/") && !to.ends_with("/domain") && to != "ops/xtask",
        _ if from.starts_with("services/") || from.starts_with("agents/") => shell(from, to),
        _ => from.starts_with("tests/"),
    }
}

/// A shell stands on the language, the bus, the chassis and its own core.
fn shell(from: &str, to: &str) -> bool {
    LANGUAGE.contains(&to)
        || ["services/bus", "services/chassis"].contains(&to)
        || to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/'))
}

fn may_name_in_tests(from: &str, to: &str) -> bool {
    let pure = is_pure(from) || from.starts_with("schemas/");
    (!pure && FOR_TESTS.contains(&to)) || (from == "ops/topology" && to == "schemas/messages")
}
