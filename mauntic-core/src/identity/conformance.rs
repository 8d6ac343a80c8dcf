//! What every [`IdentityStore`] must do. [`identity_store_conformance!`](crate::identity_store_conformance)
//! runs all of it on one back end.
#![expect(
    clippy::unwrap_used,
    reason = "a case panics when the store does not do what it must"
)]

mod access;
mod deletion;
mod logins;

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    ApiToken, AuditEntry, AuditFilter, Begun, Change, DisplayName, Holder, IdempotencyKey,
    IdentityService, IdentityStore, Membership, Organization, Slug, StoredAnswer, Subject,
    TokenHash, User,
};
use crate::{
    Actor, ApiTokenId, Cause, ChangeMade, Envelope, IdSource, OrganizationId, PageSize, Permission,
    Principal, Role, StoreError, TimeZoneName, UserId, kind,
    testing::{CountingIds, ManualClock},
};

pub use access::*;
pub use deletion::*;
pub use logins::*;

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
                owners_are_listed_without_the_blocked,
                a_missing_row_is_not_updated,
                a_token_is_presented_with_what_decides_on_it,
                the_use_of_a_token_only_moves_forward,
                tokens_stay_within_their_organization,
                the_audit_log_shows_the_newest_first,
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
                a_member_who_is_blocked_here_works_elsewhere,
                an_organization_that_waits_to_be_deleted_says_so,
                an_erasure_is_claimed_by_one_worker_until_its_lease_ends,
                an_erased_organization_leaves_a_note_and_nothing_else,
                a_login_is_linked_once,
                a_login_is_used_and_unlinked_by_its_user,
                a_detour_is_taken_once,
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
    User {
        id: UserId::generate(ids),
        email: email.parse().expect("the text is an address"),
        name: name("Ann"),
        password: None,
        created_at: now(),
        blocked_at: None,
    }
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
    uow.users().update(&found).await.unwrap();
    uow.commit().await.unwrap();
    let found = store.members().find_user(ann.id).await.unwrap().unwrap();
    assert_eq!(found.blocked_at, Some(now()));
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

/// Only those of the same organisation.
pub async fn tokens_are_found_by_the_one_that_made_them(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let first = token(&ids, &acme, None);
    let made = |place: &Organization| ApiToken {
        made_by: Some(first.id),
        ..token(&ids, place, None)
    };
    let (second, foreign) = (made(&acme), made(&other));
    for (number, token) in [(1, &first), (2, &second), (3, &foreign)] {
        save_token(&*store, token, &hash(number)).await;
    }
    let mut uow = store.begin().await.unwrap();
    let tokens = uow.tokens();
    let found = tokens.made_by_for_update(acme.id, first.id).await.unwrap();
    assert_eq!(found.as_slice(), std::slice::from_ref(&second));
    let found = tokens.made_by_for_update(acme.id, second.id).await.unwrap();
    assert_eq!(found, []);
    uow.commit().await.unwrap();
    let found = store.tokens().find(acme.id, second.id).await.unwrap();
    assert_eq!(found, Some(second));
    assert_eq!(
        store.tokens().find(acme.id, foreign.id).await.unwrap(),
        None
    );
}

/// One query brings the token, the state of its organisation and that of its holder.
pub async fn a_token_is_presented_with_what_decides_on_it(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let mut acme = organization(&ids, "Acme");
    let mut ann = user(&ids, "ann@example.com");
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Member).await;
    let (free, bound) = (token(&ids, &acme, None), token(&ids, &acme, Some(&ann)));
    save_token(&*store, &free, &hash(1)).await;
    save_token(&*store, &bound, &hash(2)).await;
    let tokens = store.tokens();
    let shown = tokens.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        (shown.token, shown.organization_closed, shown.holder),
        (free, false, None)
    );
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    let holder = Holder {
        role: Role::Member,
        blocked: false,
    };
    assert_eq!((&shown.token, shown.holder), (&bound, Some(holder)));
    assert_eq!(tokens.present(&hash(3)).await.unwrap(), None);

    let mut uow = store.begin().await.unwrap();
    acme.blocked_at = Some(now());
    uow.organizations().update(&acme).await.unwrap();
    assert!(ann.block(now()));
    uow.users().update(&ann).await.unwrap();
    uow.commit().await.unwrap();
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    assert!(shown.organization_closed);
    assert_eq!(
        shown.holder,
        Some(Holder {
            role: Role::Member,
            blocked: true
        })
    );

    let mut uow = store.begin().await.unwrap();
    uow.memberships().remove(acme.id, ann.id).await.unwrap();
    uow.commit().await.unwrap();
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    assert_eq!(shown.holder, None);
}

/// A use noted late does not hide a later one.
pub async fn the_use_of_a_token_only_moves_forward(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    save(&*store, &acme).await;
    let token = token(&ids, &acme, None);
    save_token(&*store, &token, &hash(1)).await;
    let tokens = store.tokens();
    for minutes in [5, 3] {
        let at = now() + TimeDelta::minutes(minutes);
        tokens.note_use(acme.id, token.id, at).await.unwrap();
    }
    let shown = tokens.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        shown.token.last_used_at,
        Some(now() + TimeDelta::minutes(5))
    );
}

/// Another organisation neither sees a token nor can change it.
pub async fn tokens_stay_within_their_organization(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let token = token(&ids, &acme, None);
    save_token(&*store, &token, &hash(1)).await;
    let tokens = store.tokens();
    let page = tokens
        .list(acme.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items, std::slice::from_ref(&token));
    let page = tokens
        .list(other.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items, []);
    let mut uow = store.begin().await.unwrap();
    let found = uow
        .tokens()
        .find_for_update(other.id, token.id)
        .await
        .unwrap();
    assert_eq!(found, None);
    let mut found = uow
        .tokens()
        .find_for_update(acme.id, token.id)
        .await
        .unwrap()
        .unwrap();
    assert!(found.revoke(now()));
    uow.tokens().update(&found).await.unwrap();
    uow.commit().await.unwrap();
    let page = tokens
        .list(acme.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items[0].revoked_at, Some(now()));
}

/// An event of another context makes the same entry however often it comes, and another organisation's makes its own.
pub async fn a_change_that_is_told_of_twice_is_kept_once(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let service = IdentityService::new(
        store.clone(),
        Arc::new(ManualClock::default()),
        Arc::new(CountingIds::default()),
    );
    let made = ChangeMade {
        principal: Principal::System,
        address: "192.0.2.1".parse().ok(),
        change: Change::of_all::<kind::Contact>("contact.deleted", "contact", &[]),
    };
    let cause = Cause::root(&ids);
    let envelope = Envelope::seal(acme.id, &made, now(), &ids, cause).unwrap();
    for _ in 0..2 {
        service.apply_change(&envelope, made.clone()).await.unwrap();
    }
    let (log, all) = (store.audit(), AuditFilter::default());
    let page = log.list(acme.id, &all, None, PageSize::default()).await;
    let entries = page.unwrap().items;
    assert_eq!(entries, [AuditEntry::told(&envelope, made)]);
    assert_eq!(entries[0].at, now());
    assert_eq!(entries[0].change.subject.id, None);
}

/// Entries read back as they were written, page by page, within their organisation.
pub async fn the_audit_log_shows_the_newest_first(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let subject = || Subject::new("organization", acme.id);
    let made = Change::new("organization.created", subject()).to(json!({"name": "Acme"}));
    let renamed = Change::new("organization.updated", subject())
        .from(json!({"name": "Acme"}))
        .to(json!({"name": "ACME"}));
    let user = Actor::user(acme.id, UserId::generate(&ids), Role::Owner)
        .calling_from("2001:db8::1".parse().unwrap());
    let first = AuditEntry::new(made.clone(), &Actor::system(acme.id), now(), &ids);
    let second = AuditEntry::new(renamed, &user, now(), &ids);
    let first_id = first.id;
    let foreign = AuditEntry::new(made, &Actor::system(other.id), now(), &ids);
    let mut uow = store.begin().await.unwrap();
    for entry in [&first, &second, &foreign] {
        uow.audit().append(entry).await.unwrap();
    }
    uow.commit().await.unwrap();
    let (log, all) = (store.audit(), AuditFilter::default());
    let page = log
        .list(acme.id, &all, None, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items, page.next),
        (vec![second.clone()], Some(second.id))
    );
    let page = log
        .list(acme.id, &all, page.next, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items, page.next),
        (vec![first], None::<crate::AuditEntryId>)
    );
    let page = log
        .list(other.id, &all, None, PageSize::default())
        .await
        .unwrap();
    let entries: Vec<AuditEntry> = page.items;
    assert_eq!(entries, [foreign]);
    let at = |seconds| Some(now() + TimeDelta::seconds(seconds));
    let filters = [
        (Some(user.principal()), None, None, None, vec![second.id]),
        (Some(Principal::System), None, None, None, vec![first_id]),
        (None, Some("organization.c"), None, None, vec![first_id]),
        (
            None,
            Some("organization"),
            None,
            at(1),
            vec![second.id, first_id],
        ),
        (None, None, at(1), None, vec![]),
        (None, None, at(0), at(0), vec![]),
    ];
    for (by, action, since, until, expected) in filters {
        let filter = AuditFilter {
            by,
            action: action.map(str::to_owned),
            since,
            until,
        };
        let page = log.list(acme.id, &filter, None, PageSize::default()).await;
        let found: Vec<_> = page.unwrap().items.iter().map(|entry| entry.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey {
        organization_id: OrganizationId::from_uuid(uuid::Uuid::from_u128(1)),
        principal: Principal::System,
        key: text.to_owned(),
    }
}

fn answer() -> StoredAnswer {
    StoredAnswer {
        status: 201,
        content_type: Some("application/json".to_owned()),
        body: vec![0, 159, 146, 150],
    }
}

async fn fresh(store: &dyn IdentityStore, key: &IdempotencyKey, at: DateTime<Utc>) -> super::Claim {
    match store.idempotency().begin(key, hash(1), at).await.unwrap() {
        Begun::Fresh(claim) => claim,
        other => panic!("expected a fresh request, found {other:?}"),
    }
}

/// The same request again gets the same answer; another one under its key is refused.
pub async fn a_request_is_done_once(store: Arc<dyn IdentityStore>) {
    let requests = store.idempotency();
    let claim = fresh(&*store, &key("a"), now()).await;
    let again = || requests.begin(&claim.key, hash(1), now());
    assert_eq!(again().await.unwrap(), Begun::InProgress);
    assert_eq!(
        requests.begin(&claim.key, hash(2), now()).await.unwrap(),
        Begun::Mismatch
    );
    requests.finish(&claim, &answer()).await.unwrap();
    assert_eq!(again().await.unwrap(), Begun::Answered(answer()));
    assert_eq!(
        requests.begin(&claim.key, hash(2), now()).await.unwrap(),
        Begun::Mismatch
    );
}

/// Two principals, or organisations, may use the same text.
pub async fn a_key_counts_for_one_principal(store: Arc<dyn IdentityStore>) {
    let mine = key("a");
    fresh(&*store, &mine, now()).await;
    let id = uuid::Uuid::from_u128(2);
    let theirs = Principal::Token {
        id: ApiTokenId::from_uuid(id),
    };
    fresh(
        &*store,
        &IdempotencyKey {
            principal: theirs,
            ..mine.clone()
        },
        now(),
    )
    .await;
    let elsewhere = OrganizationId::from_uuid(id);
    fresh(
        &*store,
        &IdempotencyKey {
            organization_id: elsewhere,
            ..mine
        },
        now(),
    )
    .await;
}

/// When a process dies over a request, the next one may do it; the dead one's answer comes too late.
pub async fn an_unfinished_request_is_taken_over_after_its_lease(store: Arc<dyn IdentityStore>) {
    let requests = store.idempotency();
    let dead = fresh(&*store, &key("a"), now()).await;
    let later = dead.lease_until;
    assert_eq!(
        requests.begin(&key("a"), hash(2), later).await.unwrap(),
        Begun::Mismatch
    );
    let next = fresh(&*store, &key("a"), later).await;
    let late = StoredAnswer {
        status: 500,
        ..answer()
    };
    requests.finish(&dead, &late).await.unwrap();
    requests.finish(&next, &answer()).await.unwrap();
    let begun = requests.begin(&key("a"), hash(1), later).await.unwrap();
    assert_eq!(begun, Begun::Answered(answer()));
}

/// Whoever fails through no fault of the client leaves the key free.
pub async fn an_abandoned_request_can_be_tried_again(store: Arc<dyn IdentityStore>) {
    let claim = fresh(&*store, &key("a"), now()).await;
    store.idempotency().abandon(&claim).await.unwrap();
    let claim = fresh(&*store, &key("a"), now()).await;
    store.idempotency().finish(&claim, &answer()).await.unwrap();
    // An answer that was given cannot be abandoned any more.
    store.idempotency().abandon(&claim).await.unwrap();
    let begun = store
        .idempotency()
        .begin(&key("a"), hash(1), now())
        .await
        .unwrap();
    assert_eq!(begun, Begun::Answered(answer()));
}

/// After 24 hours a key is free again, whether or not the old answers were cleared away.
pub async fn answers_are_forgotten_after_a_day(store: Arc<dyn IdentityStore>) {
    let requests = store.idempotency();
    for text in ["a", "b"] {
        let claim = fresh(&*store, &key(text), now()).await;
        requests.finish(&claim, &answer()).await.unwrap();
    }
    let later = now() + TimeDelta::hours(24) + TimeDelta::microseconds(1);
    assert_eq!(
        requests
            .forget_old(later - TimeDelta::seconds(1))
            .await
            .unwrap(),
        0
    );
    let claim = fresh(&*store, &key("a"), later).await;
    assert_eq!(requests.forget_old(later).await.unwrap(), 1);
    requests.finish(&claim, &answer()).await.unwrap();
    let begun = requests.begin(&key("a"), hash(1), later).await.unwrap();
    assert_eq!(begun, Begun::Answered(answer()));
}

/// Clients that send a request twice at the same instant have it done once.
pub async fn of_many_requests_at_once_one_is_fresh(store: Arc<dyn IdentityStore>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.idempotency().begin(&key("a"), hash(1), now()).await });
    }
    let begun = tasks.join_all().await;
    let fresh = begun
        .iter()
        .filter(|begun| matches!(begun, Ok(Begun::Fresh(_))));
    assert_eq!(fresh.count(), 1);
    let waiting = begun
        .iter()
        .filter(|begun| matches!(begun, Ok(Begun::InProgress)));
    assert_eq!(waiting.count(), 7);
}

/// The fingerprint of the first start stays.
pub async fn the_first_secret_is_noted(store: Arc<dyn IdentityStore>) {
    assert_eq!(store.secret_fingerprint("one", now()).await.unwrap(), "one");
    assert_eq!(store.secret_fingerprint("two", now()).await.unwrap(), "one");
}
