//! What every [`CrmStore`](crate::CrmStore) must do, as tests for any implementation.
//!
//! ```ignore
//! async fn new_store() -> (Guard, Arc<dyn CrmStore>) { … }
//! mauntic_crm::crm_store_conformance!(new_store);
//! ```

pub mod contacts;
pub mod transaction;

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

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId};
use uuid::Uuid;

use crate::Contact;

pub(crate) fn organization(number: u128) -> OrganizationId {
    OrganizationId::from_uuid(Uuid::from_u128(1_000_000 + number))
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
