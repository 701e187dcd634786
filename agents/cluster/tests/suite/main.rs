//! The agent suite: an agent with its own key and connection, a scripted hub on the broker in
//! memory, and a member cluster of which nothing is known but its API. A provider brings the
//! member; each case runs on each provider, and no case knows which it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

mod cases;
mod hostile;
mod hub;
mod member;
mod stage;

use member::{Member, Real, Simulated};

/// Each case by name, on one provider, with the clock it has.
macro_rules! on {
    ($provider:ident, $member:ty, $test:meta, [$($group:ident: $($case:ident),+;)+]) => {
        mod $provider {
            use super::*;

            $($(
                #[$test]
                async fn $case() {
                    let Some(member) = <$member>::start(stringify!($case)) else { return };
                    let member: Box<dyn Member> = Box::new(member);
                    crate::cases::$group::$case(member).await;
                }
            )+)+
        }
    };
}

/// All cases on both providers.
macro_rules! cases {
    ($($cases:tt)+) => {
        on!(simcluster, Simulated, tokio::test(start_paused = true), [$($cases)+]);
        on!(kube_apiserver, Real, tokio::test, [$($cases)+]);
    };
}

cases! {
    joining:
        an_agent_asks_until_it_is_accepted_and_reports_its_cluster,
        an_agent_that_has_joined_needs_no_token_again,
        a_credential_is_renewed_before_it_ends,
        a_refused_agent_asks_to_join_and_tries_its_credential_again,
        a_shorter_lease_is_beaten_at_once,
        an_agent_beats_when_told_and_never_without_a_pause,
        a_silent_line_is_taken_up_again_and_nothing_is_lost;
    applying:
        the_story_is_applied_and_fed_back,
        custom_objects_follow_their_definition,
        a_changed_work_is_applied_and_what_it_dropped_goes,
        a_removed_work_leaves_nothing_behind,
        an_orphaned_object_stays,
        what_others_manage_is_not_taken_unless_forced,
        an_object_of_two_works_stays_with_the_second,
        what_somebody_made_anew_is_not_deleted,
        a_manifest_that_cannot_be_applied_is_told_and_blocks_no_other;
    keeping:
        a_record_names_what_was_made,
        a_restart_resumes_where_it_stopped,
        drift_is_repaired,
        what_is_not_signed_or_older_is_ignored,
        nothing_is_removed_because_the_hub_is_away;
    refusing:
        a_manifest_that_the_server_rejects_is_told_in_its_words,
        a_namespace_that_is_terminating_holds_up_only_what_is_in_it,
        what_keeps_a_removed_work_is_named,
        a_definition_that_is_never_established_holds_up_only_its_own,
        an_object_of_somebody_else_keeps_its_owner;
}
