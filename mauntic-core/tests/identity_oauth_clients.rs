//! Apps that an organisation registers: who keeps them, how they prove to be themselves, and what they do for themselves; on
//! both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/oauth.rs"]
mod oauth;
#[path = "support/identity.rs"]
#[expect(dead_code, reason = "no letters here")]
mod support;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use mauntic_core::{
    OauthClientId, Permission, Principal, Role, UuidV7Source,
    identity::{
        AuthorizationParameters, ClientProof, CreateOauthClient, CreateToken, IdentityError,
        MachineWish, OauthError, Patience, Refusal, TokenRequest, UpdateOauthClient, Wanted,
    },
};
use oauth::{HERE, app, for_code, for_refresh, proof, told, wanted};
use support::{World, client, home};

on_both!(
    deleting_an_app_ends_all_that_it_has,
    who_said_yes_before_is_asked_only_for_more_or_for_another_way,
    an_app_acts_for_itself_as_far_as_who_let_it,
    only_people_let_apps_act_for_themselves,
    an_admin_changes_no_app_of_an_owner,
    nobody_overwrites_what_somebody_else_changed,
    an_app_that_cannot_say_who_it_is_gets_nothing,
    what_is_wrong_with_an_app_is_told,
);

async fn deleting_an_app_ends_all_that_it_has(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let app = world.register(&owner, app(true)).await;
    let tokens = world.tokens(&ann, &app, "contacts:read").await;
    let deleted = world.service.delete_oauth_client(&owner, app.client.id);
    deleted.await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::Unknown);
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_client"
    );
    assert_eq!(world.service.own_oauth_grants(&ann).await.unwrap(), []);
    assert_eq!(world.log(&owner).await[0], "oauth_client.deleted");
}

async fn who_said_yes_before_is_asked_only_for_more_or_for_another_way(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let app = world.register(&owner, app(true)).await;
    let service = &world.service;
    let given = async |scope: &str, asks| {
        let client = service.oauth_client(&owner, app.client.id).await.unwrap();
        let wish = Wanted {
            asks,
            ..wanted(&app, scope)
        };
        let consent = service.oauth_consent(&ann, &client, &wish).await;
        consent.unwrap().given
    };
    assert!(!given("contacts:read", false).await);
    world.code(&ann, &app, "contacts:read emails:read").await;
    assert!(given("contacts:read", false).await);
    assert!(!given("contacts:read", true).await, "prompt=consent");
    assert!(!given("contacts:read contacts:write", false).await);
    // Where answers go to is part of what was said yes to.
    world.clock.advance(TimeDelta::minutes(1));
    let command = UpdateOauthClient {
        redirect_uris: Some(vec![
            HERE.parse().unwrap(),
            "https://b.example/".parse().unwrap(),
        ]),
        ..UpdateOauthClient::default()
    };
    let changed = service.update_oauth_client(&owner, app.client.id, command);
    changed.await.unwrap();
    assert!(!given("contacts:read", false).await);
    world.code(&ann, &app, "contacts:read").await;
    assert!(given("contacts:read", false).await);
    assert!(!given("emails:read", false).await, "said to another way");
}

fn machine(role: Role, scopes: &[Permission]) -> CreateOauthClient {
    CreateOauthClient {
        redirect_uris: vec![],
        machine: Some(MachineWish {
            role,
            scopes: Some(scopes.iter().copied().collect()),
        }),
        ..app(true)
    }
}

const MACHINE: TokenRequest = TokenRequest::Machine { scopes: None };

async fn an_app_acts_for_itself_as_far_as_who_let_it(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let service = &world.service;
    let bob = world.member(&ann, "Bob", Role::Admin).await;
    let admin = bob.actor().unwrap();
    let both = [Permission::ContactsRead, Permission::ContactsDelete];
    let own = world.register(&admin, machine(Role::Admin, &both)).await;
    let tokens = world.ask(&own, MACHINE).await.unwrap();
    assert!(tokens.refresh.is_none());
    let actor = world.actor(&tokens).await.unwrap();
    let principal = Principal::App {
        client: own.client.id,
        user: None,
    };
    assert_eq!(actor.principal(), principal);
    assert!(actor.may(Permission::ContactsDelete));
    let more = TokenRequest::Machine {
        scopes: Some(BTreeSet::from([Permission::EmailsRead])),
    };
    assert_eq!(told(world.ask(&own, more).await), "invalid_scope");

    service
        .change_member(&owner, bob.user.id, Role::Viewer, None)
        .await
        .unwrap();
    let actor = world.actor(&tokens).await.unwrap();
    assert_eq!(actor.role(), Role::Viewer);
    service.remove_member(&owner, bob.user.id).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::Revoked);
    assert_eq!(told(world.ask(&own, MACHINE).await), "unauthorized_client");
    // Somebody else answers for it.
    let wish = MachineWish {
        role: Role::Admin,
        scopes: Some(both.into()),
    };
    let command = UpdateOauthClient {
        machine: Some(Some(wish)),
        ..UpdateOauthClient::default()
    };
    let changed = service.update_oauth_client(&owner, own.client.id, command);
    changed.await.unwrap();
    assert!(world.actor(&tokens).await.is_ok());
    let command = UpdateOauthClient {
        machine: Some(None),
        redirect_uris: Some(vec![HERE.parse().unwrap()]),
        ..UpdateOauthClient::default()
    };
    let changed = service.update_oauth_client(&owner, own.client.id, command);
    changed.await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::Revoked);
    assert_eq!(told(world.ask(&own, MACHINE).await), "unauthorized_client");
}

async fn only_people_let_apps_act_for_themselves(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let service = &world.service;
    let command = machine(Role::Owner, &[Permission::OrganizationManage]);
    let big = world.register(&owner, command.clone()).await;
    let token = CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Owner,
        scopes: None,
        expires_at: None,
    };
    let made = service.create_token(&owner, token.clone()).await.unwrap();
    let program = service.authenticate(made.secret.reveal()).await.unwrap();
    let refused = service.create_oauth_client(&program, command.clone()).await;
    assert!(matches!(refused, Err(IdentityError::NotByPrograms)));
    let refused = service.rotate_oauth_secret(&program, big.client.id).await;
    assert!(matches!(refused, Err(IdentityError::NotByPrograms)));
    // What it does not outlast, it can make.
    assert!(
        service
            .create_oauth_client(&program, app(true))
            .await
            .is_ok()
    );

    // Whoever knows the secret of an app may do what that may.
    let bob = world.member(&ann, "Bob", Role::Admin).await;
    let admin = bob.actor().unwrap();
    let refused = service.rotate_oauth_secret(&admin, big.client.id).await;
    assert!(matches!(refused, Err(IdentityError::Forbidden(_))));
    let refused = service.create_oauth_client(&admin, command).await;
    assert!(matches!(refused, Err(IdentityError::Forbidden(_))));

    // An app makes no tokens that would outlast what lets it in.
    let ours = world.register(&owner, app(true)).await;
    let tokens = world.tokens(&ann, &ours, "tokens:manage").await;
    let actor = world.actor(&tokens).await.unwrap();
    let viewer = CreateToken {
        role: Role::Viewer,
        scopes: Some(BTreeSet::new()),
        ..token
    };
    let refused = service.create_token(&actor, viewer).await;
    assert!(matches!(refused, Err(IdentityError::NotByPrograms)));
}

async fn an_admin_changes_no_app_of_an_owner(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let bob = world.member(&ann, "Bob", Role::Admin).await;
    let admin = bob.actor().unwrap();
    let service = &world.service;
    let scopes = [Permission::ContactsRead];
    let big = world.register(&owner, machine(Role::Owner, &scopes)).await;
    // One that the owner bounded is no more than what admins have.
    let small = world.register(&owner, machine(Role::Viewer, &scopes)).await;
    let token = CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Admin,
        scopes: None,
        expires_at: None,
    };
    let made = service.create_token(&admin, token).await.unwrap();
    let program = service.authenticate(made.secret.reveal()).await.unwrap();
    let rename = || UpdateOauthClient {
        name: Some("Mine".parse().unwrap()),
        ..UpdateOauthClient::default()
    };
    for actor in [&admin, &program] {
        let id = big.client.id;
        let refused = [
            service.update_oauth_client(actor, id, rename()).await.err(),
            service.rotate_oauth_secret(actor, id).await.err(),
            service.delete_oauth_client(actor, id).await.err(),
        ];
        for refusal in refused {
            assert!(
                matches!(refusal, Some(IdentityError::Forbidden(_))),
                "{refusal:?}"
            );
        }
    }
    let kept = service.oauth_client(&owner, big.client.id).await;
    assert_eq!(kept.unwrap(), big.client);
    assert!(world.ask(&big, MACHINE).await.is_ok());
    let id = small.client.id;
    let renamed = service.update_oauth_client(&admin, id, rename()).await;
    assert_eq!(renamed.unwrap().name.as_str(), "Mine");
    service.delete_oauth_client(&program, id).await.unwrap();
    let deleted = service.delete_oauth_client(&owner, big.client.id);
    deleted.await.unwrap();
}

async fn nobody_overwrites_what_somebody_else_changed(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let app = world.register(&owner, app(true)).await.client;
    let update = async |command| {
        let changed = world.service.update_oauth_client(&owner, app.id, command);
        changed.await
    };
    let rename = |version| UpdateOauthClient {
        name: Some("Another".parse().unwrap()),
        version: Some(version),
        ..UpdateOauthClient::default()
    };
    let renamed = update(rename(app.version())).await.unwrap();
    let wish = MachineWish {
        role: Role::Viewer,
        scopes: Some(BTreeSet::from([Permission::ContactsRead])),
    };
    let command = |version| UpdateOauthClient {
        machine: Some(Some(wish.clone())),
        version: Some(version),
        ..UpdateOauthClient::default()
    };
    let stale = update(command(app.version())).await;
    let current = renamed.version();
    assert!(
        matches!(stale, Err(IdentityError::Outdated { current: now }) if now == current),
        "{stale:?}"
    );
    let acting = update(command(current)).await.unwrap();
    assert_ne!(acting.version(), current, "what it may do is of it");
    let stale = update(rename(current)).await;
    assert!(matches!(stale, Err(IdentityError::Outdated { .. })));
}

async fn an_app_that_cannot_say_who_it_is_gets_nothing(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let service = &world.service;
    let secretive = world.register(&owner, app(true)).await;
    let public = world.register(&owner, app(false)).await;
    let code = world.code(&ann, &secretive, "contacts:read").await;
    let as_if = |id: &str, secret: Option<&str>| ClientProof {
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
    };
    let right = proof(&secretive);
    let theirs = right.secret.as_deref();
    let (id, of_public) = (right.id.as_str(), public.client.id.to_string());
    for wrong in [
        as_if(id, None),
        as_if(id, Some("")),
        as_if(id, Some(code.reveal())),
        as_if(&of_public, theirs),
        as_if("nobody", theirs),
    ] {
        let issued = service.issue_tokens(&wrong, for_code(&code), &home()).await;
        assert_eq!(told(issued), "invalid_client");
    }
    let before = secretive.secret.as_ref().unwrap().reveal();
    let after = service
        .rotate_oauth_secret(&owner, secretive.client.id)
        .await;
    let after = after.unwrap();
    let old = as_if(id, Some(before));
    let issued = service.issue_tokens(&old, for_code(&code), &home()).await;
    assert_eq!(told(issued), "invalid_client");
    let new = as_if(id, Some(after.reveal()));
    let issued = service.issue_tokens(&new, for_code(&code), &home()).await;
    assert!(issued.is_ok());
    let none = service.rotate_oauth_secret(&owner, public.client.id).await;
    assert!(matches!(none, Err(IdentityError::NoClientSecret)));

    // Somebody who tries many waits; the app itself does not, wherever it comes from.
    let eve = client("198.51.100.9");
    let mut tries = 0;
    while !matches!(
        service.issue_tokens(&old, for_code(&code), &eve).await,
        Err(IdentityError::TooManyFailures { .. })
    ) {
        tries += 1;
        assert!(tries < 100, "nobody has to wait");
    }
    for from in [&home(), &eve] {
        let issued = service.issue_tokens(&new, MACHINE, from).await;
        assert_eq!(told(issued), "unauthorized_client");
    }
    let issued = service.issue_tokens(&old, MACHINE, &eve).await;
    assert!(matches!(issued, Err(IdentityError::TooManyFailures { .. })));
    world.clock.advance(Patience::MEMORY);
    let issued = service.issue_tokens(&old, MACHINE, &eve).await;
    assert_eq!(told(issued), "invalid_client");
    // Ids that are made up are one to the count.
    let mut tries = 0;
    loop {
        let made_up = OauthClientId::generate(&UuidV7Source).to_string();
        let wrong = as_if(&made_up, theirs);
        let issued = service.issue_tokens(&wrong, MACHINE, &eve).await;
        if matches!(issued, Err(IdentityError::TooManyFailures { .. })) {
            break;
        }
        tries += 1;
        assert!(tries < 100, "nobody has to wait");
    }
}

async fn what_is_wrong_with_an_app_is_told(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let service = &world.service;
    let uris = |number: usize| {
        let all = (0..number).map(|one| format!("https://app.example/{one}"));
        all.map(|uri| uri.parse().unwrap()).collect::<Vec<_>>()
    };
    let twice = vec![HERE.parse().unwrap(), HERE.parse().unwrap()];
    for redirect_uris in [uris(0), uris(11), twice] {
        let command = CreateOauthClient {
            redirect_uris,
            ..app(true)
        };
        let made = service.create_oauth_client(&owner, command).await;
        assert!(matches!(made, Err(IdentityError::RedirectUriCount)));
    }
    let most = CreateOauthClient {
        redirect_uris: uris(10),
        ..app(true)
    };
    assert!(service.create_oauth_client(&owner, most).await.is_ok());
    let public = CreateOauthClient {
        confidential: false,
        ..machine(Role::Viewer, &[Permission::ContactsRead])
    };
    let made = service.create_oauth_client(&owner, public).await;
    assert!(matches!(made, Err(IdentityError::PublicMachine)));

    let made = world.register(&owner, app(true)).await;
    let id = made.client.id.to_string();
    let (id, other) = (id.as_str(), owner.organization_id().to_string());
    let destination = async |fields: &[(&str, &str)]| {
        let asked = AuthorizationParameters::of(fields.iter().copied());
        service.oauth_destination(&asked).await
    };
    let found = destination(&[("client_id", id), ("redirect_uri", HERE)]).await;
    assert_eq!(found.unwrap().1.as_str(), HERE);
    for near in ["https://app.example/cb/", "https://app.example/cb?a=b", ""] {
        let found = destination(&[("client_id", id), ("redirect_uri", near)]).await;
        assert!(
            matches!(found, Err(IdentityError::RedirectNotRegistered)),
            "{near}"
        );
    }
    for unknown in [other.as_str(), "x", ""] {
        let found = destination(&[("client_id", unknown), ("redirect_uri", HERE)]).await;
        assert!(
            matches!(found, Err(IdentityError::OauthClientNotFound)),
            "{unknown}"
        );
    }
    assert_eq!(OauthError::InvalidClient.code(), "invalid_client");
}
