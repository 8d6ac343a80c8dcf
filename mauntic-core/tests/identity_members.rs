//! Inviting people, blocking members and giving ownership away, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Operator, PageSize, Role, UserId,
    identity::{
        CreateToken, CreateUser, IdentityError, Invitation, Invite, Letter, LinkSecret, LoggedIn,
        Message, NewSession,
    },
};
use support::{Letters, PASSWORD, World, home, password};

on_both!(
    a_stranger_joins_with_a_mailed_link_once,
    a_user_joins_as_the_invited_address_alone,
    a_resent_invitation_has_another_link_and_a_revoked_one_none,
    nobody_invites_above_their_own_role,
    invitations_end_with_what_the_inviter_may,
    nobody_fills_a_mailbox_with_invitations,
    accepting_and_inviting_at_once_waits_for_nothing,
    of_many_who_accept_one_joins,
    a_member_is_blocked_at_the_next_request,
    ownership_is_given_away_at_once,
);

async fn invite(world: &World, by: &LoggedIn, email: &str, role: Role) -> Letter {
    let command = Invite {
        email: email.parse().unwrap(),
        role,
    };
    let actor = by.actor().unwrap();
    world.service.invite(&actor, command).await.unwrap();
    world.letters().await.pop().unwrap()
}

async fn open(world: &World, actor: &Actor) -> Vec<Invitation> {
    let page = world
        .service
        .invitations(actor, None, PageSize::default())
        .await;
    page.unwrap().items
}

fn secret(letter: &Letter) -> LinkSecret {
    match &letter.message {
        Message::Invitation { secret, .. } => secret.clone(),
        other => panic!("{other:?}"),
    }
}

async fn accept(world: &World, secret: &LinkSecret) -> Result<NewSession, IdentityError> {
    let name = "Bob".parse().unwrap();
    let accepted = world
        .service
        .accept_as_new(secret, name, password(PASSWORD), home());
    accepted.await
}

/// Bob, invited to Acme.
async fn bob(world: &World, ann: &LoggedIn, role: Role) -> LoggedIn {
    let letter = invite(world, ann, "bob@example.com", role).await;
    let new = accept(world, &secret(&letter)).await.unwrap();
    world.who(&new.secret).await.unwrap()
}

async fn a_stranger_joins_with_a_mailed_link_once(world: World) {
    let ann = world.ann().await;
    let lost = Letters {
        lost: true,
        ..Letters::default()
    };
    assert!(!world.service.deliver_letters(&lost).await.unwrap());
    let letter = invite(&world, &ann, "bob@example.com", Role::Member).await;
    let Message::Invitation {
        organization,
        role,
        inviter,
        ..
    } = &letter.message
    else {
        panic!("{letter:?}");
    };
    assert_eq!((organization.as_str(), *role), ("Acme", Role::Member));
    assert_eq!(inviter.as_ref().unwrap().as_str(), "Ann");
    let secret = secret(&letter);
    let shown = world.service.invitation(&secret).await.unwrap();
    assert!(!shown.has_account);
    let new = accept(&world, &secret).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    assert_eq!(bob.workplace().unwrap().role, Role::Member);
    assert_eq!(bob.user.email.as_str(), "bob@example.com");
    let again = accept(&world, &secret).await;
    assert!(matches!(again, Err(IdentityError::DeadLink)), "{again:?}");
    let actor = ann.actor().unwrap();
    assert!(open(&world, &actor).await.is_empty());
    let command = Invite {
        email: "Bob@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    let again = world.service.invite(&actor, command).await;
    assert!(
        matches!(again, Err(IdentityError::AlreadyMember)),
        "{again:?}"
    );
    assert_eq!(
        world.log(&actor).await[..2],
        ["member.added", "invitation.created"]
    );
}

async fn a_user_joins_as_the_invited_address_alone(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let carl = CreateUser {
        email: "carl@example.com".parse().unwrap(),
        name: "Carl".parse().unwrap(),
        password: Some(password(PASSWORD).into()),
        role: Role::Viewer,
    };
    let organization = actor.organization_id();
    let made = world
        .service
        .create_user(&Operator::local(), organization, carl)
        .await;
    let carl = made.unwrap();
    world
        .service
        .remove_member(&actor, carl.user_id)
        .await
        .unwrap();
    let letter = invite(&world, &ann, "CARL@example.com", Role::Admin).await;
    let secret = secret(&letter);
    assert!(world.service.invitation(&secret).await.unwrap().has_account);
    let foreign = world.service.accept_invitation(&ann, &secret).await;
    assert!(
        matches!(foreign, Err(IdentityError::InvitedAsSomebodyElse)),
        "{foreign:?}"
    );
    let new = accept(&world, &secret).await;
    assert!(matches!(new, Err(IdentityError::EmailTaken)), "{new:?}");
    let new = world.log_in("carl@example.com", PASSWORD).await.unwrap();
    let carl = world.who(&new.secret).await.unwrap();
    assert!(carl.actor().is_none());
    world
        .service
        .accept_invitation(&carl, &secret)
        .await
        .unwrap();
    let carl = world.who(&new.secret).await.unwrap();
    assert_eq!(carl.workplace().unwrap().role, Role::Admin);
}

async fn a_resent_invitation_has_another_link_and_a_revoked_one_none(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let first = secret(&invite(&world, &ann, "bob@example.com", Role::Viewer).await);
    world.clock.advance(TimeDelta::days(6));
    let id = open(&world, &actor).await[0].id;
    world.service.resend_invitation(&actor, id).await.unwrap();
    let second = secret(&world.letters().await[0]);
    let old = accept(&world, &first).await;
    assert!(matches!(old, Err(IdentityError::DeadLink)), "{old:?}");
    world.clock.advance(TimeDelta::days(6));
    assert!(world.service.invitation(&second).await.is_ok());
    world.clock.advance(TimeDelta::days(1));
    let late = accept(&world, &second).await;
    assert!(matches!(late, Err(IdentityError::DeadLink)), "{late:?}");
    world.service.resend_invitation(&actor, id).await.unwrap();
    let third = secret(&world.letters().await[0]);
    world.service.revoke_invitation(&actor, id).await.unwrap();
    let gone = accept(&world, &third).await;
    assert!(matches!(gone, Err(IdentityError::DeadLink)), "{gone:?}");
    let again = world.service.revoke_invitation(&actor, id).await;
    assert!(matches!(again, Err(IdentityError::InvitationNotFound(_))));
}

async fn nobody_invites_above_their_own_role(world: World) {
    let ann = world.ann().await;
    let bob = bob(&world, &ann, Role::Admin).await;
    let command = |role| Invite {
        email: "carl@example.com".parse().unwrap(),
        role,
    };
    let actor = bob.actor().unwrap();
    let above = world.service.invite(&actor, command(Role::Owner)).await;
    assert!(
        matches!(above, Err(IdentityError::Forbidden(_))),
        "{above:?}"
    );
    world
        .service
        .invite(&actor, command(Role::Admin))
        .await
        .unwrap();
    // Inviting again replaces what was there.
    let owner = ann.actor().unwrap();
    world
        .service
        .invite(&owner, command(Role::Owner))
        .await
        .unwrap();
    let open = open(&world, &owner).await;
    assert_eq!((open.len(), open[0].role), (1, Role::Owner));
    // But not what those above gave, who alone take it back.
    let id = open[0].id;
    let resent = world.service.resend_invitation(&actor, id).await;
    let revoked = world.service.revoke_invitation(&actor, id).await;
    let replaced = world.service.invite(&actor, command(Role::Viewer)).await;
    for refused in [resent, revoked, replaced.map(|_| ())] {
        assert!(
            matches!(refused, Err(IdentityError::Forbidden(_))),
            "{refused:?}"
        );
    }
    world.service.revoke_invitation(&owner, id).await.unwrap();
}

/// By Bob, an admin: one to an admin, one to a viewer, and one by a token of his.
async fn invitations_of_bob(world: &World, bob: &LoggedIn) -> Vec<LinkSecret> {
    let mut all = Vec::new();
    for (email, role) in [
        ("eve@example.com", Role::Admin),
        ("fay@example.com", Role::Viewer),
    ] {
        all.push(secret(&invite(world, bob, email, role).await));
    }
    let token = CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Admin,
        scopes: None,
        expires_at: None,
    };
    let of_bob = bob.actor().unwrap();
    let token = world.service.create_token(&of_bob, token).await.unwrap();
    let token = world.service.authenticate(token.secret.reveal()).await;
    let by_token = Invite {
        email: "gil@example.com".parse().unwrap(),
        role: Role::Admin,
    };
    let invited = world.service.invite(&token.unwrap(), by_token).await;
    assert_eq!(invited.unwrap().invited_by, Some(bob.user.id));
    all.push(secret(&world.letters().await[0]));
    all
}

async fn invitations_end_with_what_the_inviter_may(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let bob = bob(&world, &ann, Role::Owner).await;
    let id = bob.user.id;
    let service = &world.service;
    let dead = async |secrets: &[LinkSecret]| {
        for secret in secrets {
            let shown = service.invitation(secret).await;
            assert!(matches!(shown, Err(IdentityError::DeadLink)), "{shown:?}");
            let joined = accept(&world, secret).await;
            assert!(matches!(joined, Err(IdentityError::DeadLink)), "{joined:?}");
        }
    };
    // An owner who becomes an admin may still invite admins.
    let owner = secret(&invite(&world, &bob, "hal@example.com", Role::Owner).await);
    let secrets = invitations_of_bob(&world, &bob).await;
    service
        .change_member(&actor, id, Role::Admin, None)
        .await
        .unwrap();
    dead(&[owner]).await;
    assert_eq!(open(&world, &actor).await.len(), 3);
    assert_eq!(world.log(&actor).await[0], "invitation.revoked");
    // A member may invite nobody.
    service
        .change_member(&actor, id, Role::Member, None)
        .await
        .unwrap();
    dead(&secrets).await;
    assert!(open(&world, &actor).await.is_empty());

    world.clock.advance(TimeDelta::hours(2));
    service
        .change_member(&actor, id, Role::Owner, None)
        .await
        .unwrap();
    let secrets = invitations_of_bob(&world, &bob).await;
    service.block_member(&actor, id).await.unwrap();
    dead(&secrets).await;
    assert!(open(&world, &actor).await.is_empty());
    service.unblock_member(&actor, id).await.unwrap();

    world.clock.advance(TimeDelta::hours(2));
    let secrets = invitations_of_bob(&world, &bob).await;
    let operator = Operator::local();
    service.block_user(&operator, id).await.unwrap();
    dead(&secrets).await;
    service.unblock_user(&operator, id).await.unwrap();
    service.remove_member(&actor, id).await.unwrap();
    dead(&secrets).await;
    assert!(open(&world, &actor).await.is_empty());
}

async fn nobody_fills_a_mailbox_with_invitations(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let command = || Invite {
        email: "bob@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    for _ in 0..2 {
        world.service.invite(&actor, command()).await.unwrap();
    }
    let id = open(&world, &actor).await[0].id;
    world.service.resend_invitation(&actor, id).await.unwrap();
    let resent = world.service.resend_invitation(&actor, id).await;
    let invited = world.service.invite(&actor, command()).await;
    for refused in [resent, invited.map(|_| ())] {
        assert!(
            matches!(refused, Err(IdentityError::TooManyFailures { .. })),
            "{refused:?}"
        );
    }
    // Somebody else can be invited, and later Bob again.
    let other = invite(&world, &ann, "eve@example.com", Role::Viewer).await;
    assert_eq!(other.to.as_str(), "eve@example.com");
    world.clock.advance(TimeDelta::minutes(1));
    world.service.invite(&actor, command()).await.unwrap();
}

/// Both lock the organisation before the user, so neither waits for the other.
async fn accepting_and_inviting_at_once_waits_for_nothing(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    for round in 0..6 {
        let email = format!("carl{round}@example.com");
        let carl = CreateUser {
            email: email.parse().unwrap(),
            name: "Carl".parse().unwrap(),
            password: Some(password(PASSWORD).into()),
            role: Role::Viewer,
        };
        let (operator, organization) = (Operator::local(), actor.organization_id());
        let made = world.service.create_user(&operator, organization, carl);
        let id = made.await.unwrap().user_id;
        world.service.remove_member(&actor, id).await.unwrap();
        let secret = secret(&invite(&world, &ann, &email, Role::Viewer).await);
        let new = world.log_in(&email, PASSWORD).await.unwrap();
        let carl = world.who(&new.secret).await.unwrap();
        let invites: Vec<_> = (0..2)
            .map(|_| {
                let (service, actor) = (world.service.clone(), actor.clone());
                let command = Invite {
                    email: email.parse().unwrap(),
                    role: Role::Viewer,
                };
                tokio::spawn(async move { service.invite(&actor, command).await })
            })
            .collect();
        let service = world.service.clone();
        let accept = tokio::spawn(async move { service.accept_invitation(&carl, &secret).await });
        match accept.await.unwrap() {
            Ok(_) | Err(IdentityError::DeadLink) => {}
            Err(error) => panic!("{error}"),
        }
        for invite in invites {
            match invite.await.unwrap() {
                Ok(_) | Err(IdentityError::AlreadyMember) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn of_many_who_accept_one_joins(world: World) {
    let ann = world.ann().await;
    let secret = secret(&invite(&world, &ann, "bob@example.com", Role::Viewer).await);
    let tries: Vec<_> = (0..4)
        .map(|_| {
            let (service, secret) = (world.service.clone(), secret.clone());
            let name = "Bob".parse().unwrap();
            tokio::spawn(async move {
                let accepted = service.accept_as_new(&secret, name, password(PASSWORD), home());
                accepted.await
            })
        })
        .collect();
    let mut done = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(IdentityError::DeadLink | IdentityError::EmailTaken) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 1);
}

async fn a_member_is_blocked_at_the_next_request(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let letter = invite(&world, &ann, "bob@example.com", Role::Admin).await;
    let session = accept(&world, &secret(&letter)).await.unwrap().secret;
    let bob = world.who(&session).await.unwrap();
    let token = CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Viewer,
        scopes: None,
        expires_at: None,
    };
    let of_bob = bob.actor().unwrap();
    let token = world.service.create_token(&of_bob, token).await;
    let token = token.unwrap().secret;
    world
        .service
        .block_member(&actor, bob.user.id)
        .await
        .unwrap();
    assert!(world.who(&session).await.unwrap().actor().is_none());
    assert!(world.service.authenticate(token.reveal()).await.is_err());
    let last = world.service.block_member(&actor, ann.user.id).await;
    assert!(matches!(last, Err(IdentityError::LastOwner)), "{last:?}");
    world
        .service
        .unblock_member(&actor, bob.user.id)
        .await
        .unwrap();
    assert!(world.who(&session).await.unwrap().actor().is_some());
    assert!(world.service.authenticate(token.reveal()).await.is_ok());
    let owner = world.service.block_member(&of_bob, ann.user.id).await;
    assert!(matches!(owner, Err(IdentityError::Forbidden(_))));
    assert_eq!(
        world.log(&actor).await[..2],
        ["member.unblocked", "member.blocked"]
    );
}

async fn ownership_is_given_away_at_once(world: World) {
    let ann = world.ann().await;
    let bob = bob(&world, &ann, Role::Viewer).await;
    let actor = ann.actor().unwrap();
    let (from, to) = (ann.user.id, bob.user.id);
    let nobody = UserId::from_uuid(uuid::Uuid::from_u128(1));
    let given = world.service.transfer_ownership(&actor, from, nobody).await;
    assert!(matches!(given, Err(IdentityError::UserNotFound(_))));
    world.service.block_member(&actor, to).await.unwrap();
    let given = world.service.transfer_ownership(&actor, from, to).await;
    assert!(matches!(given, Err(IdentityError::UserNotFound(_))));
    world.service.unblock_member(&actor, to).await.unwrap();
    world
        .service
        .transfer_ownership(&actor, from, to)
        .await
        .unwrap();
    let page = world
        .service
        .members(&actor, None, PageSize::default())
        .await;
    let roles: Vec<_> = page
        .unwrap()
        .items
        .iter()
        .map(|member| member.role)
        .collect();
    assert_eq!(roles, [Role::Admin, Role::Owner]);
    let given = world.service.transfer_ownership(&actor, from, to).await;
    assert!(matches!(given, Err(IdentityError::NotAnOwner)), "{given:?}");
}
