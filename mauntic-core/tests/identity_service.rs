//! What the use cases of Identity do.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[expect(dead_code, reason = "no tokens here")]
#[path = "support/service.rs"]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, DomainEvent as _, EmailAddress, IdSource as _, PageSize, Principal, Role, Zones as _,
    identity::{
        AddMember, AuditFilter, AuditLog as _, Change, CreateOrganization, CreateUser,
        IdentityError, IdentityStore, IdentityZones, OrganizationCreated, Password, PasswordHash,
        Refusal, Subject, UpdateOrganization, UserInvited,
    },
    testing::CountingIds,
};
use support::{Fixture, OPERATOR, id, token};

fn password(text: &str) -> Password {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_first_start_makes_one_organization() {
    let fixture = Fixture::new().await;
    let service = &fixture.service;
    let operator = OPERATOR();
    let (one, two) = tokio::join!(
        service.ensure_default_organization(&operator),
        service.ensure_default_organization(&operator)
    );
    let made: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].slug.as_str(), "my-organization");
    assert_eq!(
        service
            .ensure_default_organization(&operator)
            .await
            .unwrap(),
        None
    );
    assert_eq!(fixture.events(&[OrganizationCreated::TYPE]).await.len(), 1);
}

#[tokio::test]
async fn an_organization_is_found_by_whatever_names_it_alone() {
    let fixture = Fixture::new().await;
    let (acme, twin) = (
        fixture.organization("Acme").await,
        fixture.organization("ACME").await,
    );
    assert_eq!(twin.slug.as_str(), "acme-2");
    let operator = OPERATOR();
    let find = async |text: &str| fixture.service.find_organization(&operator, text).await;
    assert_eq!(find("acme").await.unwrap().id, acme.id);
    assert_eq!(find(&twin.id.to_string()).await.unwrap().id, twin.id);
    assert!(matches!(
        find("Acme").await,
        Err(IdentityError::AmbiguousOrganization)
    ));
    assert!(matches!(
        find("nobody").await,
        Err(IdentityError::NoOrganizationCalled)
    ));
    let taken = CreateOrganization {
        slug: Some(acme.slug),
        ..CreateOrganization::named(acme.name)
    };
    let taken = fixture.service.create_organization(&operator, taken).await;
    assert!(matches!(taken, Err(IdentityError::SlugTaken)));
}

#[tokio::test]
async fn the_last_owner_stays() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = fixture.member(&acme, "ann@example.com", Role::Owner).await;
    let service = &fixture.service;
    let gone = service.remove_member(&ann, id(&ann)).await;
    assert!(matches!(gone, Err(IdentityError::LastOwner)));
    let lowered = service
        .change_member(&ann, id(&ann), Role::Admin, None)
        .await;
    assert!(matches!(lowered, Err(IdentityError::LastOwner)));
    let bob = fixture.member(&acme, "bob@example.com", Role::Owner).await;
    let (one, two) = tokio::join!(
        service.remove_member(&ann, id(&bob)),
        service.remove_member(&bob, id(&ann))
    );
    assert!(
        one.is_ok() != two.is_ok(),
        "of two owners who remove each other one stays"
    );
}

#[tokio::test]
async fn nobody_deals_with_roles_above_their_own() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let owner = fixture.member(&acme, "ann@example.com", Role::Owner).await;
    let admin = fixture.member(&acme, "bob@example.com", Role::Admin).await;
    let service = &fixture.service;
    let refused = [
        service
            .change_member(&admin, id(&admin), Role::Owner, None)
            .await
            .err(),
        service
            .change_member(&admin, id(&owner), Role::Viewer, None)
            .await
            .err(),
        service.remove_member(&admin, id(&owner)).await.err(),
        service.create_token(&admin, token(Role::Owner)).await.err(),
    ];
    for error in refused {
        assert!(
            matches!(error, Some(IdentityError::Forbidden(_))),
            "{error:?}"
        );
    }
    service
        .change_member(&owner, id(&admin), Role::Owner, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_joins_a_second_organization_once() {
    let fixture = Fixture::new().await;
    let (acme, other) = (
        fixture.organization("Acme").await,
        fixture.organization("Other").await,
    );
    fixture.member(&acme, "ann@example.com", Role::Owner).await;
    let service = &fixture.service;
    let operator = OPERATOR();
    let email: EmailAddress = "ANN@example.com".parse().unwrap();
    let command = AddMember {
        email: email.clone(),
        role: Role::Viewer,
    };
    let twin = CreateUser {
        email,
        name: "Ann".parse().unwrap(),
        password: None,
        role: Role::Viewer,
    };
    let twin = service.create_user(&operator, other.id, twin).await;
    assert!(matches!(twin, Err(IdentityError::EmailTaken)));
    let member = service
        .add_member(&operator, other.id, command.clone())
        .await
        .unwrap();
    assert_eq!(member.role, Role::Viewer);
    let again = service.add_member(&operator, other.id, command).await;
    assert!(matches!(again, Err(IdentityError::AlreadyMember)));
    let nobody = AddMember {
        email: "nobody@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    let nobody = service.add_member(&operator, other.id, nobody).await;
    assert!(matches!(nobody, Err(IdentityError::NoUserWithEmail)));
    assert_eq!(fixture.events(&[UserInvited::TYPE]).await.len(), 2);
}

#[tokio::test]
async fn a_password_lets_in_its_owner_unless_blocked() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = fixture.member(&acme, "ann@example.com", Role::Viewer).await;
    let service = &fixture.service;
    let right = password("correct horse battery");
    let email: EmailAddress = "ann@example.com".parse().unwrap();
    let unset = service.verify_password(&email, right.clone()).await;
    assert!(matches!(unset, Err(IdentityError::WrongPassword)));
    let bob = CreateUser {
        email: "bob@example.com".parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: Some(right.clone().into()),
        role: Role::Viewer,
    };
    let bob = service
        .create_user(&OPERATOR(), acme.id, bob)
        .await
        .unwrap();
    assert_ne!(bob.user_id, id(&ann));
    let verified = service.verify_password(&bob.email, right.clone()).await;
    assert_eq!(verified.unwrap().id, bob.user_id);
    let wrong = password("staple correct horse");
    let wrong = service.verify_password(&bob.email, wrong).await;
    assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    service.block_user(&OPERATOR(), bob.user_id).await.unwrap();
    let blocked = service.verify_password(&bob.email, right).await;
    assert!(matches!(
        blocked,
        Err(IdentityError::Refused(Refusal::UserBlocked))
    ));
}

#[tokio::test]
async fn a_hash_of_old_is_renewed_at_the_next_login() {
    // Made with m=1024, t=1 and the password "correct horse battery".
    use argon2::{Argon2, Params, PasswordHasher as _};
    let old = Argon2::from(Params::new(1_024, 1, 1, None).unwrap());
    let old = old
        .hash_password(b"correct horse battery")
        .unwrap()
        .to_string();
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = id(&fixture.member(&acme, "ann@example.com", Role::Viewer).await);
    let mut uow = fixture.store.begin().await.unwrap();
    let mut user = uow.users().find_for_update(ann).await.unwrap().unwrap();
    user.password = Some(PasswordHash::from_stored(old));
    uow.users().update(&user).await.unwrap();
    uow.commit().await.unwrap();
    let right = password("correct horse battery");
    fixture
        .service
        .verify_password(&user.email, right.clone())
        .await
        .unwrap();
    let user = fixture
        .store
        .members()
        .find_user(ann)
        .await
        .unwrap()
        .unwrap();
    assert!(!user.password.unwrap().is_outdated());
    fixture
        .service
        .verify_password(&user.email, right)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_audit_log_tells_who_changed_what_from_where() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let ann = fixture.member(&acme, "ann@example.com", Role::Owner).await;
    let ann = ann.calling_from("192.0.2.1".parse().unwrap());
    let service = &fixture.service;
    let command = UpdateOrganization {
        timezone: Some("Europe/Berlin".parse().unwrap()),
        ..UpdateOrganization::default()
    };
    service
        .update_organization(&ann, command.clone())
        .await
        .unwrap();
    service.update_organization(&ann, command).await.unwrap();
    let segment = Subject {
        kind: "segment".to_owned(),
        id: Some(CountingIds::default().next()),
    };
    service
        .record(&ann, Change::new("segment.deleted", segment))
        .await
        .unwrap();
    let log = service
        .audit_log(&ann, &AuditFilter::default(), None, PageSize::default())
        .await
        .unwrap()
        .items;
    let actions: Vec<_> = log
        .iter()
        .map(|entry| entry.change.action.as_str())
        .collect();
    let expected = [
        "segment.deleted",
        "organization.updated",
        "member.added",
        "organization.created",
    ];
    assert_eq!(actions, expected, "a change of nothing is not recorded");
    let update = &log[1];
    assert_eq!(update.principal, ann.principal());
    assert_eq!(update.address, ann.address());
    assert_eq!(update.change.before["timezone"], "UTC");
    assert_eq!(update.change.after["timezone"], "Europe/Berlin");
    assert_eq!(log[3].principal, Principal::System);
}

#[tokio::test]
async fn another_secret_than_before_is_refused() {
    let fixture = Fixture::new().await;
    let operator = OPERATOR();
    fixture
        .service
        .check_secret(&operator, "one")
        .await
        .unwrap();
    fixture
        .service
        .check_secret(&operator, "one")
        .await
        .unwrap();
    let other = fixture.service.check_secret(&operator, "two").await;
    assert!(matches!(other, Err(IdentityError::AnotherSecret)));
}

#[tokio::test]
async fn a_changed_zone_is_known_within_a_minute() {
    let fixture = Fixture::new().await;
    let acme = fixture.organization("Acme").await;
    let zones = IdentityZones::new(fixture.store.clone(), fixture.clock.clone());
    assert_eq!(zones.zone_of(acme.id).await.unwrap().as_str(), "UTC");
    let command = UpdateOrganization {
        timezone: Some("Europe/Berlin".parse().unwrap()),
        ..UpdateOrganization::default()
    };
    let operator = Actor::system(acme.id);
    fixture
        .service
        .update_organization(&operator, command)
        .await
        .unwrap();
    fixture.clock.advance(TimeDelta::seconds(60));
    assert_eq!(
        zones.zone_of(acme.id).await.unwrap().as_str(),
        "Europe/Berlin"
    );
}
