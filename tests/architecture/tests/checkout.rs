//! Every rule over this checkout: no offence, or each one by name.

use fleetlog_architecture_tests::{
    Offence, arrows, calls, caps, checkout, folders, heads, modules, purity, subjects, testing,
};

fn none(offences: &[Offence]) {
    let lines: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} offences:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn packages_name_only_what_their_place_allows() {
    none(&arrows::check(&checkout()));
}

#[test]
fn pure_packages_reach_no_io_no_clock_and_no_chance() {
    none(&purity::check(&checkout()));
}

#[test]
fn functions_files_and_lines_keep_their_caps() {
    none(&caps::check(&checkout()));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    none(&heads::check(&checkout()));
}

#[test]
fn every_folder_says_what_lives_there() {
    none(&folders::check(&checkout()));
}

#[test]
fn every_file_is_compiled() {
    none(&modules::check(&checkout()));
}

#[test]
fn calls_with_one_place_are_made_there() {
    none(&calls::check(&checkout()));
}

#[test]
fn subjects_are_spelled_in_one_module() {
    none(&subjects::check(&checkout()));
}

#[test]
fn tests_run_wait_for_conditions_and_can_fail() {
    none(&testing::check(&checkout()));
}
