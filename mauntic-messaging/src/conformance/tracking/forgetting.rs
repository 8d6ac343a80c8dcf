//! What is forgotten of hits and of deleted contacts, and what stays.

use std::sync::Arc;

use mauntic_core::{CapturedMailId, OrganizationId, UuidV7Source};

use super::{ONE, contact_of, report};
use crate::{
    MessagingStore,
    conformance::fixture::{World, address_of},
    suppression::SuppressionReason,
    token::Purpose,
    transport::capture::CapturedMail,
};

/// What was sent to a deleted contact tells no more who it was, and whoever has the message can still leave.
///
/// # Panics
/// If the store does not do so.
pub async fn who_a_deleted_contact_was_is_forgotten(store: Arc<dyn MessagingStore>) {
    let world = World::new(store.clone());
    let organization = world.organization();
    let email = world.email("Welcome").await;
    let deliveries = world.deliver(&email, 2).await;
    world.advance(60);
    let mut mails = Vec::new();
    for delivery in &deliveries {
        let token = world.token(*delivery, email.current.id, Purpose::Open);
        world.tracking.open(&token, &world.person()).await.unwrap();
        let mail = CapturedMail {
            id: CapturedMailId::generate(&UuidV7Source),
            organization_id: organization,
            delivery_id: Some(*delivery),
            envelope_from: "b@example.net".to_owned(),
            envelope_to: address_of(contact_of(&world, *delivery).await),
            sender: "shop@example.net".to_owned(),
            subject: "Hello".to_owned(),
            size: 2,
            captured_at: world.person().at,
        };
        mails.push((mail, b"Hi".to_vec()));
    }
    let gone = contact_of(&world, deliveries[0]).await;
    let mut uow = store.begin().await.unwrap();
    uow.captured().insert_captured(&mails).await.unwrap();
    let theirs = OrganizationId::generate(&UuidV7Source);
    let now = world.person().at;
    uow.ledger().forget(theirs, &[gone], now).await.unwrap();
    let untouched = uow.tracking().addressee_of(organization, deliveries[0]);
    assert!(untouched.await.unwrap().unwrap().address.is_some());
    uow.ledger()
        .forget(organization, &[gone], now)
        .await
        .unwrap();
    uow.commit().await.unwrap();

    for (delivery, kept) in [(deliveries[0], false), (deliveries[1], true)] {
        let found = store.sends().find_delivery(organization, delivery).await;
        let found = found.unwrap().unwrap();
        let known = (found.address.is_some(), found.reply.is_some());
        assert_eq!(known, (kept, kept), "address and reply");
        assert!(found.address_hash.is_some());
    }
    let captured = store.captured();
    assert_eq!(captured.count_captured(organization).await.unwrap(), 1);
    let mut uow = store.begin().await.unwrap();
    world.advance(60);
    let hits = uow.tracking().take_uncounted(world.person().at, 10).await;
    for hit in hits.unwrap() {
        let known = (hit.network.is_some(), hit.user_agent.is_some());
        let kept = hit.delivery_id == deliveries[1];
        assert_eq!(known, (kept, kept), "network and agent");
    }
    drop(uow);

    let token = world.token(deliveries[0], email.current.id, Purpose::Unsubscribe);
    let page = async || world.tracking.unsubscribe_page(&token).await.unwrap();
    assert_eq!(page().await.address, "your address");
    let tracking = &world.tracking;
    tracking.unsubscribe(&token, &world.person()).await.unwrap();
    assert!(page().await.unsubscribed);
    let address = address_of(gone).parse().unwrap();
    let entry = store.suppressions().find(organization, &address).await;
    let entry = entry.unwrap().unwrap();
    assert_eq!(entry.reason, SuppressionReason::Unsubscribed);
    assert_eq!(entry.address_key, None);
    tracking.resubscribe(&token, &world.person()).await.unwrap();
    assert!(!page().await.unsubscribed);
}

/// Old hits go, counters stay, and what is not counted yet is kept.
///
/// # Panics
/// If the store does not do so.
pub async fn old_hits_are_forgotten(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::Open);
    world.tracking.open(&token, &world.person()).await.unwrap();
    world.advance(60);
    let later = world.person().at;
    assert!(!world.projector.forget_before(later).await.unwrap());
    world.project().await;
    assert!(world.projector.forget_before(later).await.unwrap());
    assert!(!world.projector.forget_before(later).await.unwrap());
    assert_eq!(report(&world, &email).await.opened, ONE);
}
