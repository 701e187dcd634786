//! The contract of the bus: named cases that run unchanged on the in-memory twin and on a real
//! nats-server. What a case needs of a server's own (accounts, permissions) is tested elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod agents;
mod appends;
mod blobs;
mod grouping;
mod hub;
mod leases;
mod outcomes;
mod queries;
mod queues;
mod readings;
mod restarts;
mod samples;
mod snapshots;
mod timers;
mod watched;
mod works;

use std::io::Write as _;

/// Makes each case a test of both adapters, named by its module and what it states.
macro_rules! contract {
    ($($group:ident: $($case:ident),+ $(,)?;)+) => {
        mod memory {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::$group::$case(&mut crate::hub::Hub::memory()).await;
                })+
            })+
        }

        mod jetstream {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$group::$case(&mut crate::hub::Hub::real().await).await;
                })+
            })+
        }

        /// Every case of a group, one after the other, each on an empty log.
        #[allow(dead_code, reason = "three servers share EVENTS alone")]
        mod in_turn {
            $(pub mod $group {
                use std::io::Write as _;

                pub async fn all(hub: &mut crate::hub::Hub) -> usize {
                    let mut cases = 0;
                    $(
                        hub.anew().await;
                        cases += 1;
                        let told = writeln!(std::io::stderr(), "{}", stringify!($case));
                        told.unwrap();
                        crate::$group::$case(hub).await;
                    )+
                    cases
                }
            })+
        }
    };
}

contract! {
    appends:
        a_first_append_expects_nothing_and_gets_a_position,
        a_stale_expectation_is_a_conflict_that_tells_where_the_aggregate_stands,
        an_expectation_ahead_of_the_aggregate_is_a_conflict,
        a_retry_after_a_lost_answer_is_already_appended,
        a_retry_is_found_behind_later_commits,
        the_id_of_a_refused_append_is_free,
        an_id_that_another_aggregate_used_is_an_alarm,
        appends_that_wait_together_are_each_stored_once,
        one_stale_commit_among_many_spoils_no_other,
        two_commits_that_expect_the_same_are_one_commit_and_one_conflict,
        commits_of_several_aggregates_are_stored_together,
        a_decision_over_several_aggregates_is_all_or_none,
        a_retried_decision_over_several_aggregates_is_already_appended,
        nobody_knows_of_a_message_that_no_stream_takes,
        what_is_too_large_is_refused_and_not_stored,
        what_cannot_be_a_message_is_refused_before_it_is_sent,
        no_event_can_be_given_an_end,
        the_last_commit_of_an_aggregate_is_found;
    grouping:
        an_append_alone_is_a_plain_publish,
        what_waits_while_an_append_is_in_flight_goes_together,
        full_batches_go_side_by_side_and_the_rest_waits,
        a_refused_batch_is_sent_again_singly_and_pipelined,
        a_batch_whose_answer_is_lost_is_known_by_its_retries,
        a_decision_over_several_aggregates_is_never_split,
        no_more_commits_wait_than_have_places,
        a_commit_refused_over_one_on_its_way_is_sent_again,
        of_two_processes_one_wins_each_time_and_the_other_learns_where_it_stands,
        an_expectation_is_of_the_literal_subject_alone;
    readings:
        the_whole_log_comes_in_order_and_says_when_it_is_caught_up,
        a_reading_from_a_checkpoint_begins_behind_it,
        a_reading_follows_what_is_appended_later,
        a_reading_of_a_kind_leaves_out_the_others,
        a_wait_that_is_dropped_loses_nothing,
        readers_do_not_disturb_each_other,
        a_large_log_arrives_whole,
        what_is_no_commit_comes_out_named_with_its_position;
    queues:
        a_users_command_reaches_its_service_once,
        a_told_command_carries_its_cause_and_is_stored_once,
        a_services_checkpoint_is_in_what_it_told_last,
        what_is_not_handled_comes_again,
        what_comes_again_later_waits_as_long_as_it_was_told,
        a_new_reader_takes_over_what_was_given_back,
        a_new_reader_gets_at_once_what_an_earlier_one_had_in_hand,
        readers_of_a_queue_share_it,
        what_is_in_hand_is_known,
        a_queue_that_topology_did_not_make_is_refused;
    outcomes:
        an_outcome_is_heard_by_its_user_and_kept,
        an_outcome_recorded_again_replaces_itself,
        outcomes_of_others_are_not_heard,
        a_client_gets_the_outcome_of_its_command,
        a_client_that_missed_an_outcome_asks_for_it,
        a_caller_that_hears_nothing_any_more_learns_its_outcome,
        a_command_whose_answer_is_lost_is_sent_again_and_counts_once,
        a_command_that_is_too_large_is_refused_before_it_is_sent;
    queries:
        an_answer_of_several_pages_arrives_whole_and_in_order,
        a_refusal_is_an_answer,
        a_question_that_nobody_answers_says_so_at_once,
        an_answer_that_does_not_go_on_is_a_passing_fault,
        listeners_of_a_group_share_the_questions,
        contents_are_handed_over_in_chunks;
    blobs:
        content_is_kept_under_its_hash,
        content_kept_twice_is_kept_once,
        large_content_is_cut_and_joined,
        chunks_that_are_kept_can_be_joined_later,
        unknown_content_is_none;
    works:
        an_agent_hears_what_is_published_for_it_and_nothing_else,
        a_work_holds_its_newest_delivery_only,
        a_removal_is_heard_and_runs_out_without_a_trace;
    agents:
        the_newest_report_of_each_thing_reaches_its_service,
        a_report_that_is_too_large_is_refused_and_harms_nothing,
        an_agent_joins_beats_and_renews,
        a_sync_answer_is_complete_or_an_error,
        a_delivery_counts_only_with_the_hubs_signature,
        a_blob_is_fetched_in_parts;
    leases:
        a_lease_that_is_not_renewed_leaves_a_marker,
        who_comes_by_a_mark_has_heard_every_change_before_it,
        a_renewed_lease_holds,
        the_leases_that_hold_are_listed,
        a_lease_is_taken_over_only_by_who_knows_where_it_stands;
    timers:
        a_timer_fires_once_with_what_it_was_given,
        a_newer_timer_takes_the_place_of_an_older,
        a_schedule_stays_in_a_stream_that_takes_them;
    snapshots:
        two_snapshots_are_kept_and_the_newest_comes_first,
        a_moment_long_past_has_a_snapshot_near_by,
        a_moment_before_another_edition_is_not_looked_for_in_its_waypoints,
        the_newest_snapshot_is_found_whatever_the_index_says,
        a_damaged_snapshot_is_passed_over,
        a_large_snapshot_comes_back_whole,
        a_dead_letter_is_kept_once,
        a_dead_letter_is_taken_out_once,
        uses_of_dead_letters_are_on_record_for_good,
        nothing_is_taken_out_of_the_log;
    restarts:
        the_log_and_its_readings_outlive_a_restart_of_the_server,
        a_reading_of_a_log_that_lost_its_end_says_so_and_does_not_wait,
        a_restart_of_the_server_is_told_as_a_loss,
        a_queue_outlives_a_restart_of_the_server,
        leases_do_not_outlive_a_restart_and_their_readings_say_so;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_to_three_replicas_get_the_same_answers() {
    let mut hub = hub::Hub::three().await;
    let appends = in_turn::appends::all(&mut hub).await;
    let grouping = in_turn::grouping::all(&mut hub).await;
    assert!(appends + grouping > 25, "{appends} and {grouping} cases");
}

/// Which cases this program has for an adapter, by asking itself as `cargo test -- --list` would.
fn cases_of(adapter: &str) -> Vec<String> {
    let me = std::env::current_exe().unwrap();
    let listed = std::process::Command::new(me).args(["--list", "--format=terse"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let mine = names.filter_map(|name| name.strip_prefix(adapter)?.strip_prefix("::"));
    mine.map(str::to_owned).collect()
}

#[test]
fn both_adapters_are_held_to_the_same_cases() {
    let (memory, jetstream) = (cases_of("memory"), cases_of("jetstream"));
    assert!(memory.len() > 50, "{memory:?}");
    assert_eq!(memory, jetstream);
    let counts = format!("contract cases: memory {}, jetstream {}", memory.len(), jetstream.len());
    writeln!(std::io::stderr(), "{counts}").unwrap();
}
