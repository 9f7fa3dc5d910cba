//! The contract of `Store`, sentence by sentence, on every back end.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod append;
mod audit;
mod cells;
mod cosigned;
mod data_keys;
mod fixtures;
mod logs;
mod lookup;
mod mirror;
mod register;
mod tree;

use std::{sync::Arc, time::Duration};

use huren_store::{Memory, Postgres, PostgresOptions, Sqlite, SqliteOptions, Store};

/// Runs each test on a new store of each back end.
macro_rules! contract {
    ($($topic:ident: $($test:ident)+;)+) => {
        mod memory {
            $($(
                #[tokio::test]
                async fn $test() {
                    crate::$topic::$test(&super::Memory::new()).await;
                }
            )+)+
        }
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $test() {
                    let directory = tempfile::tempdir().unwrap();
                    let path = directory.path().join("huren.sqlite");
                    let options = super::SqliteOptions::default();
                    let store = super::Sqlite::open(&path, options).await.unwrap();
                    crate::$topic::$test(&store).await;
                    store.close().await;
                }
            )+)+
        }
        mod postgres {
            $($(
                #[tokio::test]
                async fn $test() {
                    let Some(server) = huren_postgres_server::server() else { return };
                    let options = super::PostgresOptions::default();
                    let url = server.database().unwrap();
                    let store = super::Postgres::open(&url, &options).await.unwrap();
                    crate::$topic::$test(&store).await;
                    store.close().await;
                }
            )+)+
        }
        mod pooled {
            $($(
                #[tokio::test]
                async fn $test() {
                    let Some(pooler) = huren_postgres_server::pooler() else { return };
                    let options = super::PostgresOptions {
                        pooled: true,
                        ..super::PostgresOptions::default()
                    };
                    let url = huren_postgres_server::server().unwrap().database().unwrap();
                    let store = super::Postgres::open(&pooler.same(&url), &options).await.unwrap();
                    crate::$topic::$test(&store).await;
                    store.close().await;
                }
            )+)+
        }
        mod replica {
            $($(
                #[tokio::test]
                async fn $test() {
                    let Some((store, answering)) = super::replicated().await else { return };
                    crate::$topic::$test(&*answering).await;
                    let state = store.measure_replica(1).await.unwrap();
                    assert!(state.is_used && state.passed_on == 0, "{state:?}");
                    store.close().await;
                }
            )+)+
        }
    };
}

/// A store whose look-ups come from a standby, and wait for it.
async fn replicated() -> Option<(Postgres, Arc<dyn Store>)> {
    let server = huren_postgres_server::server()?;
    let standby = huren_postgres_server::standby()?;
    let url = server.database().unwrap();
    let options = PostgresOptions {
        replica: Some(standby.same(&url)),
        replica_patience: Duration::from_secs(600),
        ..PostgresOptions::default()
    };
    let store = Postgres::open(&url, &options).await.unwrap();
    // Until the standby has the database itself.
    while !store.measure_replica(0).await.unwrap().is_used {
        tokio::task::yield_now().await;
    }
    let answering = store.answering().unwrap();
    Some((store, answering))
}

contract! {
    cells:
        counting_follows_fold_and_disclosures
        cells_are_replaced_and_empty_ones_go
        what_is_erased_leaves_its_cells_at_once
        a_dropped_register_drops_what_is_counted_of_all_logs;
    logs:
        a_new_log_is_empty
        creating_again_needs_the_same_role
        logs_are_listed_by_origin
        notes_are_replaced_and_the_head_is_not
        the_first_evidence_stays
        a_release_is_of_the_evidence_held_and_is_kept
        a_log_is_restored_until_it_has_caught_up
        writes_to_a_missing_log_conflict_and_reads_find_nothing
        trust_lists_are_a_chain;
    append:
        everything_of_an_append_is_there
        an_append_needs_the_expected_head
        an_append_needs_folding_and_disclosures_to_be_level
        an_append_never_shrinks_and_is_for_the_own_log
        a_submission_keeps_its_first_index
        an_erasure_reaches_a_certificate_of_its_own_batch
        an_append_of_thousands_is_kept_whole
        readers_see_whole_appends_while_one_is_written;
    mirror:
        packages_widen_and_never_narrow
        held_packages_are_of_the_range_asked
        packages_do_not_move_the_head
        advance_needs_the_expected_head
        advance_never_goes_back
        the_same_head_takes_another_checkpoint
        the_own_log_can_be_fetched_back;
    register:
        folding_follows_the_head_step_by_step
        targets_are_certificates_with_their_last_status
        statuses_are_of_one_certificate
        many_targets_at_once
        a_leaf_that_is_there_twice_is_found_first
        directories_span_logs
        institutions_hold_the_keys_of_their_newest_entry
        adoptions_and_quarantine_are_in_index_order
        erasures_are_listed_in_their_order
        dropping_the_register_leaves_disclosures
        every_effect_is_kept;
    lookup:
        disclosures_follow_step_by_step
        a_number_is_found_in_every_log
        many_numbers_are_answered_in_the_order_asked
        a_holder_is_found_in_every_log
        a_leaf_that_is_not_folded_is_found_without_hash
        statuses_come_in_order_with_their_own_disclosures
        what_is_found_has_the_bytes_of_its_leaves
        places_are_found_as_holders_are
        tags_that_begin_alike_are_told_apart
        resealing_replaces
        resealing_without_content_deletes
        logs_do_not_mix;
    tree:
        a_tile_may_be_wider_than_asked
        tiles_widen_and_never_narrow
        a_bundle_is_as_wide_as_it_is_held
        many_tiles_at_once
        numbers_beyond_every_log_are_not_held
        what_is_mended_takes_the_place_of_what_was_held
        only_what_lies_in_the_tree_is_mended;
    cosigned:
        the_latest_cosigned_checkpoint_is_swapped_as_expected
        a_witness_never_goes_back_nor_aside
        the_largest_cosigned_checkpoints_are_kept
        of_two_that_expect_the_same_one_conflicts;
    audit:
        entries_follow_the_head
        entries_are_found_by_what_they_say
        a_long_trail_is_kept_whole
        tokens_are_kept_and_revoked_once;
    data_keys:
        data_keys_are_swapped_as_expected
        rekeying_goes_step_by_step
        rekeying_changes_no_length
        submissions_are_recognised_by_their_new_tags;
}
