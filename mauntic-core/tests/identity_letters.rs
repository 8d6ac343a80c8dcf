//! Passwords that are reset by mail and addresses that are changed by it, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use mauntic_core::{
    Operator, PageSize, Role,
    identity::{
        AuditFilter, CreateUser, IdentityError, Letter, LinkSecret, LoggedIn, Message, Postman,
        QueuedLetter, Undelivered,
    },
};
use support::{Letters, PASSWORD, World, client, home, password};

on_both!(
    a_link_sets_a_new_password_once_and_ends_every_session,
    nobody_learns_which_addresses_have_an_account,
    a_newer_link_ends_the_older_and_time_ends_both,
    of_many_who_use_a_link_one_does,
    letters_are_tried_again_and_given_up_in_the_end,
    a_letter_that_is_refused_is_given_up_at_once,
    a_slow_server_gets_no_letter_twice,
    an_address_is_changed_by_who_has_it,
    a_change_of_address_needs_the_password_and_can_be_taken_back,
);

const NEW: &str = "a newer long password";

async fn ask(world: &World, email: &str) -> Result<(), IdentityError> {
    let email = email.parse().unwrap();
    world.service.request_password_reset(email, home()).await
}

fn reset_secret(letter: &Letter) -> LinkSecret {
    match &letter.message {
        Message::PasswordReset { secret, .. } => secret.clone(),
        other => panic!("{other:?}"),
    }
}

fn change_secret(letter: &Letter) -> LinkSecret {
    match &letter.message {
        Message::EmailChange { secret, .. } => secret.clone(),
        other => panic!("{other:?}"),
    }
}

async fn bob(world: &World, ann: &LoggedIn) {
    let bob = CreateUser {
        email: "bob@example.com".parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: None,
        role: Role::Viewer,
    };
    let organization = ann.actor().unwrap().organization_id();
    let made = world
        .service
        .create_user(&Operator::local(), organization, bob)
        .await;
    made.unwrap();
}

/// Where the latest entry of a kind says that it came from.
async fn came_from(world: &World, who: &LoggedIn, action: &str) -> Option<IpAddr> {
    let filter = AuditFilter {
        action: Some(action.to_owned()),
        ..AuditFilter::default()
    };
    let (actor, size) = (who.actor().unwrap(), PageSize::clamped(1));
    let page = world.service.audit_log(&actor, &filter, None, size).await;
    page.unwrap().items[0].address
}

async fn a_link_sets_a_new_password_once_and_ends_every_session(world: World) {
    let ann = world.ann().await;
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    ask(&world, "ANN@example.com").await.unwrap();
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to.as_str(), "ann@example.com");
    let secret = reset_secret(&letters[0]);
    let email = world.service.password_reset(&secret).await.unwrap();
    assert_eq!(email.as_str(), "ann@example.com");
    assert!(
        world.who(&new.secret).await.is_some(),
        "nothing changed yet"
    );
    let reset = world
        .service
        .reset_password(&secret, password(NEW), &home())
        .await;
    reset.unwrap();
    assert!(world.who(&new.secret).await.is_none());
    let old = world.log_in("ann@example.com", PASSWORD).await;
    assert!(matches!(old, Err(IdentityError::WrongPassword)));
    assert!(world.log_in("ann@example.com", NEW).await.is_ok());
    let again = world
        .service
        .reset_password(&secret, password(PASSWORD), &home())
        .await;
    assert!(matches!(again, Err(IdentityError::DeadLink)), "{again:?}");
    let log = world.log(&ann.actor().unwrap()).await;
    assert_eq!(log[..2], ["user.logged_in", "user.password_reset"]);
    assert_eq!(
        came_from(&world, &ann, "user.password_reset").await,
        home().address
    );
}

async fn nobody_learns_which_addresses_have_an_account(world: World) {
    let ann = world.ann().await;
    bob(&world, &ann).await;
    for email in ["nobody@example.com", "ann@example.com"] {
        for _ in 0..3 {
            ask(&world, email).await.unwrap();
        }
        // Asking often has to wait, whoever it is.
        let often = ask(&world, email).await;
        assert!(
            matches!(often, Err(IdentityError::TooManyFailures { .. })),
            "{often:?}"
        );
    }
    let letters = world.letters().await;
    assert!(
        letters
            .iter()
            .all(|letter| letter.to.as_str() == "ann@example.com")
    );
    assert_eq!(letters.len(), 3);
    // Who is blocked gets no letter; who has no password yet gets one.
    ask(&world, "bob@example.com").await.unwrap();
    assert_eq!(world.letters().await.len(), 1);
    let operator = Operator::local();
    let actor = ann.actor().unwrap();
    let members = world
        .service
        .members(&actor, None, mauntic_core::PageSize::default());
    let members = members.await.unwrap().items;
    let bob = members
        .iter()
        .find(|member| member.role == Role::Viewer)
        .unwrap();
    world
        .service
        .block_user(&operator, bob.user_id)
        .await
        .unwrap();
    ask(&world, "bob@example.com").await.unwrap();
    assert!(world.letters().await.is_empty());
}

async fn a_newer_link_ends_the_older_and_time_ends_both(world: World) {
    world.ann().await;
    let mut secrets = Vec::new();
    for _ in 0..2 {
        ask(&world, "ann@example.com").await.unwrap();
        secrets.push(reset_secret(&world.letters().await[0]));
    }
    let old = world.service.password_reset(&secrets[0]).await;
    assert!(matches!(old, Err(IdentityError::DeadLink)), "{old:?}");
    assert!(world.service.password_reset(&secrets[1]).await.is_ok());
    world.clock.advance(TimeDelta::hours(1));
    let late = world
        .service
        .reset_password(&secrets[1], password(NEW), &home())
        .await;
    assert!(matches!(late, Err(IdentityError::DeadLink)), "{late:?}");
    let forgotten = world.service.forget_old_sessions(&Operator::local()).await;
    assert!(forgotten.unwrap() >= 1);
}

async fn of_many_who_use_a_link_one_does(world: World) {
    world.ann().await;
    ask(&world, "ann@example.com").await.unwrap();
    let secret = reset_secret(&world.letters().await[0]);
    let tries: Vec<_> = (0..4)
        .map(|number| {
            let (service, secret) = (world.service.clone(), secret.clone());
            let new = password(&format!("{NEW} {number}"));
            tokio::spawn(async move { service.reset_password(&secret, new, &home()).await })
        })
        .collect();
    let mut done = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(IdentityError::DeadLink) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 1);
}

async fn letters_are_tried_again_and_given_up_in_the_end(world: World) {
    world.ann().await;
    ask(&world, "ann@example.com").await.unwrap();
    let lost = Letters {
        lost: true,
        ..Letters::default()
    };
    assert!(world.service.deliver_letters(&lost).await.unwrap());
    assert!(
        !world.service.deliver_letters(&lost).await.unwrap(),
        "pause"
    );
    world.clock.advance(TimeDelta::minutes(1));
    assert_eq!(world.letters().await.len(), 1);
    ask(&world, "ann@example.com").await.unwrap();
    for _ in 0..QueuedLetter::MAX_ATTEMPTS {
        assert!(world.service.deliver_letters(&lost).await.unwrap());
        world.clock.advance(TimeDelta::hours(5));
    }
    assert!(world.letters().await.is_empty(), "given up");
}

async fn a_letter_that_is_refused_is_given_up_at_once(world: World) {
    world.ann().await;
    ask(&world, "ann@example.com").await.unwrap();
    let refused = Letters {
        refused: true,
        ..Letters::default()
    };
    assert!(world.service.deliver_letters(&refused).await.unwrap());
    world.clock.advance(TimeDelta::days(1));
    assert!(world.letters().await.is_empty());
}

/// A mail server that takes longer than the first pause, while another worker looks for letters.
struct Slow<'a> {
    world: &'a World,
    sent: AtomicU32,
}

#[async_trait]
impl Postman for Slow<'_> {
    async fn deliver(&self, _: &Letter) -> Result<(), Undelivered> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.world.clock.advance(TimeDelta::minutes(2));
        let meanwhile = self.world.letters().await;
        self.sent
            .fetch_add(u32::try_from(meanwhile.len()).unwrap(), Ordering::Relaxed);
        Ok(())
    }
}

async fn a_slow_server_gets_no_letter_twice(world: World) {
    world.ann().await;
    for email in ["ann@example.com", "ANN@example.com"] {
        ask(&world, email).await.unwrap();
    }
    let sent = AtomicU32::new(0);
    let slow = Slow {
        world: &world,
        sent,
    };
    assert!(world.service.deliver_letters(&slow).await.unwrap());
    assert_eq!(slow.sent.load(Ordering::Relaxed), 2);
    assert!(world.letters().await.is_empty());
}

async fn an_address_is_changed_by_who_has_it(world: World) {
    let ann = world.ann().await;
    bob(&world, &ann).await;
    let change = async |email: &str| {
        let email = email.parse().unwrap();
        let asked = world
            .service
            .request_email_change(&ann, Some(password(PASSWORD)), email);
        asked.await.unwrap();
        world.letters().await
    };
    // Somebody else's address gets no letter.
    assert!(change("bob@example.com").await.is_empty());
    let letters = change("ann@example.org").await;
    assert_eq!(letters[0].to.as_str(), "ann@example.org");
    let secret = change_secret(&letters[0]);
    let pending = world.service.pending_email_change(&ann).await.unwrap();
    assert_eq!(pending.unwrap().as_str(), "ann@example.org");
    assert!(world.log_in("ann@example.com", PASSWORD).await.is_ok());
    let reset = world
        .service
        .reset_password(&secret, password(NEW), &home())
        .await;
    assert!(
        matches!(reset, Err(IdentityError::DeadLink)),
        "another purpose"
    );
    let new = world
        .service
        .confirm_email_change(&secret, &home())
        .await
        .unwrap();
    assert_eq!(new.as_str(), "ann@example.org");
    assert!(world.log_in("ann@example.org", PASSWORD).await.is_ok());
    assert!(world.log_in("ann@example.com", PASSWORD).await.is_err());
    let letters = world.letters().await;
    assert_eq!(letters[0].to.as_str(), "ann@example.com");
    assert!(matches!(letters[0].message, Message::EmailChanged));
    let again = world.service.confirm_email_change(&secret, &home()).await;
    assert!(matches!(again, Err(IdentityError::DeadLink)), "{again:?}");
    assert!(
        world
            .service
            .pending_email_change(&ann)
            .await
            .unwrap()
            .is_none()
    );
    let log = world.log(&ann.actor().unwrap()).await;
    assert_eq!(
        log[..3],
        ["user.logged_in", "user.email_changed", "user.logged_in"]
    );
    assert!(log.contains(&"user.email_change_requested".to_owned()));
    assert_eq!(
        came_from(&world, &ann, "user.email_changed").await,
        home().address
    );
}

async fn a_change_of_address_needs_the_password_and_can_be_taken_back(world: World) {
    let ann = world.ann().await;
    let email = || "ann@example.org".parse().unwrap();
    let wrong = password("wrong horse battery");
    let wrong = world
        .service
        .request_email_change(&ann, Some(wrong), email())
        .await;
    assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    let right = world
        .service
        .request_email_change(&ann, Some(password(PASSWORD)), email());
    right.await.unwrap();
    let secret = change_secret(&world.letters().await[0]);
    world.service.cancel_email_change(&ann).await.unwrap();
    let late = world.service.confirm_email_change(&secret, &home()).await;
    assert!(matches!(late, Err(IdentityError::DeadLink)), "{late:?}");
    // A new password ends what somebody else may have begun.
    let right = world
        .service
        .request_email_change(&ann, Some(password(PASSWORD)), email());
    right.await.unwrap();
    let secret = change_secret(&world.letters().await[0]);
    let current = Some(password(PASSWORD));
    let set = world
        .service
        .set_password(&ann, current, password(PASSWORD));
    set.await.unwrap();
    let late = world.service.confirm_email_change(&secret, &home()).await;
    assert!(matches!(late, Err(IdentityError::DeadLink)), "{late:?}");
    // So does one that is set by mail.
    world.clock.advance(TimeDelta::hours(1));
    let right = world
        .service
        .request_email_change(&ann, Some(password(PASSWORD)), email());
    right.await.unwrap();
    let secret = change_secret(&world.letters().await[0]);
    let email = "ann@example.com".parse().unwrap();
    let asked = world
        .service
        .request_password_reset(email, client("192.0.2.1"));
    asked.await.unwrap();
    let reset = reset_secret(&world.letters().await[0]);
    world
        .service
        .reset_password(&reset, password(NEW), &home())
        .await
        .unwrap();
    let late = world.service.confirm_email_change(&secret, &home()).await;
    assert!(matches!(late, Err(IdentityError::DeadLink)), "{late:?}");
}
