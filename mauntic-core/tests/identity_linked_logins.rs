//! Logging in with what a provider says, and linking it, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Operator, Role,
    identity::{
        Aim, AuditEntry, AuditFilter, Detour, DetourSecret, IdentityError, IdentityService, Invite,
        LinkSecret, LinkedLogin, LoggedIn, Message, ProvenLogin, Refusal, Slug,
    },
};
use support::{PASSWORD, World, client, home, password};

on_both!(
    a_login_is_linked_by_the_owner_and_lets_in_from_then_on,
    linking_needs_the_password_a_verified_address_and_who_began_it,
    a_detour_ends_once_with_its_state_and_in_time,
    the_second_factor_is_asked_for_and_the_blocked_stay_out,
    a_login_is_unlinked_unless_nothing_else_lets_in,
    whoever_has_no_password_shows_it_by_a_login_of_a_moment_ago,
    a_new_password_names_the_logins_that_it_does_not_end,
    an_invitation_is_accepted_with_its_own_address_alone,
    detours_that_do_not_end_soon_have_to_wait,
);

const ISSUER: &str = "https://login.example";

fn sso() -> Slug {
    "sso".parse().unwrap()
}

fn proven(subject: &str, email: Option<&str>) -> ProvenLogin {
    ProvenLogin {
        provider: sso(),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        email: email.map(|email| email.parse().unwrap()),
        name: None,
    }
}

/// The way over the provider and back.
async fn there_and_back(service: &IdentityService, secret: &DetourSecret) -> Detour {
    service.end_detour(secret, &secret.state()).await.unwrap()
}

async fn link(world: &World, who: &LoggedIn, proven: ProvenLogin) -> Result<(), IdentityError> {
    let service = &world.service;
    let secret = service.begin_link(who, Some(password(PASSWORD)), proven.provider.clone());
    let detour = there_and_back(service, &secret.await.unwrap()).await;
    service.link_login(who, &detour, proven).await
}

async fn a_login_is_linked_by_the_owner_and_lets_in_from_then_on(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    // The same address is no reason to let anybody in.
    let ann_there = proven("ann", Some("ann@example.com"));
    let stranger = service.log_in_with(&ann_there, home()).await;
    assert!(
        matches!(stranger, Err(IdentityError::LoginNotLinked)),
        "{stranger:?}"
    );
    link(&world, &ann, proven("ann", Some("ann@private.example")))
        .await
        .unwrap();
    let letters = world.letters().await;
    assert_eq!(letters[0].to.as_str(), "ann@example.com");
    let Message::LoginLinked { provider, address } = &letters[0].message else {
        panic!("{letters:?}");
    };
    assert_eq!(
        (provider.as_str(), address.as_str()),
        ("sso", "ann@private.example")
    );
    // What the provider says of the address does not matter any more.
    world.clock.advance(TimeDelta::hours(1));
    let new = service.log_in_with(&proven("ann", None), home()).await;
    let who = world.who(&new.unwrap().secret).await.unwrap();
    assert_eq!(who.user.id, ann.user.id);
    assert!(!who.session.remembered);
    let logins = service.linked_logins(&who).await.unwrap();
    assert_eq!(
        logins[0].created_at + TimeDelta::hours(1),
        logins[0].last_used_at.unwrap()
    );
    for other in [
        proven("bob", Some("ann@example.com")),
        ProvenLogin {
            issuer: "https://other.example".to_owned(),
            ..proven("ann", Some("ann@example.com"))
        },
    ] {
        let refused = service.log_in_with(&other, home()).await;
        assert!(matches!(refused, Err(IdentityError::LoginNotLinked)));
    }
    let actor = ann.actor().unwrap();
    let size = mauntic_core::PageSize::default();
    let all = AuditFilter::default();
    let log = service.audit_log(&actor, &all, None, size);
    let entries = log.await.unwrap().items;
    let linked = |entry: &&AuditEntry| entry.change.action == "user.login_linked";
    let entry = entries.iter().find(linked).unwrap();
    assert_eq!(entry.change.after["email"], "ann@private.example");
}

async fn linking_needs_the_password_a_verified_address_and_who_began_it(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    for wrong in [None, Some(password("wrong horse battery"))] {
        let refused = service.begin_link(&ann, wrong, sso()).await;
        assert!(
            matches!(refused, Err(IdentityError::WrongPassword)),
            "{refused:?}"
        );
    }
    let unverified = link(&world, &ann, proven("ann", None)).await;
    assert!(
        matches!(unverified, Err(IdentityError::AddressNotVerified)),
        "{unverified:?}"
    );
    let own = proven("ann", Some("ann@example.com"));
    let right = Some(password(PASSWORD));
    let secret = service.begin_link(&ann, right, sso()).await.unwrap();
    let detour = there_and_back(service, &secret).await;
    let elsewhere = ProvenLogin {
        provider: "google".parse().unwrap(),
        ..own.clone()
    };
    let foreign = Detour {
        aim: Aim::Link {
            user_id: mauntic_core::UserId::from_uuid(uuid::Uuid::nil()),
        },
        ..detour.clone()
    };
    let next = "/app/".to_owned();
    let another = Detour {
        aim: Aim::LogIn { next },
        ..detour.clone()
    };
    for (detour, proven) in [
        (&detour, elsewhere),
        (&foreign, own.clone()),
        (&another, own.clone()),
    ] {
        let refused = service.link_login(&ann, detour, proven).await;
        assert!(
            matches!(refused, Err(IdentityError::DetourOver)),
            "{refused:?}"
        );
    }
    service.link_login(&ann, &detour, own).await.unwrap();
    // A second one of the provider, and the same for somebody else.
    let second = link(&world, &ann, proven("ann2", Some("ann@example.com"))).await;
    assert!(
        matches!(second, Err(IdentityError::LoginTaken)),
        "{second:?}"
    );
    let bob = join(&world, &ann, "bob@example.com").await.unwrap();
    let taken = service
        .begin_link(&bob, None, "sso2".parse().unwrap())
        .await;
    let detour = there_and_back(service, &taken.unwrap()).await;
    let again = ProvenLogin {
        provider: "sso2".parse().unwrap(),
        ..proven("ann", Some("ann@example.com"))
    };
    let taken = service.link_login(&bob, &detour, again).await;
    assert!(matches!(taken, Err(IdentityError::LoginTaken)), "{taken:?}");
}

async fn a_detour_ends_once_with_its_state_and_in_time(world: World) {
    let service = &world.service;
    let begin = async || {
        let next = "/app/contacts".to_owned();
        let begun = service.begin_log_in(sso(), next, home()).await;
        begun.unwrap()
    };
    let (mine, theirs) = (begin().await, begin().await);
    for state in [String::new(), theirs.state(), mine.reveal()] {
        let refused = service.end_detour(&mine, &state).await;
        assert!(matches!(refused, Err(IdentityError::DetourOver)));
    }
    let detour = there_and_back(service, &mine).await;
    let next = "/app/contacts".to_owned();
    assert_eq!((detour.provider, detour.aim), (sso(), Aim::LogIn { next }));
    let again = service.end_detour(&mine, &mine.state()).await;
    assert!(matches!(again, Err(IdentityError::DetourOver)), "replayed");
    world.clock.advance(Detour::LIFETIME);
    let late = service.end_detour(&theirs, &theirs.state()).await;
    assert!(matches!(late, Err(IdentityError::DetourOver)), "{late:?}");
    let old = begin().await;
    world.clock.advance(Detour::LIFETIME);
    let forgotten = service.forget_old_sessions(&Operator::local()).await;
    assert!(forgotten.unwrap() >= 1);
    let late = service.end_detour(&old, &old.state()).await;
    assert!(matches!(late, Err(IdentityError::DetourOver)));
}

async fn the_second_factor_is_asked_for_and_the_blocked_stay_out(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    let own = proven("ann", Some("ann@example.com"));
    link(&world, &ann, own.clone()).await.unwrap();
    let enrolment = service.begin_second_factor(&ann).await.unwrap();
    let secret = totp_rs::Secret::try_from_base32(&enrolment.secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = mauntic_core::Clock::now(&*world.clock).timestamp();
    let code = app.generate(now.try_into().unwrap()).to_string();
    let right = Some(password(PASSWORD));
    let codes = service.confirm_second_factor(&ann, right, &code).await;
    let codes = codes.unwrap();
    let new = service.log_in_with(&own, home()).await.unwrap();
    assert!(new.session.awaits_second_factor);
    assert!(world.who(&new.secret).await.is_none());
    let code = codes[0].reveal();
    let given = service.give_second_factor(&new.secret, &code, home()).await;
    assert!(world.who(&given.unwrap().secret).await.is_some());

    let operator = Operator::local();
    service.block_user(&operator, ann.user.id).await.unwrap();
    let blocked = service.log_in_with(&own, home()).await;
    assert!(
        matches!(blocked, Err(IdentityError::Refused(Refusal::UserBlocked))),
        "{blocked:?}"
    );
}

/// Joins Acme with an invitation and a provider.
async fn join(world: &World, ann: &LoggedIn, email: &str) -> Result<LoggedIn, IdentityError> {
    let secret = invite(world, ann, email).await;
    let service = &world.service;
    let begun = service.begin_join(&secret, sso(), home()).await.unwrap();
    let Aim::Join { invitation } = there_and_back(service, &begun).await.aim else {
        panic!("it was to join");
    };
    let proven = proven(email, Some(email));
    let new = service.accept_with(&invitation, proven, home()).await?;
    Ok(world.who(&new.secret).await.unwrap())
}

async fn invite(world: &World, ann: &LoggedIn, email: &str) -> LinkSecret {
    let command = Invite {
        email: email.parse().unwrap(),
        role: Role::Viewer,
    };
    let actor = ann.actor().unwrap();
    world.service.invite(&actor, command).await.unwrap();
    let letter = world.letters().await.pop().unwrap();
    match letter.message {
        Message::Invitation { secret, .. } => secret,
        other => panic!("{other:?}"),
    }
}

async fn a_login_is_unlinked_unless_nothing_else_lets_in(world: World) {
    let ann = world.ann().await;
    let bob = join(&world, &ann, "bob@example.com").await.unwrap();
    let service = &world.service;
    let last = service.unlink_login(&bob, None, &sso()).await;
    assert!(matches!(last, Err(IdentityError::LastWayIn)), "{last:?}");
    // One of a provider that is not configured does not help.
    let other = ProvenLogin {
        provider: "other".parse().unwrap(),
        issuer: "https://other.example".to_owned(),
        ..proven("bob", Some("bob@example.com"))
    };
    let begun = service.begin_link(&bob, None, other.provider.clone()).await;
    let detour = there_and_back(service, &begun.unwrap()).await;
    service.link_login(&bob, &detour, other).await.unwrap();
    let last = service.unlink_login(&bob, None, &sso()).await;
    assert!(matches!(last, Err(IdentityError::LastWayIn)), "{last:?}");
    let configured = [ISSUER.to_owned(), "https://other.example".to_owned()];
    let configured = service.clone().with_issuers(configured);
    // Without a password, only a login of a moment ago shows who is there.
    world.clock.advance(TimeDelta::minutes(15));
    let late = configured.unlink_login(&bob, None, &sso()).await;
    assert!(matches!(late, Err(IdentityError::LogInAgain)), "{late:?}");
    let own = proven("bob@example.com", None);
    let new = configured.log_in_with(&own, home()).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    configured.unlink_login(&bob, None, &sso()).await.unwrap();
    let gone = configured.unlink_login(&bob, None, &sso()).await;
    assert!(matches!(gone, Err(IdentityError::LoginNotLinked)));
    let refused = configured.log_in_with(&own, home()).await;
    assert!(matches!(refused, Err(IdentityError::LoginNotLinked)));
    assert!(world.who(&new.secret).await.is_some(), "sessions stay");
    let log = world.log(&ann.actor().unwrap()).await;
    assert_eq!(log[0], "user.login_unlinked");

    // With a password it is asked for, and enough.
    world.clock.advance(TimeDelta::minutes(15));
    let late = service.set_password(&bob, None, password(PASSWORD)).await;
    assert!(matches!(late, Err(IdentityError::LogInAgain)), "{late:?}");
    let other = ProvenLogin {
        provider: "other".parse().unwrap(),
        issuer: "https://other.example".to_owned(),
        ..proven("bob", None)
    };
    let new = configured.log_in_with(&other, home()).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    let set = service.set_password(&bob, None, password(PASSWORD));
    set.await.unwrap();
    let new = world.log_in("bob@example.com", PASSWORD).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    let other: Slug = "other".parse().unwrap();
    let refused = service.unlink_login(&bob, None, &other).await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    let right = Some(password(PASSWORD));
    service.unlink_login(&bob, right, &other).await.unwrap();
    assert!(service.linked_logins(&bob).await.unwrap().is_empty());
}

/// Somebody who joined with a provider has an address, a second factor and recovery codes as everybody has.
async fn whoever_has_no_password_shows_it_by_a_login_of_a_moment_ago(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    let bob = join(&world, &ann, "bob@example.com").await.unwrap();
    assert!(bob.user.password.is_none());
    let email = || "bobby@example.com".parse().unwrap();
    let asked = service.request_email_change(&bob, None, email());
    asked.await.unwrap();
    assert_eq!(
        service.pending_email_change(&bob).await.unwrap(),
        Some(email())
    );
    let enrolment = service.begin_second_factor(&bob).await.unwrap();
    let secret = totp_rs::Secret::try_from_base32(&enrolment.secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = || {
        let now = mauntic_core::Clock::now(&*world.clock).timestamp();
        app.generate(now.try_into().unwrap()).to_string()
    };
    service
        .confirm_second_factor(&bob, None, &code())
        .await
        .unwrap();
    let renewed = service.renew_recovery_codes(&bob, None).await;
    assert_eq!(renewed.unwrap().len(), 10);
    service.end_second_factor(&bob, None).await.unwrap();

    // A while later the same session is no proof.
    world.clock.advance(TimeDelta::minutes(15));
    let again = |error: IdentityError| matches!(error, IdentityError::LogInAgain);
    let asked = service.request_email_change(&bob, None, email()).await;
    assert!(again(asked.unwrap_err()));
    service.begin_second_factor(&bob).await.unwrap();
    let on = service.confirm_second_factor(&bob, None, &code()).await;
    assert!(again(on.unwrap_err()));
    let renewed = service.renew_recovery_codes(&bob, None).await;
    assert!(again(renewed.unwrap_err()));
    let off = service.end_second_factor(&bob, None).await;
    assert!(again(off.unwrap_err()));
}

/// Whoever stole an account may have linked a login of their own.
async fn a_new_password_names_the_logins_that_it_does_not_end(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    let theirs = proven("eve", Some("eve@example.com"));
    link(&world, &ann, theirs.clone()).await.unwrap();
    world.letters().await;
    let asked = service.request_password_reset(ann.user.email.clone(), home());
    asked.await.unwrap();
    let letter = world.letters().await.pop().unwrap();
    let Message::PasswordReset { secret, linked, .. } = letter.message else {
        panic!("{letter:?}");
    };
    let named = |linked: &[LinkedLogin]| {
        let emails = linked.iter().map(|login| login.email.to_string());
        emails.collect::<Vec<_>>()
    };
    assert_eq!(named(&linked), ["eve@example.com"]);
    let new = password("a newer long password");
    let kept = service.reset_password(&secret, new, &home()).await.unwrap();
    assert_eq!(named(&kept), ["eve@example.com"]);
    assert!(service.log_in_with(&theirs, home()).await.is_ok());
}

async fn an_invitation_is_accepted_with_its_own_address_alone(world: World) {
    let ann = world.ann().await;
    let service = &world.service;
    let secret = invite(&world, &ann, "bob@example.com").await;
    let begun = service.begin_join(&secret, sso(), home()).await.unwrap();
    let Aim::Join { invitation } = there_and_back(service, &begun).await.aim else {
        panic!("it was to join");
    };
    for (email, expected) in [
        (None, "does not say that it has verified"),
        (Some("eve@example.com"), "is for another email address"),
    ] {
        let refused = service.accept_with(&invitation, proven("bob", email), home());
        let text = refused.await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    let bob = ProvenLogin {
        name: Some("Bob Example".parse().unwrap()),
        ..proven("bob", Some("BOB@example.com"))
    };
    let new = service.accept_with(&invitation, bob.clone(), home()).await;
    let who = world.who(&new.unwrap().secret).await.unwrap();
    assert_eq!(who.user.name.as_str(), "Bob Example");
    assert_eq!(who.user.email.as_str(), "bob@example.com");
    assert!(who.user.password.is_none());
    assert_eq!(who.workplace().unwrap().role, Role::Viewer);
    let again = service.accept_with(&invitation, bob, home()).await;
    assert!(matches!(again, Err(IdentityError::DeadLink)), "{again:?}");

    // An account that is there is not taken over.
    let secret = invite(&world, &ann, "carl@example.com").await;
    let actor: Actor = ann.actor().unwrap();
    let carl = mauntic_core::identity::CreateUser {
        email: "carl@example.com".parse().unwrap(),
        name: "Carl".parse().unwrap(),
        password: None,
        role: Role::Viewer,
    };
    let operator = Operator::local();
    let other = mauntic_core::identity::CreateOrganization::named("Other".parse().unwrap());
    let other = service.create_organization(&operator, other).await;
    let other = other.unwrap().id;
    service.create_user(&operator, other, carl).await.unwrap();
    let carl = proven("carl", Some("carl@example.com"));
    let refused = service.accept_with(&secret.hash(), carl, home()).await;
    assert!(
        matches!(refused, Err(IdentityError::EmailTaken)),
        "{refused:?}"
    );
    let size = mauntic_core::PageSize::default();
    let open = service.invitations(&actor, None, size).await.unwrap();
    assert_eq!(open.items.len(), 1);
}

async fn detours_that_do_not_end_soon_have_to_wait(world: World) {
    let ann = world.ann().await;
    link(&world, &ann, proven("ann", Some("ann@example.com")))
        .await
        .unwrap();
    let service = &world.service;
    let begin = async |from: &str| {
        let next = "/app/".to_owned();
        service.begin_log_in(sso(), next, client(from)).await
    };
    for _ in 0..40 {
        let secret = begin("203.0.113.7").await.unwrap();
        there_and_back(service, &secret).await;
        let in_again = service.log_in_with(&proven("ann", None), home()).await;
        in_again.unwrap();
    }
    for _ in 0..30 {
        begin("203.0.113.7").await.unwrap();
    }
    let many = begin("203.0.113.8").await;
    assert!(
        matches!(many, Err(IdentityError::TooManyFailures { .. })),
        "{many:?}"
    );
    begin("198.51.100.7").await.unwrap();
}
