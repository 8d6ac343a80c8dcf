//! What every [`MessagingStore`](crate::MessagingStore) must do, as tests for any implementation.
//!
//! ```text
//! async fn new_store() -> (Guard, Arc<dyn MessagingStore>) { … }
//! mauntic_messaging::messaging_store_conformance!(new_store);
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a panic is how a case fails"
)]

pub mod composer;
pub mod domain;
pub mod email;
pub(crate) mod fixture;
pub mod ledger;
pub mod refusals;
pub mod suppression;
pub mod tracking;
pub mod transaction;
pub mod transport;

/// Makes a test of each case. `$new_store` is an async function that returns whatever must outlive
/// the store, and a fresh `Arc<dyn MessagingStore>`.
#[macro_export]
macro_rules! messaging_store_conformance {
    ($new_store:ident) => {
        $crate::messaging_store_conformance!(@cases $new_store, transaction: [
            events_are_there_after_the_commit_only,
            an_event_is_new_to_a_handler_once,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, ledger: [
            everybody_is_planned_or_left_out,
            nobody_gets_an_email_twice,
            who_got_an_email_is_known,
            a_delivery_waits_for_its_time,
            sends_that_race_share_the_audience,
            a_lease_is_one_workers,
            only_the_holder_is_granted_and_once,
            an_unknown_worker_leases_nothing,
            what_was_stopped_or_suppressed_is_withheld,
            an_outcome_moves_the_row,
            what_a_lost_worker_left_open_is_unknown,
            the_transactional_lane_sends_again,
            a_new_address_is_taken_once,
            cancelling_leaves_out_who_waits,
            one_living_worker_plans_a_send,
            sends_take_turns_at_being_planned,
            time_without_a_mail_server_does_not_count,
            a_send_is_its_organizations_alone,
            what_is_not_over_is_found,
            a_merged_contact_brings_what_it_got,
            what_waits_for_a_merged_contact_goes_to_the_other,
            what_a_merged_contact_got_is_not_sent_to_the_other,
            who_left_a_list_gets_nothing_sent_to_it,
            rates_are_kept,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, transport: [
            a_transport_is_replaced_as_a_whole,
            changes_of_a_transport_undo_none,
            captured_mail_is_kept_byte_for_byte,
            old_captured_mail_is_forgotten,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, suppression: [
            an_address_is_suppressed_in_its_organisation_alone,
            an_address_keeps_its_strongest_entry,
            a_wish_and_a_stronger_reason_are_kept_apart,
            an_erased_address_stays_suppressed,
            the_list_pages_newest_first,
            who_left_a_list_is_shown,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, domain: [
            a_domain_comes_back_as_it_was,
            a_domain_is_in_an_organisation_once,
            records_have_what_is_known_of_the_hosts,
            the_nearest_domain_signs,
            another_organisations_domain_is_not_found,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, email: [
            a_version_never_changes,
            earlier_versions_are_listed_and_found,
            a_name_is_one_emails,
            what_is_being_sent_stays,
            a_list_shows_subjects,
            lists_page_in_every_order,
            emails_are_found_by_what_any_version_says,
            bad_content_is_refused,
            an_email_shows_who_looks_after_the_contact,
            a_copy_is_an_email_of_its_own,
            an_email_is_its_organisations_alone,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, composer: [
            a_message_is_signed_and_tracked,
            mail_from_elsewhere_is_not_signed,
            unsigned_mail_can_be_refused,
            the_sender_is_known_before,
            a_message_needs_a_sender,
            what_is_wrong_for_everybody_is_the_emails,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, refusals: [
            refusals_and_domains_lead_to_people,
        ]);
        $crate::messaging_store_conformance!(@cases $new_store, tracking: [
            hits_are_counted,
            what_happens_is_counted_by_the_day,
            emails_are_held_against_each_other,
            people_stand_behind_the_numbers,
            machines_are_kept_apart,
            projectors_that_race_count_once,
            hits_of_a_lost_projector_are_counted_by_the_next,
            one_click_unsubscribes,
            one_click_leaves_the_list_of_the_message,
            a_link_for_all_mail_leaves_more_than_the_list,
            a_bounce_is_not_taken_back,
            who_a_deleted_contact_was_is_forgotten,
            a_followed_link_stays_known,
            forged_and_misused_tokens_are_refused,
            the_web_view_shows_the_message,
            a_timeline_pages_newest_first,
            old_hits_are_forgotten,
        ]);
    };
    (@cases $new_store:ident, $module:ident: [$($case:ident),* $(,)?]) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    let (_guard, store) = super::$new_store().await;
                    $crate::conformance::$module::$case(store).await;
                }
            )*
        }
    };
}
