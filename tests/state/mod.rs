//! The state database and the audit log, the same tests on SQLite and on Postgres.

mod bed;
mod forged;
mod locks;
mod log;
mod only_postgres;
mod only_sqlite;
mod records;
mod replaced;
mod rights;
mod steering;

/// Makes one test per case and database.
macro_rules! on_both {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$module::$case(&super::bed::Bed::sqlite()).await;
            })+)+
        }
        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$module::$case(&super::bed::Bed::postgres().await).await;
            })+)+
        }
    };
}

on_both! {
    records:
        everything_is_read_as_it_was_written,
        a_commit_stands_whole_or_not_at_all,
        one_rotation_under_way_per_secret_and_per_account,
        an_ended_or_moved_rotation_cannot_be_written,
        facts_can_be_claimed_once,
        many_may_start_at_once,
        reading_creates_nothing_and_writes_nothing,
        a_newer_schema_is_left_alone;
    locks:
        a_lock_has_one_holder_and_its_epoch_only_grows,
        of_many_lockers_one_wins,
        a_waiting_locker_gets_its_turn,
        whoever_lost_the_lock_commits_nothing,
        a_request_and_a_commit_never_wait_for_each_other;
    log:
        racing_appends_lose_nothing,
        a_sound_log_verifies_and_is_exported,
        entries_cannot_be_changed_by_accident,
        every_kind_of_tampering_is_found;
    forged:
        a_rewritten_log_is_never_signed,
        checkpoints_that_are_gone_are_missed,
        what_nobody_signed_is_called_unsigned,
        only_genuine_requests_are_followed;
    steering:
        a_row_that_keyrota_did_not_write_steers_nothing,
        a_rotation_that_is_taken_away_is_still_under_way,
        a_row_of_an_earlier_time_cannot_be_put_back,
        what_a_person_accepts_steers_again_but_for_requests;
    replaced:
        a_replaced_state_is_never_gone_on_with,
        a_log_that_grows_meanwhile_is_not_a_replaced_one,
        a_log_that_is_cut_under_a_process_is_never_signed,
        of_every_file_of_notes_the_newest_counts,
        what_a_person_accepts_counts_no_more_and_nothing_else_does;
}
