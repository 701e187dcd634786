//! What is decided about a cluster's reports: joining by the first one, claims kept and refused.

mod common;

use common::*;
use fleetlog_kernel::spec::given;
use fleetlog_registration_domain::command::ClusterCommand;
use fleetlog_registration_domain::{Cluster, Refusal};

#[test]
fn a_first_report_joins_and_is_kept_with_sorted_claims() {
    given::<Cluster>(taken())
        .at(NOW)
        .when(ClusterCommand::Report(facts(&[("b", "2"), ("a", "1")])))
        .then([joined(), reported(facts(&[("a", "1"), ("b", "2")]))]);
}

#[test]
fn the_same_report_again_is_no_event() {
    let known = [beating(), vec![reported(facts(&[("a", "1")]))]].concat();
    given::<Cluster>(known)
        .at(LATER)
        .when(ClusterCommand::Report(facts(&[("a", "1")])))
        .then_nothing();
}

#[test]
fn a_claim_that_is_gone_vanishes() {
    let known = [beating(), vec![reported(facts(&[("a", "1"), ("b", "2")]))]].concat();
    given::<Cluster>(known)
        .when(ClusterCommand::Report(facts(&[("b", "3")])))
        .then([reported(facts(&[("b", "3")]))]);
}

#[test]
fn claims_that_no_cluster_can_make_are_refused() {
    let long = "x".repeat(254);
    for name in ["", long.as_str()] {
        let rule = "its name has 1 to 253 characters";
        given::<Cluster>(beating())
            .when(ClusterCommand::Report(facts(&[(name, "v")])))
            .then_refused(Refusal::Claim { name: name.into(), rule });
    }
    let long = "x".repeat(1025);
    for value in ["", long.as_str()] {
        let rule = "its value has 1 to 1024 characters";
        given::<Cluster>(beating())
            .when(ClusterCommand::Report(facts(&[("a", value)])))
            .then_refused(Refusal::Claim { name: "a".into(), rule });
    }
}

#[test]
fn an_agent_that_reports_before_it_beats_has_joined_once() {
    let history = [taken(), vec![joined(), reported(facts(&[]))]].concat();
    given::<Cluster>(history)
        .at(NOW)
        .when(ClusterCommand::NoteBeat)
        .then([available(), untainted()]);
}
