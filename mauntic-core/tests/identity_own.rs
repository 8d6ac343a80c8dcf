//! What users do by themselves: making and leaving organisations, their profile, and the passwords that they choose; on
//! both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Operator, OrganizationId, PageSize, Principal, Role,
    identity::{
        AddMember, AuditEntry, AuditFilter, ClientProof, CreateOauthClient, CreateOrganization,
        CreateToken, CreateUser, FirstPassword, Founders, IdentityError, Invite, LinkSecret, LogIn,
        LoggedIn, MachineWish, Member, Message, NewOauthClient, NewSession, OauthError, Password,
        PasswordHash, Refusal, SetUp, TokenRequest, UpdateProfile,
    },
};
use support::{PASSWORD, World, home, password};

on_both!(
    an_owner_makes_another_organization_and_works_in_it,
    who_makes_organizations_is_for_the_installation_to_say,
    nobody_makes_organizations_without_end,
    whoever_leaves_takes_nothing_along,
    whoever_leaves_takes_from_apps_what_they_let_them_do,
    the_last_owner_does_not_leave,
    a_stranger_leaves_nothing,
    of_two_owners_who_leave_at_once_one_stays,
    a_profile_is_changed_by_its_owner,
    a_password_that_is_easy_to_guess_is_set_nowhere,
    a_password_of_another_system_lets_in_once_and_is_hashed_anew,
    a_weak_password_of_another_system_lets_in_to_a_new_one_alone,
);

fn named(text: &str) -> CreateOrganization {
    CreateOrganization::named(text.parse().unwrap())
}

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

async fn entries(world: &World, actor: &Actor, action: &str) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        action: Some(action.to_owned()),
        ..AuditFilter::default()
    };
    let size = PageSize::default();
    let page = world.service.audit_log(actor, &filter, None, size).await;
    page.unwrap().items
}

async fn an_owner_makes_another_organization_and_works_in_it(world: World) {
    world.ann().await;
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    let ann = world.who(&new.secret).await.unwrap();
    let ann = ann.calling_from(home().address);
    let command = CreateOrganization {
        timezone: "Europe/Oslo".parse().unwrap(),
        postal_address: Some("1 Main Street".parse().unwrap()),
        ..named("Acme")
    };
    let made = world.service.found_organization(&ann, command).await;
    let made = made.unwrap();
    assert_eq!(made.slug.as_str(), "acme-2", "the name may be another's");
    let here = world.who(&new.secret).await.unwrap();
    let place = here.workplace().unwrap();
    assert_eq!((place.organization_id, place.role), (made.id, Role::Owner));
    assert_eq!(here.workplaces.len(), 2);
    let actor = here.actor().unwrap();
    assert_eq!(world.service.organization(&actor).await.unwrap(), made);
    assert_eq!(
        world.log(&actor).await,
        ["member.added", "organization.created"]
    );
    let created = &entries(&world, &actor, "organization.created").await[0];
    assert_eq!(created.principal, Principal::User { id: ann.user.id });
    assert_eq!(created.address, home().address);
    // Other sessions stay where they are.
    let elsewhere = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(
        world
            .who(&elsewhere.secret)
            .await
            .unwrap()
            .actor()
            .is_some()
    );
}

async fn who_makes_organizations_is_for_the_installation_to_say(world: World) {
    let ann = world.ann().await;
    let bob = member(&world, &ann, "Bob", Role::Admin).await;
    for (founders, by_owner, by_admin) in [
        (Founders::Anyone, true, true),
        (Founders::Owners, true, false),
        (Founders::Operator, false, false),
    ] {
        let service = world.service.clone().with_founders(founders);
        for (who, may) in [(&ann, by_owner), (&bob, by_admin)] {
            assert_eq!(service.may_found(who), may, "{founders:?}");
            let made = service.found_organization(who, named("Zoo")).await;
            match made {
                Ok(_) => assert!(may, "{founders:?}"),
                Err(IdentityError::MayNotFound) => assert!(!may, "{founders:?}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(!world.service.may_found(&bob), "unless it says otherwise");
}

async fn nobody_makes_organizations_without_end(world: World) {
    let ann = world.ann().await;
    for _ in 0..10 {
        let made = world.service.found_organization(&ann, named("Zoo")).await;
        made.unwrap();
    }
    let more = world.service.found_organization(&ann, named("Zoo")).await;
    assert!(
        matches!(more, Err(IdentityError::TooManyFailures { .. })),
        "{more:?}"
    );
    world.clock.advance(TimeDelta::minutes(1));
    let later = world.service.found_organization(&ann, named("Zoo")).await;
    later.unwrap();
}

async fn whoever_leaves_takes_nothing_along(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let acme = owner.organization_id();
    let bob = member(&world, &ann, "Bob", Role::Admin).await;
    let (service, operator) = (&world.service, Operator::local());
    let zoo = service.create_organization(&operator, named("Zoo")).await;
    let zoo = zoo.unwrap().id;
    let join = AddMember {
        email: bob.user.email.clone(),
        role: Role::Viewer,
    };
    service.add_member(&operator, zoo, join).await.unwrap();
    let new = world.log_in("bob@example.com", PASSWORD).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    service.switch_organization(&bob, acme).await.unwrap();
    let bob = world.who(&new.secret).await.unwrap();
    let actor = bob.actor().unwrap();
    assert_eq!(actor.organization_id(), acme);
    let token = CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Viewer,
        scopes: None,
        expires_at: None,
    };
    let token = service.create_token(&actor, token).await.unwrap().secret;
    let invite = Invite {
        email: "eve@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    service.invite(&actor, invite).await.unwrap();

    let bob = bob.calling_from(home().address);
    service.leave_organization(&bob, acme).await.unwrap();
    let refused = service.authenticate(token.reveal()).await;
    assert!(
        matches!(refused, Err(IdentityError::Refused(Refusal::Revoked))),
        "{refused:?}"
    );
    let size = PageSize::default();
    let open = service.invitations(&owner, None, size).await.unwrap();
    assert_eq!(open.items, []);
    let left = service.member(&owner, bob.user.id).await;
    assert!(matches!(left, Err(IdentityError::UserNotFound(_))));
    // The session is still there, and works elsewhere.
    let bob = world.who(&new.secret).await.unwrap();
    assert_eq!(bob.actor().unwrap().organization_id(), zoo);
    let entry = &entries(&world, &owner, "member.left").await[0];
    assert_eq!(entry.principal, Principal::User { id: bob.user.id });
    assert_eq!(entry.address, home().address);
    assert_eq!(entry.change.before["role"], "admin");
    let revoked = &entries(&world, &owner, "token.revoked").await[0];
    assert_eq!(revoked.principal, entry.principal);
    assert_eq!(revoked.change.before["name"], "a token");
    let again = service.leave_organization(&bob, acme).await;
    assert!(matches!(again, Err(IdentityError::OrganizationNotFound(_))));
    // Nor does it come back with whoever joins again, as with one who was taken out.
    let join = || AddMember {
        email: bob.user.email.clone(),
        role: Role::Admin,
    };
    service.add_member(&operator, acme, join()).await.unwrap();
    let actor = Actor::user(acme, bob.user.id, Role::Admin);
    let second = CreateToken {
        name: "a second token".parse().unwrap(),
        role: Role::Viewer,
        scopes: None,
        expires_at: None,
    };
    let second = service.create_token(&actor, second).await.unwrap().secret;
    service.remove_member(&owner, bob.user.id).await.unwrap();
    service.add_member(&operator, acme, join()).await.unwrap();
    for gone in [&token, &second] {
        let refused = service.authenticate(gone.reveal()).await;
        assert!(
            matches!(refused, Err(IdentityError::Refused(Refusal::Revoked))),
            "{refused:?}"
        );
    }
    service.remove_member(&owner, bob.user.id).await.unwrap();
    // Nor makes a call one that began before they left.
    let late = CreateToken {
        name: "a late token".parse().unwrap(),
        role: Role::Viewer,
        scopes: None,
        expires_at: None,
    };
    let late = service.create_token(&actor, late).await;
    assert!(
        matches!(late, Err(IdentityError::Refused(Refusal::NotAMember))),
        "{late:?}"
    );
    let revoked = &entries(&world, &owner, "token.revoked").await[0];
    assert_eq!(revoked.principal, owner.principal());
    assert_eq!(revoked.change.before["name"], "a second token");
    service.leave_organization(&bob, zoo).await.unwrap();
    assert_eq!(world.who(&new.secret).await.unwrap().actor(), None);
}

async fn whoever_leaves_takes_from_apps_what_they_let_them_do(world: World) {
    let ann = world.ann().await;
    let owner = ann.actor().unwrap();
    let acme = owner.organization_id();
    let bob = member(&world, &ann, "Bob", Role::Admin).await;
    let service = &world.service;
    let app = |machine| CreateOauthClient {
        name: "an app".parse().unwrap(),
        redirect_uris: vec![],
        confidential: true,
        machine: Some(machine),
    };
    let wish = || MachineWish {
        role: Role::Viewer,
        scopes: None,
    };
    let of_ann = service.create_oauth_client(&owner, app(wish())).await;
    let of_bob = service
        .create_oauth_client(&bob.actor().unwrap(), app(wish()))
        .await;
    let (of_ann, of_bob) = (of_ann.unwrap(), of_bob.unwrap());
    let ask = async |app: &NewOauthClient| {
        let proof = ClientProof {
            id: app.client.id.to_string(),
            secret: app.secret.as_ref().map(|secret| secret.reveal().to_owned()),
        };
        let request = TokenRequest::Machine { scopes: None };
        service.issue_tokens(&proof, request, &home()).await
    };
    let before = ask(&of_bob).await.unwrap().access;
    service.leave_organization(&bob, acme).await.unwrap();
    let updated = &entries(&world, &owner, "oauth_client.updated").await[0];
    assert_eq!(updated.principal, Principal::User { id: bob.user.id });
    assert_eq!(updated.change.before["acts_for_itself"]["role"], "viewer");
    assert!(updated.change.after["acts_for_itself"].is_null());
    // Nor does it come back with whoever joins again.
    let join = AddMember {
        email: bob.user.email.clone(),
        role: Role::Admin,
    };
    service
        .add_member(&Operator::local(), acme, join)
        .await
        .unwrap();
    let refused = ask(&of_bob).await;
    assert!(
        matches!(
            refused,
            Err(IdentityError::Oauth(OauthError::UnauthorizedClient(_)))
        ),
        "{refused:?}"
    );
    let refused = service.authenticate(before.reveal()).await;
    assert!(
        matches!(refused, Err(IdentityError::Refused(Refusal::Revoked))),
        "{refused:?}"
    );
    assert!(ask(&of_ann).await.is_ok(), "she is still there");
}

async fn the_last_owner_does_not_leave(world: World) {
    let ann = world.ann().await;
    let acme = ann.actor().unwrap().organization_id();
    let alone = world.service.leave_organization(&ann, acme).await;
    assert!(matches!(alone, Err(IdentityError::LastOwner)), "{alone:?}");
    member(&world, &ann, "Bob", Role::Admin).await;
    let still = world.service.leave_organization(&ann, acme).await;
    assert!(matches!(still, Err(IdentityError::LastOwner)), "{still:?}");
    let eve = member(&world, &ann, "Eve", Role::Owner).await;
    world.service.leave_organization(&ann, acme).await.unwrap();
    let last = world.service.leave_organization(&eve, acme).await;
    assert!(matches!(last, Err(IdentityError::LastOwner)), "{last:?}");
}

async fn a_stranger_leaves_nothing(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let operator = Operator::local();
    let zoo = world.service.create_organization(&operator, named("Zoo"));
    let zoo = zoo.await.unwrap().id;
    let bob = member(&world, &ann, "Bob", Role::Viewer).await;
    let nowhere = OrganizationId::from_uuid(uuid::Uuid::from_u128(1));
    for place in [zoo, nowhere] {
        let left = world.service.leave_organization(&bob, place).await;
        assert!(
            matches!(left, Err(IdentityError::OrganizationNotFound(id)) if id == place),
            "{left:?}"
        );
    }
    // Whoever is blocked stays so.
    let (acme, id) = (actor.organization_id(), bob.user.id);
    world.service.block_member(&actor, id).await.unwrap();
    let left = world.service.leave_organization(&bob, acme).await;
    assert!(matches!(left, Err(IdentityError::OrganizationNotFound(_))));
    world.service.unblock_member(&actor, id).await.unwrap();
    world.service.leave_organization(&bob, acme).await.unwrap();
}

async fn of_two_owners_who_leave_at_once_one_stays(world: World) {
    let ann = world.ann().await;
    let acme = ann.actor().unwrap().organization_id();
    let bob = member(&world, &ann, "Bob", Role::Owner).await;
    let service = &world.service;
    let (one, two) = tokio::join!(
        service.leave_organization(&ann, acme),
        service.leave_organization(&bob, acme)
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?}, {two:?}");
}

async fn a_profile_is_changed_by_its_owner(world: World) {
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let change = UpdateProfile {
        name: Some("Ann Lee".parse().unwrap()),
        signature: Some(Some("Ann Lee\nExample Ltd".parse().unwrap())),
    };
    let update = || world.service.update_profile(&ann, change.clone());
    let user = update().await.unwrap();
    assert_eq!(user.name.as_str(), "Ann Lee");
    let stored = world.service.member(&actor, ann.user.id).await.unwrap();
    assert_eq!(stored.name.as_str(), "Ann Lee");
    update().await.unwrap();
    let told = entries(&world, &actor, "user.profile_changed").await;
    assert_eq!(told.len(), 1, "a change of nothing is not told");
    let change = &told[0].change;
    assert_eq!(change.before["name"], "Ann");
    assert_eq!(change.after["name"], "Ann Lee");
    assert_eq!(change.after["changed"][1], "signature");
    assert!(!format!("{change:?}").contains("Example Ltd"));
    // What was not asked for stays.
    let none = UpdateProfile {
        signature: Some(None),
        ..UpdateProfile::default()
    };
    let user = world.service.update_profile(&ann, none).await.unwrap();
    assert_eq!((user.name.as_str(), user.signature), ("Ann Lee", None));
    assert!(world.log_in("ann@example.com", PASSWORD).await.is_ok());
}

async fn reset_link(world: &World, email: &str) -> LinkSecret {
    let asked = world
        .service
        .request_password_reset(email.parse().unwrap(), home());
    asked.await.unwrap();
    match &world.letters().await[0].message {
        Message::PasswordReset { secret, .. } => secret.clone(),
        other => panic!("{other:?}"),
    }
}

async fn a_password_that_is_easy_to_guess_is_set_nowhere(world: World) {
    let guessable = || password("Acme2026Acme2026!");
    let refused = |result: Result<(), IdentityError>| {
        assert!(
            matches!(result, Err(IdentityError::GuessablePassword)),
            "{result:?}"
        );
    };
    let service = &world.service;
    let command = SetUp {
        organization: "Acme".parse().unwrap(),
        timezone: "Europe/Oslo".parse().unwrap(),
        name: "Ann".parse().unwrap(),
        email: "ann@example.com".parse().unwrap(),
        password: guessable(),
        code: None,
    };
    let none = |_: NewSession| ();
    refused(service.set_up(command, home()).await.map(none));
    let ann = world.ann().await;
    let actor = ann.actor().unwrap();
    let current = Some(password(PASSWORD));
    refused(service.set_password(&ann, current, guessable()).await);
    let of_bob = CreateUser {
        email: "bob.builder@example.com".parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: Some(password("bob.builder@example").into()),
        role: Role::Viewer,
    };
    let operator = Operator::local();
    let made = service.create_user(&operator, actor.organization_id(), of_bob);
    refused(made.await.map(|_| ()));
    // A link stays good until a better one is chosen.
    let link = reset_link(&world, "ann@example.com").await;
    let reset = service.reset_password(&link, guessable(), &home()).await;
    refused(reset.map(|_| ()));
    let better = password("a newer long password");
    service
        .reset_password(&link, better, &home())
        .await
        .unwrap();
    let invite = Invite {
        email: "eve@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    service.invite(&actor, invite).await.unwrap();
    let letters = world.letters().await;
    let Message::Invitation { secret, .. } = &letters[0].message else {
        panic!("{letters:?}");
    };
    let name = || "Eve".parse().unwrap();
    let joined = service.accept_as_new(secret, name(), guessable(), home());
    refused(joined.await.map(none));
    let joined = service.accept_as_new(secret, name(), password(PASSWORD), home());
    joined.await.unwrap();
}

/// Somebody whose password another system hashed.
async fn adopted(world: &World, ann: &LoggedIn, email: &str, hash: &str) -> Member {
    let organization = ann.actor().unwrap().organization_id();
    let hash = PasswordHash::from_bcrypt(hash).unwrap();
    let command = CreateUser {
        email: email.parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: Some(FirstPassword::Adopted(hash)),
        role: Role::Viewer,
    };
    let operator = Operator::local();
    let made = world.service.create_user(&operator, organization, command);
    made.await.unwrap()
}

async fn a_password_of_another_system_lets_in_once_and_is_hashed_anew(world: World) {
    // By libxcrypt, of "nine violet kettles".
    const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuupPMtGHYySqYgklvuyvVQa3pk56Orlb6";
    let ann = world.ann().await;
    let service = &world.service;
    let bob = adopted(&world, &ann, "bob@example.com", BCRYPT).await;
    let shown =
        |text: &str| service.verify_password(&bob.email, Password::presented(text).unwrap());
    let wrong = shown("Nine violet kettles").await;
    assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    let hash = async || {
        shown("nine violet kettles")
            .await
            .unwrap()
            .password
            .unwrap()
    };
    let first = hash().await;
    assert!(first.as_str().starts_with("$argon2id$"));
    assert_eq!(hash().await.as_str(), first.as_str(), "once");
    let wrong = shown("Nine violet kettles").await;
    assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    let log = world.log(&ann.actor().unwrap()).await;
    assert_eq!(log[0], "member.added");
}

/// It is right, and yet lets nobody in; its owner sets another with the link that comes by mail.
async fn a_weak_password_of_another_system_lets_in_to_a_new_one_alone(world: World) {
    // By libxcrypt: of "secret", which is too short, and of "Bob Bobsen 2026", who is called that.
    const SHORT: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    const GUESSABLE: &str = "$2y$04$abcdefghijklmnopqrstuuEvjc64IErfgFJGQMVeLM1rsNyNDoSG6";
    let ann = world.ann().await;
    let service = &world.service;
    adopted(&world, &ann, "bob@example.com", SHORT).await;
    adopted(&world, &ann, "bob.bobsen@example.com", GUESSABLE).await;
    for (email, text) in [
        ("bob@example.com", "secret"),
        ("bob.bobsen@example.com", "Bob Bobsen 2026"),
    ] {
        let command = |text: &str| LogIn {
            email: email.parse().unwrap(),
            password: Password::presented(text).unwrap(),
            remember: false,
        };
        let wrong = service.log_in(command("another"), home()).await;
        assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
        assert_eq!(world.letters().await.len(), 0, "{email}");
        for _ in 0..2 {
            let weak = service.log_in(command(text), home()).await;
            assert!(
                matches!(weak, Err(IdentityError::PasswordTooWeak)),
                "{weak:?}"
            );
        }
        let letter = world.letters().await.pop().unwrap();
        assert_eq!(letter.to.as_str(), email);
        let Message::PasswordReset { secret, .. } = letter.message else {
            panic!("{letter:?}");
        };
        let better = password("a newer long password");
        service
            .reset_password(&secret, better, &home())
            .await
            .unwrap();
        let new = world.log_in(email, "a newer long password").await.unwrap();
        assert!(world.who(&new.secret).await.is_some());
    }
}
