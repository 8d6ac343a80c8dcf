//! What members are told, what they write to each other, and how many organisations they own; on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Cause, Clock as _, Envelope, NotificationId, OauthClientId, Operator, OrganizationId,
    PageSize, Permission, Role, UserId, UuidV7Source,
    identity::{
        AddMember, CreateOrganization, CreateToken, CreateUser, Founders, IdentityError, LoggedIn,
        MemberGone, Message, Notice, Notification, NotificationKind, WriteToMember,
    },
};
use support::{PASSWORD, World, password};

on_both!(
    what_somebody_is_told_is_nobody_elses,
    old_notifications_are_forgotten,
    a_member_writes_to_another,
    nobody_writes_to_strangers_or_to_themselves,
    a_letter_to_somebody_who_left_is_not_sent,
    nobody_writes_without_end,
    nobody_owns_organizations_without_end,
);

/// Somebody in Acme, logged in.
async fn member(world: &World, ann: &LoggedIn, name: &str, role: Role) -> LoggedIn {
    let email = format!("{}@example.com", name.to_lowercase());
    let command = CreateUser {
        email: email.parse().unwrap(),
        name: name.parse().unwrap(),
        password: Some(password(PASSWORD).into()),
        role,
    };
    let organization = ann.actor().unwrap().organization_id();
    let operator = Operator::local();
    let made = world.service.create_user(&operator, organization, command);
    made.await.unwrap();
    let new = world.log_in(&email, PASSWORD).await.unwrap();
    world.who(&new.secret).await.unwrap()
}

/// Tells somebody something that happened now.
async fn tell(world: &World, organization: OrganizationId, notice: Notice) {
    let user_id = UserId::generate(&UuidV7Source);
    let (now, cause) = (world.clock.now(), Cause::root(&UuidV7Source));
    let event = MemberGone { user_id };
    let envelope = Envelope::seal(organization, &event, now, &UuidV7Source, cause).unwrap();
    let told = world
        .service
        .apply_notices("test.tell", &envelope, vec![notice]);
    told.await.unwrap();
}

fn notice(user: UserId, heading: &str) -> Notice {
    Notice::new(user, NotificationKind::Import, heading, "3 rows")
}

async fn list(world: &World, actor: &Actor, unread: bool) -> Vec<Notification> {
    let size = PageSize::default();
    let page = world.service.notifications(actor, unread, None, size).await;
    page.unwrap().items
}

fn letter(subject: &str) -> WriteToMember {
    WriteToMember {
        subject: subject.parse().unwrap(),
        text: "Have you seen this?".parse().unwrap(),
        page: Some("/app/contacts/1".parse().unwrap()),
    }
}

async fn what_somebody_is_told_is_nobody_elses(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Viewer).await;
    let (of_ann, of_bob) = (ann.actor().unwrap(), bob.actor().unwrap());
    let acme = of_ann.organization_id();
    tell(&world, acme, notice(ann.user.id, "first")).await;
    tell(&world, acme, notice(ann.user.id, "second")).await;
    let once = || notice(ann.user.id, "once").once("a key", world.clock.now());
    tell(&world, acme, once()).await;
    tell(&world, acme, once()).await;
    let told = list(&world, &of_ann, false).await;
    let headings: Vec<_> = told.iter().map(|one| one.heading.as_str()).collect();
    assert_eq!(headings, ["once", "second", "first"]);
    let service = &world.service;
    assert_eq!(service.unread_notifications(&of_ann, 99).await.unwrap(), 3);
    assert!(list(&world, &of_bob, false).await.is_empty());
    let stolen = service.mark_notification_read(&of_bob, told[0].id).await;
    assert!(
        matches!(stolen, Err(IdentityError::NotificationNotFound(id)) if id == told[0].id),
        "{stolen:?}"
    );
    assert_eq!(
        service
            .mark_notifications_read(&of_bob, None)
            .await
            .unwrap(),
        0
    );
    service
        .mark_notification_read(&of_ann, told[2].id)
        .await
        .unwrap();
    assert_eq!(list(&world, &of_ann, true).await.len(), 2);
    let up_to = Some(told[1].id);
    assert_eq!(
        service
            .mark_notifications_read(&of_ann, up_to)
            .await
            .unwrap(),
        1
    );
    assert_eq!(service.unread_notifications(&of_ann, 99).await.unwrap(), 1);
    // In another organisation, there is nothing of this one; and a program is nobody.
    let other = Actor::user(
        OrganizationId::generate(&UuidV7Source),
        ann.user.id,
        Role::Owner,
    );
    assert!(list(&world, &other, false).await.is_empty());
    let token = CreateToken {
        name: "nightly".parse().unwrap(),
        role: Role::Owner,
        scopes: None,
        expires_at: None,
    };
    let token = service.create_token(&of_ann, token).await.unwrap();
    let token = service.authenticate(token.secret.reveal()).await.unwrap();
    let size = PageSize::default();
    let refused = [
        service.notifications(&token, false, None, size).await.err(),
        service.unread_notifications(&token, 9).await.err(),
        service.mark_notifications_read(&token, None).await.err(),
        service
            .mark_notification_read(&token, NotificationId::generate(&UuidV7Source))
            .await
            .err(),
    ];
    for refusal in refused {
        assert!(
            matches!(refusal, Some(IdentityError::NotAPerson)),
            "{refusal:?}"
        );
    }
}

async fn old_notifications_are_forgotten(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let acme = actor.organization_id();
    tell(&world, acme, notice(ann.user.id, "old")).await;
    world.clock.advance(Notification::KEPT);
    tell(&world, acme, notice(ann.user.id, "new")).await;
    let forget = async || {
        let operator = Operator::local();
        let forgotten = world.service.forget_old_notifications(&operator);
        forgotten.await.unwrap()
    };
    assert_eq!(forget().await, 0, "it is kept for that long");
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(forget().await, 1);
    assert_eq!(list(&world, &actor, false).await[0].heading, "new");
}

async fn a_member_writes_to_another(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Viewer).await;
    let of_bob = bob.actor().unwrap();
    let sent = world
        .service
        .write_to_member(&of_bob, ann.user.id, letter("About a contact"));
    sent.await.unwrap();
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].to.as_str(), "ann@example.com");
    let Message::FromMember {
        sender,
        reply_to,
        organization,
        letter,
    } = &letters[0].message
    else {
        panic!("{:?}", letters[0]);
    };
    assert_eq!((sender.as_str(), organization.as_str()), ("Bob", "Acme"));
    assert_eq!(reply_to.as_str(), "bob@example.com");
    assert_eq!(letter.subject.as_str(), "About a contact");
    assert_eq!(letter.text.as_str(), "Have you seen this?");
    assert_eq!(letter.page.as_ref().unwrap().as_str(), "/app/contacts/1");
    assert!(
        !format!("{:?}", letters[0]).contains("seen this"),
        "it is in no log"
    );
    let log = world.log(&ann.actor().unwrap()).await;
    assert_eq!(log[0], "member.written_to");
}

async fn nobody_writes_to_strangers_or_to_themselves(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Member).await;
    let actor = ann.actor().unwrap();
    let service = &world.service;
    let other = CreateOrganization::named("Other".parse().unwrap());
    let other = service.create_organization(&Operator::local(), other).await;
    let other = other.unwrap().id;
    let eve = CreateUser {
        email: "eve@example.com".parse().unwrap(),
        name: "Eve".parse().unwrap(),
        password: None,
        role: Role::Owner,
    };
    let eve = service.create_user(&Operator::local(), other, eve).await;
    let eve = eve.unwrap().user_id;
    let write = async |actor: &Actor, to| service.write_to_member(actor, to, letter("Hi")).await;
    let stranger = write(&actor, eve).await;
    assert!(
        matches!(stranger, Err(IdentityError::UserNotFound(id)) if id == eve),
        "{stranger:?}"
    );
    let oneself = write(&actor, ann.user.id).await;
    assert!(
        matches!(oneself, Err(IdentityError::Oneself)),
        "{oneself:?}"
    );
    let system = write(&Actor::system(actor.organization_id()), bob.user.id).await;
    assert!(
        matches!(system, Err(IdentityError::NotAPerson)),
        "{system:?}"
    );
    // Whoever let a program see members did not let it write to them.
    let token = CreateToken {
        name: "nightly".parse().unwrap(),
        role: Role::Owner,
        scopes: None,
        expires_at: None,
    };
    let token = service.create_token(&actor, token).await.unwrap();
    let token = service.authenticate(token.secret.reveal()).await.unwrap();
    let scopes = BTreeSet::from([Permission::MembersRead]);
    let client = OauthClientId::generate(&UuidV7Source);
    let acme = actor.organization_id();
    let app = |user| Actor::app(acme, client, user, Role::Owner, scopes.clone());
    for program in [token, app(Some(ann.user.id)), app(None)] {
        let refused = write(&program, bob.user.id).await;
        assert!(
            matches!(refused, Err(IdentityError::NotByPrograms)),
            "{refused:?}"
        );
    }
    service.block_member(&actor, bob.user.id).await.unwrap();
    let blocked = write(&actor, bob.user.id).await;
    assert!(
        matches!(blocked, Err(IdentityError::UserNotFound(_))),
        "{blocked:?}"
    );
    assert!(world.letters().await.is_empty());
    assert!(
        !world
            .log(&actor)
            .await
            .contains(&"member.written_to".to_owned())
    );
}

async fn a_letter_to_somebody_who_left_is_not_sent(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Member).await;
    let actor = ann.actor().unwrap();
    let service = &world.service;
    for (from, to) in [(&ann, &bob), (&bob, &ann)] {
        let writer = from.actor().unwrap();
        let sent = service.write_to_member(&writer, to.user.id, letter("Hi"));
        sent.await.unwrap();
    }
    service.remove_member(&actor, bob.user.id).await.unwrap();
    assert!(world.letters().await.is_empty());
}

async fn nobody_writes_without_end(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Member).await;
    let (of_ann, of_bob) = (ann.actor().unwrap(), bob.actor().unwrap());
    let write = async |actor: &Actor, to: &LoggedIn| {
        let sent = world
            .service
            .write_to_member(actor, to.user.id, letter("Hi"));
        sent.await
    };
    for _ in 0..20 {
        write(&of_ann, &bob).await.unwrap();
    }
    let more = write(&of_ann, &bob).await;
    assert!(
        matches!(more, Err(IdentityError::TooManyFailures { .. })),
        "{more:?}"
    );
    write(&of_bob, &ann).await.unwrap();
    world.clock.advance(TimeDelta::hours(1));
    write(&of_ann, &bob).await.unwrap();
}

async fn nobody_owns_organizations_without_end(world: World) {
    let ann = world.ann().await;
    let service = world.service.clone().with_founders(Founders::Anyone);
    let found = async |name: &str| {
        // What is made is also limited in time.
        world.clock.advance(TimeDelta::hours(1));
        let command = CreateOrganization::named(name.parse().unwrap());
        service.found_organization(&ann, command).await
    };
    let mut last = None;
    for _ in 1..20 {
        last = Some(found("Zoo").await.unwrap().id);
    }
    let more = found("Zoo").await;
    assert!(
        matches!(more, Err(IdentityError::OwnsTooMany { most: 20 })),
        "{more:?}"
    );
    // Whoever owns fewer again makes another.
    member(&world, &ann, "Carl", Role::Viewer).await;
    let last = last.unwrap();
    let owner = Actor::user(last, ann.user.id, Role::Owner);
    let command = AddMember {
        email: "carl@example.com".parse().unwrap(),
        role: Role::Owner,
    };
    let added = service.add_member(&Operator::local(), last, command).await;
    added.unwrap();
    service.remove_member(&owner, ann.user.id).await.unwrap();
    found("Zoo").await.unwrap();
}
