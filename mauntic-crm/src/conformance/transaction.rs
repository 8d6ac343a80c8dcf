//! Transactions, the outbox and the inbox.

use std::sync::Arc;

use mauntic_core::{Cause, Envelope, EventId, StoreError, testing::CountingIds};
use uuid::Uuid;

use super::{contact, noon, organization};
use crate::{ChangeSet, ContactDeleted, CrmStore};

/// Dropping a unit of work undoes it.
pub async fn a_dropped_transaction_leaves_nothing(store: Arc<dyn CrmStore>) {
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), &[contact(1)])
        .await
        .unwrap();
    let unseen = store
        .contacts()
        .find_many(organization(1), &[contact(1).id()])
        .await
        .unwrap();
    assert_eq!(unseen, []);
    drop(uow);
    let mut uow = store.begin().await.unwrap();
    let gone = uow
        .contacts()
        .find_many_for_update(organization(1), &[contact(1).id()])
        .await;
    assert_eq!(gone.unwrap(), []);
}

/// An event commits with the change it tells of. That it can be relayed is the relay's test.
pub async fn events_are_there_after_the_commit_only(store: Arc<dyn CrmStore>) {
    let ids = CountingIds::default();
    let event = ContactDeleted {
        ids: vec![contact(1).id()],
    };
    let envelope =
        Envelope::seal(organization(1), &event, noon(), &ids, Cause::root(&ids)).unwrap();
    for committed in [false, true] {
        let mut uow = store.begin().await.unwrap();
        // The id is unique, so that a second append would fail had the first one stayed.
        uow.outbox()
            .append(std::slice::from_ref(&envelope))
            .await
            .unwrap();
        if committed {
            uow.commit().await.unwrap();
        }
    }
    let mut uow = store.begin().await.unwrap();
    uow.outbox().append(&[envelope]).await.unwrap_err();
}

/// A handler deals with an event once.
pub async fn an_event_is_new_to_a_handler_once(store: Arc<dyn CrmStore>) {
    let event = EventId::from_uuid(Uuid::from_u128(7));
    for (handler, first) in [("a", true), ("a", false), ("b", true)] {
        let mut uow = store.begin().await.unwrap();
        assert_eq!(
            uow.inbox()
                .first_time(handler, event, noon())
                .await
                .unwrap(),
            first
        );
        uow.commit().await.unwrap();
    }
}

/// After a conflict the same transaction can go on and commit.
pub async fn a_conflict_leaves_the_transaction_usable(store: Arc<dyn CrmStore>) {
    let (ann, bob) = (contact(1), contact(2));
    let mut again = contact(3);
    again.set_email(ann.email().cloned(), &mut ChangeSet::default());
    let mut uow = store.begin().await.unwrap();
    let added = uow
        .contacts()
        .insert_many(organization(1), std::slice::from_ref(&ann))
        .await
        .unwrap();
    assert_eq!(added, [ann.id()]);
    let added = uow
        .contacts()
        .insert_many(organization(1), &[again, bob.clone()])
        .await
        .unwrap();
    assert_eq!(added, [bob.id()], "the taken address is left out");
    uow.commit().await.unwrap();
    let found = store
        .contacts()
        .find_many(organization(1), &[bob.id(), ann.id()])
        .await
        .unwrap();
    assert_eq!(found, [ann, bob]);
}

/// Nor does an update to a taken address end the transaction, and it changes nothing.
pub async fn an_update_to_a_taken_address_leaves_the_transaction_usable(store: Arc<dyn CrmStore>) {
    let (ann, bob) = (contact(1), contact(2));
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), &[ann.clone(), bob.clone()])
        .await
        .unwrap();
    let mut thief = bob.clone();
    thief.set_email(ann.email().cloned(), &mut ChangeSet::default());
    let error = uow
        .contacts()
        .update_many(organization(1), &[thief])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                field: "contact.email"
            }
        ),
        "{error:?}"
    );
    let error = uow
        .contacts()
        .update_many(organization(1), &[contact(9)])
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Missing { what: "contact" }),
        "{error:?}"
    );
    uow.commit().await.unwrap();
    let found = store
        .contacts()
        .find_many(organization(1), &[bob.id()])
        .await
        .unwrap();
    assert_eq!(found, [bob]);
}
