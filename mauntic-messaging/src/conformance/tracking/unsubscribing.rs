//! Leaving a list or all mail, and taking that back.

use std::sync::Arc;

use mauntic_core::SegmentId;

use super::{ONE, contact_of, report};
use crate::{
    MailingList, MessagingStore,
    conformance::fixture::{World, address_of},
    suppression::{Suppression, SuppressionReason, address_hash},
    token::Purpose,
};

/// One click suppresses the address at once, counts once, and can be taken back.
///
/// # Panics
/// If the store does not do so.
pub async fn one_click_unsubscribes(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    let address = address_of(contact_of(&world, delivery).await)
        .parse()
        .unwrap();
    let suppressions = world.store.suppressions();
    let page = world.tracking.unsubscribe_page(&token).await.unwrap();
    assert_eq!(
        (
            page.organization.as_str(),
            page.address.as_str(),
            page.unsubscribed
        ),
        ("Acme", "c…@example.com", false)
    );
    assert_eq!(
        suppressions
            .find(world.organization(), &address)
            .await
            .unwrap(),
        None,
        "looking changes nothing"
    );
    for _ in 0..2 {
        world
            .tracking
            .unsubscribe(&token, &world.person())
            .await
            .unwrap();
        let entry = suppressions
            .find(world.organization(), &address)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(entry.reason, SuppressionReason::Unsubscribed);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    assert!(
        world
            .tracking
            .unsubscribe_page(&token)
            .await
            .unwrap()
            .unsubscribed
    );
    world
        .tracking
        .resubscribe(&token, &world.person())
        .await
        .unwrap();
    assert_eq!(
        suppressions
            .find(world.organization(), &address)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        world.project().await,
        0,
        "what acts at once is counted at once"
    );
}

/// A message to a mailing list is about that list: one click leaves it alone, at once, and can be taken back.
///
/// # Panics
/// If the store does not do so.
pub async fn one_click_leaves_the_list_of_the_message(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("News").await;
    let [news, offers] = [1, 2].map(|id| SegmentId::from_uuid(uuid::Uuid::from_u128(id)));
    let list = |id, name: &str, member| MailingList {
        id,
        name: name.to_owned(),
        member,
    };
    let lists = vec![list(news, "News", true), list(offers, "Offers", false)];
    *world.everybody.lists.lock().unwrap() = lists;
    let delivery = world.deliver_to(news, &email, 1).await[0];
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    let (tracking, person) = (&world.tracking, world.person());
    let members = async || {
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(!page.unsubscribed, "other mail still comes");
        assert_eq!(page.list, Some(news));
        let members = page.lists.iter().filter(|list| list.member);
        members.map(|list| list.id).collect::<Vec<_>>()
    };
    assert_eq!(members().await, [news]);
    for _ in 0..2 {
        tracking.unsubscribe(&token, &person).await.unwrap();
        assert_eq!(members().await, []);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    tracking.resubscribe(&token, &person).await.unwrap();
    assert_eq!(members().await, [news]);
    let stranger = SegmentId::from_uuid(uuid::Uuid::from_u128(3));
    let kept = [offers, stranger];
    tracking.choose_lists(&token, &person, &kept).await.unwrap();
    let address = address_of(contact_of(&world, delivery).await);
    let hash = address_hash(&address);
    let left = world
        .store
        .suppressions()
        .left_lists(world.organization(), &hash);
    assert_eq!(left.await.unwrap(), [news]);
    tracking
        .unsubscribe_from_all(&token, &person)
        .await
        .unwrap();
    let page = tracking.unsubscribe_page(&token).await.unwrap();
    assert!(page.unsubscribed);
}

/// The link that leaves all mail does so from a mailing list too, and looking at it changes nothing.
///
/// # Panics
/// If the store does not do so.
pub async fn a_link_for_all_mail_leaves_more_than_the_list(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("News").await;
    let news = SegmentId::from_uuid(uuid::Uuid::from_u128(1));
    *world.everybody.lists.lock().unwrap() = vec![MailingList {
        id: news,
        name: "News".to_owned(),
        member: true,
    }];
    let delivery = world.deliver_to(news, &email, 1).await[0];
    let token = world.token(delivery, email.current.id, Purpose::UnsubscribeAll);
    let (tracking, person) = (&world.tracking, world.person());
    for _ in 0..2 {
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(page.all && !page.unsubscribed);
        assert_eq!((page.list, page.lists.len()), (None, 1));
    }
    for _ in 0..2 {
        tracking.unsubscribe(&token, &person).await.unwrap();
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(page.unsubscribed);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    tracking.resubscribe(&token, &person).await.unwrap();
    let page = tracking.unsubscribe_page(&token).await.unwrap();
    assert!(!page.unsubscribed && page.lists[0].member);
}

/// Only an unsubscription is taken back by its own page.
///
/// # Panics
/// If the store does not do so.
pub async fn a_bounce_is_not_taken_back(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    let address: mauntic_core::EmailAddress = address_of(contact_of(&world, delivery).await)
        .parse()
        .unwrap();
    let bounce = Suppression::new(
        address.key(),
        SuppressionReason::HardBounce,
        "test",
        world.person().at,
    );
    let mut uow = world.store.begin().await.unwrap();
    uow.suppressions()
        .add(world.organization(), &[bounce])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    world
        .tracking
        .unsubscribe(&token, &world.person())
        .await
        .unwrap();
    world
        .tracking
        .resubscribe(&token, &world.person())
        .await
        .unwrap();
    let entry = world
        .store
        .suppressions()
        .find(world.organization(), &address)
        .await
        .unwrap();
    assert_eq!(
        entry.map(|entry| entry.reason),
        Some(SuppressionReason::HardBounce)
    );
}
