//! Having an organisation deleted, taking it back, and what is left to people in between.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Forbidden, Operator, PageSize, Permission, Principal, UuidV7Source, WorkerId,
    identity::{
        CreateToken, IdentityError, LoggedIn, Message, Refusal, RequestDeletion, UpdateOrganization,
    },
};
use support::{PASSWORD, World, password};

on_both!(
    an_owner_has_the_organization_deleted_and_takes_it_back,
    whoever_deletes_types_the_name_and_the_password,
    while_it_waits_nothing_is_changed,
    once_its_time_is_over_it_is_erased_for_good,
    a_blocked_organization_is_shown_as_closed,
    a_token_deletes_only_if_it_was_made_for_that,
);

fn request(who: &LoggedIn, name: &str, text: &str) -> RequestDeletion {
    RequestDeletion {
        name: name.to_owned(),
        who: Some(who.clone()),
        password: Some(password(text)),
    }
}

async fn reload(world: &World, who: &LoggedIn) -> LoggedIn {
    let email = who.user.email.as_str();
    let new = world.log_in(email, PASSWORD).await.unwrap();
    world.who(&new.secret).await.unwrap()
}

async fn an_owner_has_the_organization_deleted_and_takes_it_back(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let asked = world
        .service
        .request_deletion(&actor, request(&ann, "Acme", PASSWORD));
    let deletion = asked.await.unwrap().deletion.unwrap();
    assert_eq!(deletion.due_at - deletion.requested_at, TimeDelta::days(30));
    assert_eq!(deletion.requested_by, Principal::User { id: ann.user.id });
    let letters = world.letters().await;
    let [letter] = &*letters else {
        panic!("{letters:?}");
    };
    assert_eq!(letter.to, ann.user.email);
    assert!(
        matches!(&letter.message, Message::Deletion { organization, due_at }
            if organization.as_str() == "Acme" && *due_at == Some(deletion.due_at)),
        "{letter:?}"
    );
    // The date stays.
    world.clock.advance(TimeDelta::days(1));
    let again = world
        .service
        .request_deletion(&actor, request(&ann, "Acme", PASSWORD));
    assert_eq!(again.await.unwrap().deletion, Some(deletion));
    let ann = reload(&world, &ann).await;
    assert_eq!(
        ann.workplace().unwrap().deletion_due_at,
        Some(deletion.due_at)
    );
    let actor = ann.actor().unwrap();
    let restored = world.service.restore_organization(&actor).await.unwrap();
    assert!(restored.is_active());
    let letters = world.letters().await;
    assert!(
        matches!(
            letters
                .iter()
                .map(|letter| &letter.message)
                .collect::<Vec<_>>()[..],
            [Message::Deletion { due_at: None, .. }]
        ),
        "{letters:?}"
    );
    assert!(!reload(&world, &ann).await.actor().unwrap().is_closing());
    let mut log = world.log(&actor).await;
    log.retain(|action| action.starts_with("organization."));
    assert_eq!(
        log[..2],
        ["organization.restored", "organization.deletion_requested"]
    );
}

async fn whoever_deletes_types_the_name_and_the_password(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    for (command, wrong) in [
        (request(&ann, "acme", PASSWORD), "name"),
        (request(&ann, "", PASSWORD), "name"),
        (request(&ann, "Acme", "another long password"), "password"),
        (
            RequestDeletion {
                password: None,
                ..request(&ann, "Acme", PASSWORD)
            },
            "password",
        ),
    ] {
        let refused = world.service.request_deletion(&actor, command).await;
        let refused = refused.unwrap_err();
        match wrong {
            "name" => assert!(matches!(refused, IdentityError::NameDiffers), "{refused}"),
            _ => assert!(matches!(refused, IdentityError::WrongPassword), "{refused}"),
        }
    }
    assert!(
        world
            .service
            .organization(&actor)
            .await
            .unwrap()
            .is_active()
    );
}

async fn while_it_waits_nothing_is_changed(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let asked = world
        .service
        .request_deletion(&actor, request(&ann, "Acme", PASSWORD));
    asked.await.unwrap();
    let ann = reload(&world, &ann).await;
    let actor = ann.actor().unwrap();
    let change = UpdateOrganization {
        name: Some("Renamed".parse().unwrap()),
        ..UpdateOrganization::default()
    };
    let refused = world.service.update_organization(&actor, change).await;
    assert!(matches!(
        refused,
        Err(IdentityError::Forbidden(Forbidden::Closing(
            Permission::OrganizationManage
        )))
    ));
    assert!(world.service.organization(&actor).await.is_ok());
    assert!(actor.may(Permission::ContactsExport));
}

async fn once_its_time_is_over_it_is_erased_for_good(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let asked = world
        .service
        .request_deletion(&actor, request(&ann, "Acme", PASSWORD));
    asked.await.unwrap();
    let worker = WorkerId::generate(&UuidV7Source);
    assert_eq!(world.service.claim_erasure(worker).await.unwrap(), None);
    world.clock.advance(TimeDelta::days(30));
    let claimed = world.service.claim_erasure(worker).await.unwrap();
    assert_eq!(claimed, Some(actor.organization_id()));
    let late = world.service.restore_organization(&actor).await;
    assert!(
        matches!(late, Err(IdentityError::ErasureBegun(_))),
        "{late:?}"
    );
    while world
        .service
        .erase_some(actor.organization_id(), 10)
        .await
        .unwrap()
        > 0
    {}
    world
        .service
        .finish_erasure(actor.organization_id())
        .await
        .unwrap();
    assert_eq!(world.service.claim_erasure(worker).await.unwrap(), None);
    let gone = world.log_in("ann@example.com", PASSWORD).await;
    assert!(matches!(gone, Err(IdentityError::WrongPassword)));
    // Nobody who comes by sets it up anew: that is the operator's to do.
    assert!(!world.service.needs_set_up().await.unwrap());
    let operator = Operator::local();
    let erased = world.service.erasures(&operator, None, PageSize::default());
    let erased = erased.await.unwrap().items;
    assert_eq!(erased[0].organization_id, actor.organization_id());
    assert_eq!(erased[0].requested_by, Principal::User { id: ann.user.id });
}

async fn a_blocked_organization_is_shown_as_closed(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let operator = Operator::local();
    let blocked = world
        .service
        .block_organization(&operator, actor.organization_id());
    blocked.await.unwrap();
    let ann = reload(&world, &ann).await;
    assert_eq!(ann.actor(), None);
    assert_eq!(ann.closed_workplace().unwrap().name.as_str(), "Acme");
    let opened = world
        .service
        .unblock_organization(&operator, actor.organization_id());
    opened.await.unwrap();
    let ann = reload(&world, &ann).await;
    assert_eq!(ann.closed_workplace(), None);
    assert!(ann.actor().is_some());
}

async fn a_token_deletes_only_if_it_was_made_for_that(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let make = async |scopes: Option<Permission>| {
        let command = CreateToken {
            name: "a token".parse().unwrap(),
            role: mauntic_core::Role::Owner,
            scopes: scopes.map(|scope| [scope].into()),
            expires_at: None,
        };
        let made = world.service.create_token(&owner, command).await.unwrap();
        made.secret.reveal().to_owned()
    };
    let all = make(None).await;
    let actor: Actor = world.service.authenticate(&all).await.unwrap();
    assert!(actor.may(Permission::OrganizationManage));
    assert!(!actor.may(Permission::OrganizationDelete));
    let one = make(Some(Permission::OrganizationDelete)).await;
    let actor = world.service.authenticate(&one).await.unwrap();
    let command = RequestDeletion {
        name: "Acme".to_owned(),
        who: None,
        password: None,
    };
    world
        .service
        .request_deletion(&actor, command)
        .await
        .unwrap();
    assert!(world.service.authenticate(&all).await.unwrap().is_closing());
    let id = owner.organization_id();
    let operator = Operator::local();
    let blocked = world.service.block_organization(&operator, id).await;
    blocked.unwrap();
    let refused = world.service.authenticate(&all).await.unwrap_err();
    let refused = matches!(
        refused,
        IdentityError::Refused(Refusal::OrganizationBlocked)
    );
    assert!(refused);
}
