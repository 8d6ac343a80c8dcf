//! What apps do that are let in by OAuth for a user, and what ends it; on both back ends.
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
    Operator, Permission, Principal, Role,
    identity::{
        IdentityError, IssuedTokens, LoggedIn, NewOauthClient, OauthCode, OauthSecret,
        OauthTokenKind, Refusal, TokenRequest, Wanted,
    },
};
use oauth::{HERE, VERIFIER, app, for_code, for_refresh, proof, told, wanted};
use support::{World, home};

on_both!(
    a_code_brings_tokens_that_act_for_the_user,
    a_code_is_good_for_a_minute_and_for_what_it_was_made_for,
    a_code_that_comes_twice_ends_what_came_of_it,
    a_refresh_token_that_comes_twice_ends_the_grant,
    what_is_refreshed_can_be_less_and_never_more,
    whatever_ends_a_member_ends_what_apps_do_for_them,
    a_member_takes_back_what_an_app_may_do,
    an_app_may_do_no_more_than_the_role_of_the_user,
    an_app_ends_its_own_tokens_and_no_others,
    old_tokens_are_forgotten,
);

async fn a_code_brings_tokens_that_act_for_the_user(world: World) {
    let ann = world.ann().await.calling_from(home().address);
    let owner = ann.actor().unwrap();
    for confidential in [true, false] {
        let app = world.register(&owner, app(confidential)).await;
        assert_eq!(app.secret.is_some(), confidential);
        let tokens = world.tokens(&ann, &app, "contacts:read emails:read").await;
        assert!(tokens.access.reveal().starts_with("mna_"));
        assert_eq!(tokens.expires_in, TimeDelta::minutes(60));
        let actor = world.actor(&tokens).await.unwrap();
        assert_eq!(actor.organization_id(), owner.organization_id());
        let principal = Principal::App {
            client: app.client.id,
            user: Some(ann.user.id),
        };
        assert_eq!(actor.principal(), principal);
        assert!(actor.may(Permission::ContactsRead));
        assert!(!actor.may(Permission::ContactsWrite));
        world.clock.advance(TimeDelta::minutes(60));
        assert_eq!(world.refusal(&tokens).await, Refusal::Expired);
        let tokens = world.ask(&app, for_refresh(&tokens)).await.unwrap();
        assert!(world.actor(&tokens).await.is_ok());
    }
    let log = world.log(&owner).await;
    let expected = ["oauth_grant.given", "oauth_client.created"];
    assert_eq!(log[..4], [expected, expected].concat());
    let own = world.service.own_oauth_grants(&ann).await.unwrap();
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|own| own.grant.last_used_at.is_some()));
}

async fn a_code_is_good_for_a_minute_and_for_what_it_was_made_for(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let ours = world.register(&owner, app(true)).await;
    let other = world.register(&owner, app(true)).await;
    let code = world.code(&ann, &ours, "contacts:read").await;
    let wrong = |uri: &str, verifier: Option<&str>| TokenRequest::Code {
        code: code.reveal().to_owned(),
        redirect_uri: uri.to_owned(),
        verifier: verifier.map(str::to_owned),
    };
    assert_eq!(
        told(world.ask(&other, for_code(&code)).await),
        "invalid_grant"
    );
    for request in [
        wrong("https://app.example/cb2", Some(VERIFIER)),
        wrong(HERE, None),
        wrong(HERE, Some("x".repeat(43).as_str())),
    ] {
        assert_eq!(told(world.ask(&ours, request).await), "invalid_grant");
    }
    // None of these used it up.
    assert!(world.ask(&ours, for_code(&code)).await.is_ok());

    // Where no challenge was sent, none is answered: it may have been taken away on the way.
    let bare = Wanted {
        challenge: None,
        ..wanted(&ours, "contacts:read")
    };
    let uri = &ours.client.redirect_uris[0];
    let code = world.service.authorize(&ann, &ours.client, uri, &bare);
    let code = code.await.unwrap();
    assert_eq!(
        told(world.ask(&ours, for_code(&code)).await),
        "invalid_grant"
    );

    let code = world.code(&ann, &ours, "contacts:read").await;
    world.clock.advance(OauthCode::LIFETIME);
    assert_eq!(
        told(world.ask(&ours, for_code(&code)).await),
        "invalid_grant"
    );
}

async fn a_code_that_comes_twice_ends_what_came_of_it(world: World) {
    let ann = world.ann().await;
    let app = world.register(&ann.actor().unwrap(), app(true)).await;
    let code = world.code(&ann, &app, "contacts:read").await;
    let tokens = world.ask(&app, for_code(&code)).await.unwrap();
    let newer = world.ask(&app, for_refresh(&tokens)).await.unwrap();
    let other = world.tokens(&ann, &app, "contacts:read").await;
    // Long after it was good.
    world.clock.advance(TimeDelta::minutes(10));
    assert_eq!(
        told(world.ask(&app, for_code(&code)).await),
        "invalid_grant"
    );
    for ended in [&tokens, &newer] {
        assert_eq!(world.refusal(ended).await, Refusal::Unknown);
    }
    let refreshed = world.ask(&app, for_refresh(&newer)).await;
    assert_eq!(told(refreshed), "invalid_grant");
    assert!(world.actor(&other).await.is_ok(), "of another code");
}

async fn a_refresh_token_that_comes_twice_ends_the_grant(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let app = world.register(&owner, app(false)).await;
    let first = world.tokens(&ann, &app, "contacts:read").await;
    let second = world.ask(&app, for_refresh(&first)).await.unwrap();
    assert!(world.actor(&second).await.is_ok());
    assert_eq!(
        told(world.ask(&app, for_refresh(&first)).await),
        "invalid_grant"
    );
    for tokens in [&first, &second] {
        assert_eq!(world.refusal(tokens).await, Refusal::Unknown);
        let refreshed = world.ask(&app, for_refresh(tokens)).await;
        assert_eq!(told(refreshed), "invalid_grant");
    }
    assert_eq!(world.service.own_oauth_grants(&ann).await.unwrap(), []);
    assert_eq!(world.log(&owner).await[0], "oauth_grant.revoked");
    // She is asked again.
    let wish = wanted(&app, "contacts:read");
    let consent = world.service.oauth_consent(&ann, &app.client, &wish).await;
    assert!(!consent.unwrap().given);
}

async fn what_is_refreshed_can_be_less_and_never_more(world: World) {
    let ann = world.ann().await;
    let app = world.register(&ann.actor().unwrap(), app(true)).await;
    let tokens = world.tokens(&ann, &app, "contacts:read emails:read").await;
    let narrowed = |tokens: &IssuedTokens, scope| TokenRequest::Refresh {
        token: tokens.refresh.as_ref().unwrap().reveal().to_owned(),
        scopes: Some(BTreeSet::from([scope])),
    };
    let more = narrowed(&tokens, Permission::ContactsWrite);
    assert_eq!(told(world.ask(&app, more).await), "invalid_scope");
    let less = narrowed(&tokens, Permission::EmailsRead);
    let tokens = world.ask(&app, less).await.unwrap();
    assert_eq!(tokens.scopes, BTreeSet::from([Permission::EmailsRead]));
    let actor = world.actor(&tokens).await.unwrap();
    assert!(!actor.may(Permission::ContactsRead));
    // The next one can have all of it again.
    let tokens = world.ask(&app, for_refresh(&tokens)).await.unwrap();
    assert_eq!(tokens.scopes.len(), 2);
    world.clock.advance(OauthTokenKind::Refresh.lifetime());
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_grant"
    );
}

async fn whatever_ends_a_member_ends_what_apps_do_for_them(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let (service, operator) = (&world.service, Operator::local());
    let acme = owner.organization_id();
    let bob = world.member(&ann, "Bob", Role::Admin).await;
    let app = world.register(&owner, app(true)).await;
    let tokens = world
        .tokens(&bob, &app, "contacts:read contacts:delete")
        .await;
    let actor = world.actor(&tokens).await.unwrap();
    assert!(actor.may(Permission::ContactsDelete));

    service
        .change_member(&owner, bob.user.id, Role::Viewer, None)
        .await
        .unwrap();
    let actor = world.actor(&tokens).await.unwrap();
    assert_eq!(actor.role(), Role::Viewer);
    assert!(!actor.may(Permission::ContactsDelete));

    service.block_user(&operator, bob.user.id).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::UserBlocked);
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_grant"
    );
    service.unblock_user(&operator, bob.user.id).await.unwrap();
    service.block_member(&owner, bob.user.id).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::UserBlocked);
    service.unblock_member(&owner, bob.user.id).await.unwrap();
    service.block_organization(&operator, acme).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::OrganizationBlocked);
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_grant"
    );
    service.unblock_organization(&operator, acme).await.unwrap();
    // None of that used the refresh token up.
    let tokens = world.ask(&app, for_refresh(&tokens)).await.unwrap();
    assert!(world.actor(&tokens).await.is_ok());

    service.remove_member(&owner, bob.user.id).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::Unknown);
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_grant"
    );
    // Nor does a yes count that was on its way when he went, or was blocked.
    let wish = wanted(&app, "contacts:read");
    let uri = &app.client.redirect_uris[0];
    let late = service.authorize(&bob, &app.client, uri, &wish).await;
    assert!(matches!(late, Err(IdentityError::OrganizationNotFound(_))));
    assert_eq!(service.own_oauth_grants(&bob).await.unwrap(), []);
    let eve = world.member(&ann, "Eve", Role::Admin).await;
    service.block_member(&owner, eve.user.id).await.unwrap();
    let late = service.authorize(&eve, &app.client, uri, &wish).await;
    assert!(matches!(late, Err(IdentityError::OrganizationNotFound(_))));
    assert_eq!(service.own_oauth_grants(&eve).await.unwrap(), []);
}

async fn a_member_takes_back_what_an_app_may_do(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let service = &world.service;
    let bob = world.member(&ann, "Bob", Role::Viewer).await;
    let app = world.register(&owner, app(true)).await;
    let tokens = world.tokens(&ann, &app, "contacts:read").await;
    let code = world.code(&ann, &app, "contacts:read").await;
    let id = service.own_oauth_grants(&ann).await.unwrap()[0].grant.id;
    let theirs = service.revoke_oauth_grant(&bob, id).await;
    assert!(matches!(theirs, Err(IdentityError::OauthGrantNotFound)));
    assert!(world.actor(&tokens).await.is_ok());
    service.revoke_oauth_grant(&ann, id).await.unwrap();
    assert_eq!(world.refusal(&tokens).await, Refusal::Unknown);
    assert_eq!(
        told(world.ask(&app, for_refresh(&tokens)).await),
        "invalid_grant"
    );
    assert_eq!(
        told(world.ask(&app, for_code(&code)).await),
        "invalid_grant"
    );
    assert_eq!(world.log(&owner).await[0], "oauth_grant.revoked");
}

async fn an_app_may_do_no_more_than_the_role_of_the_user(world: World) {
    let ann = world.ann().await;
    let app = world.register(&ann.actor().unwrap(), app(true)).await;
    let bob = world.member(&ann, "Bob", Role::Viewer).await;
    let tokens = world
        .tokens(&bob, &app, "contacts:read contacts:write")
        .await;
    assert_eq!(tokens.scopes, BTreeSet::from([Permission::ContactsRead]));
    let beyond = wanted(&app, "contacts:write");
    let consent = world.service.oauth_consent(&bob, &app.client, &beyond);
    assert_eq!(told(consent.await), "access_denied");
    // Who is no member of the organisation is not let see it.
    let elsewhere = LoggedIn {
        workplaces: vec![],
        ..bob
    };
    let consent = world
        .service
        .oauth_consent(&elsewhere, &app.client, &beyond);
    assert!(matches!(
        consent.await,
        Err(IdentityError::OrganizationNotFound(_))
    ));
}

async fn an_app_ends_its_own_tokens_and_no_others(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let ours = world.register(&owner, app(true)).await;
    let other = world.register(&owner, app(true)).await;
    let tokens = world.tokens(&ann, &ours, "contacts:read").await;
    let end = async |app: &NewOauthClient, token: &OauthSecret| {
        let (proof, from) = (proof(app), home());
        let ended = world.service.revoke_issued(&proof, token.reveal(), &from);
        ended.await.unwrap();
    };
    end(&other, &tokens.access).await;
    assert!(world.actor(&tokens).await.is_ok());
    end(&ours, &tokens.access).await;
    assert_eq!(world.refusal(&tokens).await, Refusal::Unknown);
    let tokens = world.ask(&ours, for_refresh(&tokens)).await.unwrap();
    end(&ours, tokens.refresh.as_ref().unwrap()).await;
    assert_eq!(world.refusal(&tokens).await, Refusal::Unknown);
    assert_eq!(
        told(world.ask(&ours, for_refresh(&tokens)).await),
        "invalid_grant"
    );
    // As good as ended.
    end(&ours, &tokens.access).await;
    // She said yes all the same.
    assert_eq!(world.service.own_oauth_grants(&ann).await.unwrap().len(), 1);
}

async fn old_tokens_are_forgotten(world: World) {
    let ann = world.ann().await;
    let app = world.register(&ann.actor().unwrap(), app(true)).await;
    world.tokens(&ann, &app, "contacts:read").await;
    let forget = async || {
        let forgotten = world.service.forget_old_sessions(&Operator::local()).await;
        forgotten.unwrap()
    };
    assert_eq!(forget().await, 0);
    world.clock.advance(TimeDelta::minutes(60));
    assert_eq!(forget().await, 1, "the access token");
    world.clock.advance(OauthTokenKind::Refresh.lifetime());
    // The refresh token, the code, and Ann's session.
    assert_eq!(forget().await, 3);
}
