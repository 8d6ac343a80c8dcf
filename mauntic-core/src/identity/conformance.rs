//! What every [`IdentityStore`] must do. [`identity_store_conformance!`](crate::identity_store_conformance)
//! runs all of it on one back end.
#![expect(
    clippy::unwrap_used,
    reason = "a case panics when the store does not do what it must"
)]

mod access;
mod audit;
mod deletion;
mod idempotency;
mod logins;
mod notifications;
mod oauth;
mod tokens;

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    ApiToken, DisplayName, IdentityStore, Membership, Organization, Slug, TokenHash, User,
};
use crate::{
    ApiTokenId, IdSource, OrganizationId, PageSize, Permission, Role, StoreError, TimeZoneName,
    UserId, testing::CountingIds,
};

pub use access::*;
pub use audit::*;
pub use deletion::*;
pub use idempotency::*;
pub use logins::*;
pub use notifications::*;
pub use oauth::*;
pub use tokens::*;

/// Runs every case of the suite on stores that an async function makes:
/// `identity_store_conformance!(new_store)`, where `new_store()` returns a store and whatever must
/// live as long as it.
#[macro_export]
macro_rules! identity_store_conformance {
    ($new_store:path) => {
        $crate::conformance_cases!(
            $new_store,
            [$crate::identity::conformance],
            [
                organizations_are_found_by_id_slug_and_name,
                a_taken_slug_leaves_the_transaction_usable,
                nothing_stays_of_a_dropped_transaction,
                users_are_found_by_email_in_any_case,
                a_taken_email_leaves_the_transaction_usable,
                members_are_listed_within_their_organization,
                members_are_found_by_a_part_of_their_name,
                owners_are_listed_without_the_blocked,
                a_missing_row_is_not_updated,
                a_token_is_presented_with_what_decides_on_it,
                the_use_of_a_token_only_moves_forward,
                tokens_stay_within_their_organization,
                the_audit_log_shows_the_newest_first,
                the_audit_log_is_looked_at_by_time_kind_and_person,
                a_change_that_is_told_of_twice_is_kept_once,
                a_request_is_done_once,
                a_key_counts_for_one_principal,
                an_unfinished_request_is_taken_over_after_its_lease,
                an_abandoned_request_can_be_tried_again,
                answers_are_forgotten_after_a_day,
                of_many_requests_at_once_one_is_fresh,
                the_first_secret_is_noted,
                a_session_is_found_by_its_secret_and_stays_as_it_is,
                a_session_is_seen_later_but_never_earlier,
                sessions_end_for_their_user_alone,
                sessions_are_forgotten_by_their_age_and_their_use,
                failures_count_by_key_and_begin_anew_when_forgotten,
                failures_are_taken_back_and_forgotten,
                of_many_failures_at_once_each_counts,
                a_second_factor_is_stored_once_for_each_user,
                a_recovery_code_is_used_once_by_its_user,
                a_user_has_one_link_for_each_purpose,
                a_letter_is_handed_out_once_until_its_lease_is_over,
                an_address_is_changed_unless_it_is_taken,
                an_address_is_invited_once_by_an_organization,
                invitations_are_listed_page_by_page,
                tokens_are_found_by_the_one_that_made_them,
                tokens_are_found_by_the_member_they_work_for,
                a_member_who_is_blocked_here_works_elsewhere,
                a_member_was_active_where_they_were_seen,
                an_organization_that_waits_to_be_deleted_says_so,
                an_erasure_is_claimed_by_one_worker_until_its_lease_ends,
                an_erased_organization_leaves_a_note_and_nothing_else,
                a_login_is_linked_once,
                a_login_is_used_and_unlinked_by_its_user,
                a_detour_is_taken_once,
                notifications_are_listed_for_their_user_the_latest_first,
                notifications_are_read_by_their_user_alone,
                the_same_is_told_once_from_a_time_on,
                nobody_is_told_anything_who_does_not_work_there,
                old_notifications_are_deleted_some_at_a_time,
                an_event_tells_its_notices_once,
                oauth_clients_stay_within_their_organization,
                a_member_has_one_grant_for_each_client,
                what_an_app_shows_is_found_and_used,
                an_access_token_is_presented_with_what_decides_on_it,
                what_ends_takes_its_codes_and_tokens_along,
                tokens_of_one_code_end_together,
                old_codes_and_tokens_are_deleted,
                the_use_of_an_app_only_moves_forward,
                tokens_are_for_members_who_are_let_in,
            ]
        );
    };
}

const NOON: i64 = 1_780_315_200;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOON, 0).unwrap_or_default()
}

fn name(text: &str) -> DisplayName {
    text.parse().expect("the text is a name")
}

fn organization(ids: &dyn IdSource, text: &str) -> Organization {
    let id = OrganizationId::generate(ids);
    let name = name(text);
    let slug = Slug::suggested_by(&name);
    let zone: TimeZoneName = "Europe/Berlin".parse().expect("the zone exists");
    let mut organization = Organization::new(id, name, slug, zone, now());
    organization.postal_address = Some("1 Main Street\nSpringfield".to_owned());
    organization
}

fn user(ids: &dyn IdSource, email: &str) -> User {
    let id = UserId::generate(ids);
    let email = email.parse().expect("the text is an address");
    User::new(id, email, name("Ann"), None, now())
}

fn membership(organization: &Organization, user: &User, role: Role) -> Membership {
    Membership {
        organization_id: organization.id,
        user_id: user.id,
        role,
        created_at: now(),
        blocked_at: None,
    }
}

fn token(ids: &dyn IdSource, organization: &Organization, user: Option<&User>) -> ApiToken {
    ApiToken {
        id: ApiTokenId::generate(ids),
        organization_id: organization.id,
        user_id: user.map(|user| user.id),
        made_by: None,
        name: name("nightly import"),
        role: Role::Admin,
        scopes: BTreeSet::from([Permission::ContactsRead, Permission::ContactsImport]),
        created_at: now(),
        expires_at: Some(now() + TimeDelta::days(90)),
        last_used_at: None,
        revoked_at: None,
    }
}

fn hash(number: u8) -> TokenHash {
    [number; 32]
}

async fn save(store: &dyn IdentityStore, organization: &Organization) {
    let mut uow = store.begin().await.unwrap();
    uow.organizations().insert(organization).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save_member(
    store: &dyn IdentityStore,
    organization: &Organization,
    user: &User,
    role: Role,
) {
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(user).await.unwrap();
    let membership = membership(organization, user, role);
    uow.memberships().insert(&membership).await.unwrap();
    uow.commit().await.unwrap();
}

async fn save_token(store: &dyn IdentityStore, token: &ApiToken, hash: &TokenHash) {
    let mut uow = store.begin().await.unwrap();
    uow.tokens().insert(token, hash).await.unwrap();
    uow.commit().await.unwrap();
}

/// An organisation reads back as it was written, by whatever names it.
pub async fn organizations_are_found_by_id_slug_and_name(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme Europe");
    let mut twin = organization(&ids, "ACME europe");
    twin.slug = acme.slug.numbered(2);
    save(&*store, &acme).await;
    let organizations = store.organizations();
    assert_eq!(
        organizations.find(acme.id).await.unwrap(),
        Some(acme.clone())
    );
    let by_slug = organizations.find_by_slug(&acme.slug).await.unwrap();
    assert_eq!(by_slug, Some(acme.clone()));
    assert_eq!(
        organizations.find_by_name("acme EUROPE").await.unwrap(),
        std::slice::from_ref(&acme)
    );
    save(&*store, &twin).await;
    assert_eq!(
        organizations
            .find_by_name("Acme Europe")
            .await
            .unwrap()
            .len(),
        2
    );
    let page = organizations
        .list(None, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!((page.items, page.next), (vec![acme.clone()], Some(acme.id)));
    let page = organizations
        .list(page.next, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!((page.items, page.next), (vec![twin], None));
}

/// After a conflict the same transaction can go on and commit.
pub async fn a_taken_slug_leaves_the_transaction_usable(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let mut twin = organization(&ids, "Acme");
    save(&*store, &acme).await;
    let mut uow = store.begin().await.unwrap();
    let error = uow.organizations().insert(&twin).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Conflict {
            field: "organization.slug"
        }
    ));
    twin.slug = twin.slug.numbered(2);
    uow.organizations().insert(&twin).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(
        store.organizations().find(twin.id).await.unwrap(),
        Some(twin)
    );
}

/// Dropping a unit of work undoes what was done in it.
pub async fn nothing_stays_of_a_dropped_transaction(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let mut uow = store.begin().await.unwrap();
    uow.organizations().insert(&acme).await.unwrap();
    drop(uow);
    assert_eq!(store.organizations().find(acme.id).await.unwrap(), None);
}

/// The case of an address does not matter.
pub async fn users_are_found_by_email_in_any_case(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let ann = user(&ids, "Ann@Example.com");
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    let email = "aNN@example.COM".parse().unwrap();
    let found = store.members().find_user_by_email(&email).await.unwrap();
    assert_eq!(found, Some(ann.clone()));
    let mut uow = store.begin().await.unwrap();
    let found = uow.users().find_by_email_for_update(&email).await.unwrap();
    let mut found = found.unwrap();
    assert!(found.block(now()));
    found.name = name("Ann Lee");
    found.signature = Some("Ann Lee\nAcme".parse().unwrap());
    uow.users().update(&found).await.unwrap();
    let bob = User {
        signature: Some("Bob".parse().unwrap()),
        ..user(&ids, "bob@example.com")
    };
    uow.users().insert(&bob).await.unwrap();
    uow.commit().await.unwrap();
    for user in [found, bob] {
        let stored = store.members().find_user(user.id).await.unwrap();
        assert_eq!(stored, Some(user));
    }
}

/// After a conflict the same transaction can go on and commit.
pub async fn a_taken_email_leaves_the_transaction_usable(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let ann = user(&ids, "ann@example.com");
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    let mut uow = store.begin().await.unwrap();
    let error = uow
        .users()
        .insert(&user(&ids, "ANN@example.com"))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        StoreError::Conflict {
            field: "user.email"
        }
    ));
    let again = membership(&acme, &ann, Role::Viewer);
    let error = uow.memberships().insert(&again).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Conflict {
            field: "membership.user"
        }
    ));
    let bob = user(&ids, "bob@example.com");
    uow.users().insert(&bob).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.members().find_user(bob.id).await.unwrap(), Some(bob));
}

/// A page of members shows one organisation's alone, with each member's role in it.
pub async fn members_are_listed_within_their_organization(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let (ann, bob) = (user(&ids, "ann@example.com"), user(&ids, "bob@example.com"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    save_member(&*store, &other, &bob, Role::Owner).await;
    let mut uow = store.begin().await.unwrap();
    let guest = membership(&acme, &bob, Role::Viewer);
    uow.memberships().insert(&guest).await.unwrap();
    uow.commit().await.unwrap();
    let members = store.members();
    let page = members
        .list(acme.id, None, PageSize::default())
        .await
        .unwrap();
    let listed: Vec<_> = page
        .items
        .iter()
        .map(|member| (member.user_id, member.role))
        .collect();
    assert_eq!(listed, [(ann.id, Role::Owner), (bob.id, Role::Viewer)]);
    let page = members
        .list(other.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(members.find(other.id, ann.id).await.unwrap(), None);
    let of_bob = members.of_user(bob.id).await.unwrap();
    assert_eq!(
        of_bob.iter().map(|m| m.organization_id).collect::<Vec<_>>(),
        [acme.id, other.id]
    );
}

/// By a part of the name or the address, in any case, within the organisation.
pub async fn members_are_found_by_a_part_of_their_name(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let called = |text: &str, email: &str| User {
        name: name(text),
        ..user(&ids, email)
    };
    let ann = called("Ann LEE", "ann@example.com");
    let bob = called("Bob 100%", "leeward@example.com");
    let eve = called("Eve Lee", "eve@example.com");
    let ole = called("Ole", "Øle@example.com");
    for (place, user) in [(&acme, &ann), (&acme, &bob), (&acme, &ole), (&other, &eve)] {
        save_member(&*store, place, user, Role::Member).await;
    }
    let members = store.members();
    for (text, expected) in [
        ("lEe", vec![ann.id, bob.id]),
        ("ANN@", vec![ann.id]),
        ("0%", vec![bob.id]),
        ("%", vec![bob.id]),
        ("_", vec![]),
        ("eve", vec![]),
        ("Ann Lee", vec![ann.id]),
        ("ØLE@", vec![ole.id]),
        ("øle@", vec![ole.id]),
    ] {
        let found = members.search(acme.id, text, PageSize::default()).await;
        let found: Vec<_> = found.unwrap().iter().map(|one| one.user_id).collect();
        assert_eq!(found, expected, "{text}");
    }
    let one = members.search(acme.id, "lee", PageSize::clamped(1)).await;
    let one = one.unwrap();
    assert_eq!((one.len(), one[0].user_id), (1, ann.id));
}

/// A blocked owner cannot manage anything, so it does not count.
pub async fn owners_are_listed_without_the_blocked(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let (ann, mut bob) = (user(&ids, "ann@example.com"), user(&ids, "bob@example.com"));
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    save_member(&*store, &acme, &bob, Role::Owner).await;
    let mut uow = store.begin().await.unwrap();
    let owners = uow.memberships().owners(acme.id).await.unwrap();
    assert_eq!(owners, [ann.id, bob.id]);
    assert!(bob.block(now()));
    uow.users().update(&bob).await.unwrap();
    let owners = uow.memberships().owners(acme.id).await.unwrap();
    assert_eq!(owners, [ann.id]);
}

/// An update or a removal that finds no row says so.
pub async fn a_missing_row_is_not_updated(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let ann = user(&ids, "ann@example.com");
    save(&*store, &acme).await;
    let token = token(&ids, &acme, None);
    save_token(&*store, &token, &hash(1)).await;
    let mut uow = store.begin().await.unwrap();
    let missing = [
        uow.organizations().update(&other).await,
        uow.users().update(&ann).await,
        uow.memberships()
            .update(&membership(&acme, &ann, Role::Owner))
            .await,
        uow.memberships().remove(acme.id, ann.id).await,
        uow.tokens()
            .update(&ApiToken {
                organization_id: other.id,
                ..token
            })
            .await,
    ];
    for done in missing {
        assert!(matches!(done, Err(StoreError::Missing { .. })), "{done:?}");
    }
}

/// The fingerprint of the first start stays.
pub async fn the_first_secret_is_noted(store: Arc<dyn IdentityStore>) {
    assert_eq!(store.secret_fingerprint("one", now()).await.unwrap(), "one");
    assert_eq!(store.secret_fingerprint("two", now()).await.unwrap(), "one");
}
