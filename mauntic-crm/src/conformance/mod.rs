//! What every [`CrmStore`](crate::CrmStore) must do, as tests for any implementation.
//!
//! ```text
//! async fn new_store() -> (Guard, Arc<dyn CrmStore>) { … }
//! mauntic_crm::crm_store_conformance!(new_store);
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "the suite is test code: it panics where the contract is broken"
)]

pub mod bulk;
pub mod contacts;
pub mod evaluators;
pub mod exports;
pub mod imports;
pub mod listing;
pub mod segments;
pub mod transaction;
pub mod use_cases;
pub mod views;

/// Makes a test of each case. `$new_store` is an async function that returns whatever must outlive
/// the store, and a fresh `Arc<dyn CrmStore>`.
#[macro_export]
macro_rules! crm_store_conformance {
    ($new_store:ident) => {
        $crate::crm_store_conformance!(@cases $new_store, transaction: [
            a_dropped_transaction_leaves_nothing,
            events_are_there_after_the_commit_only,
            an_event_is_new_to_a_handler_once,
            a_conflict_leaves_the_transaction_usable,
            an_update_to_a_taken_address_leaves_the_transaction_usable,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, contacts: [
            a_contact_reads_back_as_it_was_written,
            contacts_of_another_organisation_are_unknown,
            a_deleted_contact_leaves_nothing,
            a_key_has_one_owner,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, listing: [
            pages_have_every_contact_once_and_in_order,
            pages_are_stable_while_contacts_are_added,
            a_search_finds_names_and_addresses,
            many_are_found_like_few,
            a_list_can_be_of_one_tag,
            a_list_can_be_of_an_owner_a_stage_and_a_consent,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::lifecycle: [
            a_contact_lives,
            an_update_can_ask_for_a_version,
            owners_work_in_the_organisation,
            bad_values_are_all_named,
            another_organisation_is_out_of_reach,
            a_viewer_changes_nothing,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::batches: [
            a_batch_says_what_became_of_each_item,
            twenty_tasks_race_for_one_address,
            an_upsert_adds_or_changes,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::fields: [
            a_custom_field_is_kept,
            senseless_fields_are_refused,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::tags: [
            tags_are_renamed_and_deleted_everywhere,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::merging: [
            two_records_become_one,
            records_of_one_person_are_found,
            what_follows_later_is_the_ones_who_stayed,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::owners: [
            contacts_of_a_member_who_is_gone_have_no_owner,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, use_cases::consent: [
            an_unsubscribe_is_applied_once,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, evaluators: [
            random_rules_pick_the_same_contacts,
            segments_of_another_organisation_are_unknown,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, segments::membership: [
            members_follow_the_rule,
            decisions_by_hand_stick,
            a_merge_takes_memberships_and_engagement_along,
            recipients_leave_and_join_mailing_lists,
            segments_follow_segments,
            engagement_counts_once,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, segments::rebuilds: [
            a_segment_is_known_to_be_up_to_date,
            the_wait_for_a_segment_ends,
            a_killed_rebuild_goes_on,
            workers_never_do_the_same_twice,
            time_moves_people,
            a_new_zone_moves_people,
            no_change_is_lost_in_the_crowd,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, segments::definitions: [
            a_preview_shows_whom_a_rule_fits,
            rules_name_owners_by_address,
            a_list_of_segments_is_filtered,
            segments_of_others_are_out_of_reach,
            growth_is_noted_by_day,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, exports: [
            an_export_imports_back_to_the_same_contacts,
            an_export_keeps_who_and_why,
            what_could_not_be_read_anew_imports_back_unchanged,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, bulk: [
            all_that_a_filter_lets_through_are_changed,
            an_interrupted_change_goes_on_where_it_was,
            a_stopped_change_changes_nobody_else,
            a_paused_change_goes_on_when_it_is_resumed,
            the_changes_of_a_closed_organization_are_paused,
            changes_that_have_not_ended_are_found,
            no_more_are_changed_than_were_agreed_to,
            chosen_contacts_are_changed_in_every_way,
            changes_stay_within_their_organisation,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, views: [
            views_are_kept_shared_and_forgotten,
            each_owner_has_views_of_their_own,
            the_same_view_at_the_same_moment_is_one,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, imports::rows: [
            rows_become_contacts,
            the_same_file_again_changes_nothing,
            the_last_row_about_a_contact_wins,
            empty_cells_and_existing_contacts_are_treated_as_asked,
            rows_come_into_a_static_segment,
            rows_match_by_a_unique_field,
            owners_are_members,
            marks_never_say_less,
            consent_is_kept_in_batches_of_any_size,
            ids_of_merged_contacts_lead_to_those_who_stayed,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, imports::reports: [
            bad_rows_are_reported_and_repaired,
            a_report_runs_nothing_in_a_spreadsheet,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, imports::interruptions: [
            an_interrupted_import_goes_on_where_it_was,
            imports_that_have_not_ended_are_found,
            a_worker_that_lost_its_import_changes_nothing,
            the_imports_of_a_closed_organization_are_paused,
            segments_catch_up_whenever_a_large_import_stops,
            progress_counts_the_bytes_of_the_file,
            who_is_in_charge_is_asked_again,
            an_import_says_that_owners_could_not_be_looked_up,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, imports::files: [
            an_upload_is_looked_at_before_it_is_imported,
            what_cannot_be_imported_is_refused,
            a_file_that_changed_is_refused,
        ]);
        $crate::crm_store_conformance!(@cases $new_store, imports::uploads: [
            a_refused_upload_leaves_nothing,
            an_upload_that_nothing_is_made_of_is_forgotten,
        ]);
    };
    (@cases $new_store:ident, $module:ident: $cases:tt) => {
        $crate::crm_store_conformance!(@tests $new_store, $module, $crate::conformance::$module, $cases);
    };
    (@cases $new_store:ident, $outer:ident::$module:ident: $cases:tt) => {
        $crate::crm_store_conformance!(
            @tests $new_store, $module, $crate::conformance::$outer::$module, $cases
        );
    };
    (@tests $new_store:ident, $module:ident, $suite:path, [$($case:ident),* $(,)?]) => {
        mod $module {
            use $suite as suite;

            $(
                #[tokio::test]
                async fn $case() {
                    let (_guard, store) = super::$new_store().await;
                    suite::$case(store).await;
                }
            )*
        }
    };
}

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, StoreError, UserId};
use uuid::Uuid;

use crate::{Contact, OwnerName, Owners};

pub(crate) fn organization(number: u128) -> OrganizationId {
    OrganizationId::from_uuid(Uuid::from_u128(1_000_000 + number))
}

/// Whoever works in every organisation.
pub(crate) fn boss() -> UserId {
    UserId::from_uuid(Uuid::from_u128(9))
}

/// The boss alone can be in charge of contacts, and logs in as `boss@example.com`.
pub(crate) struct Staff;

#[async_trait]
impl Owners for Staff {
    async fn find(
        &self,
        _: OrganizationId,
        names: &[OwnerName],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let known = [boss().to_string(), "boss@example.com".to_owned()];
        let found = names.iter();
        let found = found.map(|name| known.contains(&name.key()).then(boss));
        Ok(found.collect())
    }
}

pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_315_200, 123_456_000).expect("an instant in range")
}

/// The contact with that number and the address `<number>@example.com`.
pub(crate) fn contact(number: u128) -> Contact {
    let email = format!("{number}@example.com").parse().expect("an address");
    let mut contact = Contact::new(
        ContactId::from_uuid(Uuid::from_u128(number)),
        "test",
        noon(),
    );
    contact.set_email(Some(email), &mut crate::ChangeSet::default());
    contact
}
