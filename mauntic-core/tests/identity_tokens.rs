//! What API tokens may do, and what ends them.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/service.rs"]
mod support;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Clock as _, DomainEvent as _, PageSize, Permission, Principal, Role,
    identity::{AuditFilter, CreateToken, IdentityError, Invite, Refusal, UserBlocked},
};
use support::{Fixture, OPERATOR, id, token};

#[tokio::test]
async fn whatever_ends_a_token_counts_from_the_next_request_on() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = fixture.member(&acme, "ann@example.com", Role::Admin).await;
    let service = &fixture.service;
    let of_ann = fixture.token(&ann).await;
    let free = fixture.token(&Actor::system(acme.id)).await;
    let actor = service.authenticate(of_ann.secret.reveal()).await.unwrap();
    assert_eq!(
        (actor.organization_id(), actor.role()),
        (acme.id, Role::Admin)
    );
    assert_eq!(
        actor.principal(),
        Principal::Token {
            id: of_ann.token.id
        }
    );

    service
        .change_member(&Actor::system(acme.id), id(&ann), Role::Viewer, None)
        .await
        .unwrap();
    let actor = service.authenticate(of_ann.secret.reveal()).await.unwrap();
    assert_eq!(actor.role(), Role::Viewer);
    assert!(!actor.may(Permission::TokensManage));

    service.block_user(&OPERATOR(), id(&ann)).await.unwrap();
    assert_eq!(fixture.refusal(&of_ann).await, Refusal::UserBlocked);
    assert_eq!(fixture.events(&[UserBlocked::TYPE]).await.len(), 1);
    service.unblock_user(&OPERATOR(), id(&ann)).await.unwrap();
    assert!(service.authenticate(of_ann.secret.reveal()).await.is_ok());

    service
        .block_organization(&OPERATOR(), acme.id)
        .await
        .unwrap();
    assert_eq!(fixture.refusal(&free).await, Refusal::OrganizationBlocked);
    service
        .unblock_organization(&OPERATOR(), acme.id)
        .await
        .unwrap();
    assert!(service.authenticate(free.secret.reveal()).await.is_ok());

    service
        .remove_member(&Actor::system(acme.id), id(&ann))
        .await
        .unwrap();
    assert_eq!(fixture.refusal(&of_ann).await, Refusal::Revoked);
    service
        .revoke_token(&Actor::system(acme.id), free.token.id)
        .await
        .unwrap();
    assert_eq!(fixture.refusal(&free).await, Refusal::Revoked);
    let unknown = service.authenticate("mnt_unknown").await;
    assert!(matches!(
        unknown,
        Err(IdentityError::Refused(Refusal::Unknown))
    ));
}

#[tokio::test]
async fn an_admin_ends_no_token_of_an_owner() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let owner = fixture
        .member(&acme, "owner@example.com", Role::Owner)
        .await;
    let admin = fixture
        .member(&acme, "admin@example.com", Role::Admin)
        .await;
    let of_owner = fixture.token(&owner).await;
    let of_admin = fixture.token(&admin).await;
    let service = &fixture.service;
    let refused = service.revoke_token(&admin, of_owner.token.id).await;
    assert!(
        matches!(refused, Err(IdentityError::Forbidden(_))),
        "{refused:?}"
    );
    assert!(service.authenticate(of_owner.secret.reveal()).await.is_ok());
    for token in [&of_admin, &of_owner] {
        service.revoke_token(&owner, token.token.id).await.unwrap();
        assert_eq!(fixture.refusal(token).await, Refusal::Revoked);
    }
    // One that the owner bounded is no more than what admins have.
    let bounded = service.create_token(&owner, token(Role::Viewer)).await;
    let bounded = bounded.unwrap();
    service
        .revoke_token(&admin, bounded.token.id)
        .await
        .unwrap();
    assert_eq!(fixture.refusal(&bounded).await, Refusal::Revoked);
}

#[tokio::test]
async fn what_a_token_made_ends_with_it() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let operator = Actor::system(acme.id);
    let service = &fixture.service;
    let first = fixture.token(&operator).await;
    let actor = service.authenticate(first.secret.reveal()).await.unwrap();
    let second = fixture.token(&actor).await;
    let by_second = service.authenticate(second.secret.reveal()).await.unwrap();
    let third = fixture.token(&by_second).await;
    let other = fixture.token(&operator).await;
    assert_eq!(third.token.made_by, Some(second.token.id));
    service
        .revoke_token(&operator, first.token.id)
        .await
        .unwrap();
    for token in [&first, &second, &third] {
        assert_eq!(fixture.refusal(token).await, Refusal::Revoked);
    }
    assert!(service.authenticate(other.secret.reveal()).await.is_ok());
    // Who was let in a moment before makes nothing that would outlive it.
    let late = service.create_token(&by_second, token(Role::Viewer)).await;
    assert!(
        matches!(late, Err(IdentityError::Refused(Refusal::Revoked))),
        "{late:?}"
    );
    let (all, size) = (AuditFilter::default(), PageSize::default());
    let page = service.audit_log(&operator, &all, None, size).await;
    let entries = page.unwrap().items;
    let revoked = entries
        .iter()
        .filter(|entry| entry.change.action == "token.revoked");
    assert_eq!(revoked.count(), 3);
}

#[tokio::test]
async fn a_token_gives_no_role_that_may_more_than_itself() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let service = &fixture.service;
    let bob = fixture.member(&acme, "bob@example.com", Role::Viewer).await;
    let narrow = CreateToken {
        scopes: Some([Permission::MembersManage].into()),
        ..token(Role::Admin)
    };
    let narrow = service.create_token(&Actor::system(acme.id), narrow).await;
    let narrow = service.authenticate(narrow.unwrap().secret.reveal()).await;
    let narrow = narrow.unwrap();
    let invite = Invite {
        email: "eve@example.com".parse().unwrap(),
        role: Role::Admin,
    };
    let invited = service.invite(&narrow, invite).await;
    assert!(
        matches!(invited, Err(IdentityError::RoleBeyondScope(Role::Admin, _))),
        "{invited:?}"
    );
    let raised = service
        .change_member(&narrow, id(&bob), Role::Admin, None)
        .await;
    assert!(matches!(raised, Err(IdentityError::RoleBeyondScope(..))));
    // What it takes away is its own affair.
    service.remove_member(&narrow, id(&bob)).await.unwrap();
}

#[tokio::test]
async fn a_token_expires_and_its_use_is_noted_once_a_minute() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let operator = Actor::system(acme.id);
    let service = &fixture.service;
    let start = fixture.clock.now();
    let end = Some(start + TimeDelta::hours(1));
    let command = CreateToken {
        expires_at: end,
        ..token(Role::Viewer)
    };
    let made = service.create_token(&operator, command).await.unwrap();
    let last_used = async || {
        let page = service
            .tokens(&operator, None, PageSize::default())
            .await
            .unwrap();
        page.items[0].last_used_at
    };
    for (seconds, noted) in [(0, 0), (59, 0), (60, 60), (61, 60)] {
        fixture.clock.set(start + TimeDelta::seconds(seconds));
        service.authenticate(made.secret.reveal()).await.unwrap();
        assert_eq!(last_used().await, Some(start + TimeDelta::seconds(noted)));
    }
    fixture.clock.set(start + TimeDelta::hours(1));
    assert_eq!(fixture.refusal(&made).await, Refusal::Expired);
    let past = CreateToken {
        expires_at: end,
        ..token(Role::Viewer)
    };
    let past = service.create_token(&operator, past).await;
    assert!(matches!(past, Err(IdentityError::ExpiresInThePast)));
}

#[tokio::test]
async fn a_token_gives_no_more_than_it_has() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = fixture.member(&acme, "ann@example.com", Role::Admin).await;
    let service = &fixture.service;
    let end = fixture.clock.now() + TimeDelta::hours(1);
    let scopes = BTreeSet::from([Permission::TokensManage, Permission::ContactsRead]);
    let parent = CreateToken {
        scopes: Some(scopes.clone()),
        expires_at: Some(end),
        ..token(Role::Admin)
    };
    let parent = service.create_token(&ann, parent).await.unwrap();
    let parent = service.authenticate(parent.secret.reveal()).await.unwrap();
    let child = service
        .create_token(&parent, token(Role::Admin))
        .await
        .unwrap()
        .token;
    assert_eq!(
        (child.scopes, child.user_id, child.expires_at),
        (scopes, Some(id(&ann)), Some(end))
    );
    let wanted = |permission| Some(BTreeSet::from([permission]));
    let more = CreateToken {
        scopes: wanted(Permission::ContactsDelete),
        ..token(Role::Admin)
    };
    let more = service.create_token(&parent, more).await;
    assert!(matches!(
        more,
        Err(IdentityError::BeyondOwnScope(Permission::ContactsDelete))
    ));
    let idle = CreateToken {
        scopes: wanted(Permission::TokensManage),
        ..token(Role::Viewer)
    };
    let idle = service.create_token(&ann, idle).await;
    assert!(matches!(
        idle,
        Err(IdentityError::BeyondRole(
            Permission::TokensManage,
            Role::Viewer
        ))
    ));
}
