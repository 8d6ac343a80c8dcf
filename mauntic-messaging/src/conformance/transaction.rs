//! Units of work: all or nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mauntic_core::{
    Cause, ContactId, DeliveryId, EmailId, Envelope, EventId, OrganizationId, UuidV7Source,
};

use crate::{MessagingStore, event::Unsubscribed};

fn envelope() -> Envelope {
    let ids = UuidV7Source;
    let event = Unsubscribed {
        contact_id: ContactId::generate(&ids),
        delivery_id: DeliveryId::generate(&ids),
        email_id: EmailId::generate(&ids),
        at: DateTime::<Utc>::UNIX_EPOCH,
    };
    let organization = OrganizationId::generate(&ids);
    Envelope::seal(organization, &event, event.at, &ids, Cause::root(&ids))
        .expect("an event is JSON")
}

/// Events can be appended and committed; a dropped transaction leaves nothing behind.
///
/// # Panics
/// If the store does not do so.
pub async fn events_are_there_after_the_commit_only(store: Arc<dyn MessagingStore>) {
    let envelope = envelope();
    let mut dropped = store.begin().await.unwrap();
    dropped
        .outbox()
        .append(std::slice::from_ref(&envelope))
        .await
        .unwrap();
    drop(dropped);
    // The same event again would be a violation if the first had stayed.
    let mut kept = store.begin().await.unwrap();
    kept.outbox().append(&[envelope]).await.unwrap();
    kept.commit().await.unwrap();
}

/// The inbox tells the first time from all others, per handler, once it is committed.
///
/// # Panics
/// If the store does not do so.
pub async fn an_event_is_new_to_a_handler_once(store: Arc<dyn MessagingStore>) {
    let event = EventId::generate(&UuidV7Source);
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let mut dropped = store.begin().await.unwrap();
    assert!(dropped.inbox().first_time("a", event, now).await.unwrap());
    drop(dropped);
    for (handler, expected) in [("a", true), ("a", false), ("b", true)] {
        let mut uow = store.begin().await.unwrap();
        assert_eq!(
            uow.inbox().first_time(handler, event, now).await.unwrap(),
            expected,
            "{handler}"
        );
        uow.commit().await.unwrap();
    }
}
