//! What a token in a message does, and what it does not.

use std::sync::Arc;

use mauntic_core::{DeliveryId, EmailVersionId, UuidV7Source};

use super::{ONE, click, report};
use crate::{MessagingError, MessagingStore, conformance::fixture::World, token::Purpose};

/// A token does what it was made for, and nothing that was not made here does anything.
///
/// # Panics
/// If the service does not do so.
pub async fn forged_and_misused_tokens_are_refused(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let delivery = world.deliver(&email, 1).await[0];
    let person = world.person();
    let open = world.token(delivery, version, Purpose::Open);
    let mut forged = open.clone().into_bytes();
    forged[10] ^= 1;
    let forged = String::from_utf8_lossy(&forged).into_owned();
    let unknown = world.token(delivery, EmailVersionId::generate(&UuidV7Source), click(0));
    let beyond = world.token(delivery, version, click(99));
    assert!(world.tracking.is_ours(&open) && !world.tracking.is_ours(&forged));
    let refused = [
        world.tracking.open(&forged, &person).await.err(),
        world.tracking.click(&open, &person).await.err(),
        world.tracking.click(&unknown, &person).await.err(),
        world.tracking.click(&beyond, &person).await.err(),
        world.tracking.unsubscribe(&open, &person).await.err(),
        world
            .tracking
            .resubscribe(&open, &world.person())
            .await
            .err(),
        world.tracking.unsubscribe_page(&open).await.err(),
        world.tracking.web_view(&open, &person).await.err(),
    ];
    for error in refused {
        assert!(
            matches!(error, Some(MessagingError::InvalidToken)),
            "{error:?}"
        );
    }
    let gone = DeliveryId::generate(&UuidV7Source);
    let token = world.token(gone, version, Purpose::Unsubscribe);
    let error = world
        .tracking
        .unsubscribe(&token, &person)
        .await
        .unwrap_err();
    assert!(
        matches!(error, MessagingError::NotFound { .. }),
        "{error:?}"
    );
    let own = Purpose::Click {
        link: 0,
        target: Some("https://example.com/ann".to_owned()),
    };
    let target = world
        .tracking
        .click(&world.token(delivery, version, own), &person)
        .await
        .unwrap();
    assert_eq!(target.url, "https://example.com/ann");
}

/// The web view is the message again, without the pixel, and counts as an open.
///
/// # Panics
/// If the service does not do so.
pub async fn the_web_view_shows_the_message(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::WebView);
    let view = world
        .tracking
        .web_view(&token, &world.person())
        .await
        .unwrap();
    assert_eq!(view.subject, "Hello");
    assert!(
        view.html.contains("Hi Ann") && view.html.contains("/t/c/"),
        "{}",
        view.html
    );
    assert!(!view.html.contains("/t/o/"), "{}", view.html);
    world.advance(10);
    world.project().await;
    assert_eq!(report(&world, &email).await.opened, ONE);
}
