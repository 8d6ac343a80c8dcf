//! Deleting organisations: waiting, and erasing what they have.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{hash, now, oauth::client, organization, save, save_member, save_token, token, user};
use crate::{
    IdSource, OrganizationId, PageSize, Principal, Role, SessionId, UserId, WorkerId,
    identity::{
        Client, Erasure, IdentityStore, Organization, SecondFactor, Session, TokenHash, User,
    },
    testing::CountingIds,
};

/// Has a stored organisation deleted that many minutes from now.
async fn delete_in(store: &dyn IdentityStore, organization: &Organization, minutes: i64) {
    let mut deleted = organization.clone();
    let due_at = now() + TimeDelta::minutes(minutes);
    assert!(deleted.delete_at(due_at, Principal::System, now()));
    let mut uow = store.begin().await.unwrap();
    uow.organizations().update(&deleted).await.unwrap();
    uow.commit().await.unwrap();
    let found = store.organizations().find(organization.id).await.unwrap();
    assert_eq!(found, Some(deleted));
}

async fn log_in(store: &dyn IdentityStore, ids: &dyn IdSource, user: &User, hash: &TokenHash) {
    let session = Session {
        id: SessionId::generate(ids),
        user_id: user.id,
        organization_id: None,
        remembered: false,
        created_at: now(),
        seen_at: now(),
        client: Client::default(),
        awaits_second_factor: false,
    };
    let factor = SecondFactor {
        user_id: user.id,
        sealed_secret: vec![1],
        last_step: 0,
        created_at: now(),
        confirmed_at: None,
    };
    let mut uow = store.begin().await.unwrap();
    uow.sessions().insert(&session, hash).await.unwrap();
    uow.second_factors().save(&factor).await.unwrap();
    let codes = [*hash];
    let factors = uow.second_factors();
    factors
        .replace_recovery_codes(user.id, &codes)
        .await
        .unwrap();
    uow.commit().await.unwrap();
}

/// Works on the erasing of an organisation until it is done, one row at a time; returns how many calls that took.
async fn erase(store: &dyn IdentityStore, organization: OrganizationId) -> u64 {
    let mut calls = 0;
    while store.erasures().erase_some(organization, 1).await.unwrap() > 0 {
        calls += 1;
    }
    store.erasures().finish(organization, now()).await.unwrap();
    calls
}

async fn is_there(store: &dyn IdentityStore, user: UserId) -> bool {
    store.members().find_user(user).await.unwrap().is_some()
}

/// A workplace says when it is deleted, and that it is closed once it is being erased; so does a token.
pub async fn an_organization_that_waits_to_be_deleted_says_so(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, ann) = (organization(&ids, "Acme"), user(&ids, "ann@example.com"));
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    save_token(&*store, &token(&ids, &acme, None), &hash(1)).await;
    let seen = async || {
        let places = store.members().workplaces(ann.id).await.unwrap();
        let token = store.tokens().present(&hash(1)).await.unwrap().unwrap();
        assert_eq!(places[0].closed, token.organization_closed);
        let closing = places[0].deletion_due_at.is_some();
        assert_eq!(closing, token.organization_closing);
        (closing, token.organization_closed)
    };
    assert_eq!(seen().await, (false, false));
    delete_in(&*store, &acme, 0).await;
    assert_eq!(seen().await, (true, false));
    let worker = WorkerId::generate(&ids);
    let until = now() + TimeDelta::minutes(1);
    let claimed = store.erasures().claim(worker, now(), until).await.unwrap();
    assert_eq!(claimed, Some(acme.id));
    assert_eq!(seen().await, (true, true));
}

/// Only what is due is taken, by one worker at a time, and by another once the first is not heard of any more.
pub async fn an_erasure_is_claimed_by_one_worker_until_its_lease_ends(
    store: Arc<dyn IdentityStore>,
) {
    let ids = CountingIds::default();
    let (acme, later) = (organization(&ids, "Acme"), organization(&ids, "Later"));
    save(&*store, &acme).await;
    save(&*store, &later).await;
    delete_in(&*store, &acme, 0).await;
    delete_in(&*store, &later, 1).await;
    let [one, other] = [WorkerId::generate(&ids), WorkerId::generate(&ids)];
    let claim = async |worker, minutes| {
        let at = now() + TimeDelta::minutes(minutes);
        let until = at + TimeDelta::minutes(5);
        store.erasures().claim(worker, at, until).await.unwrap()
    };
    assert_eq!(claim(one, -1).await, None);
    assert_eq!(claim(one, 0).await, Some(acme.id));
    assert_eq!(claim(other, 0).await, None);
    assert_eq!(claim(one, 0).await, Some(acme.id));
    assert_eq!(claim(other, 1).await, Some(later.id));
    assert_eq!(claim(other, 5).await, Some(acme.id));
}

/// All of it goes, and nothing of another organisation; people who work elsewhere, and blocked ones, keep their account.
pub async fn an_erased_organization_leaves_a_note_and_nothing_else(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let [ann, bob, mut cy] =
        ["ann", "bob", "cy"].map(|who| user(&ids, &format!("{who}@example.com")));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    for (number, who) in (1_u8..).zip([&ann, &bob, &cy]) {
        save_member(&*store, &acme, who, Role::Owner).await;
        log_in(&*store, &ids, who, &hash(number)).await;
    }
    let mut uow = store.begin().await.unwrap();
    let elsewhere = super::membership(&other, &bob, Role::Member);
    uow.memberships().insert(&elsewhere).await.unwrap();
    assert!(cy.block(now()));
    uow.users().update(&cy).await.unwrap();
    uow.commit().await.unwrap();
    save_token(&*store, &token(&ids, &acme, Some(&ann)), &hash(8)).await;
    save_token(&*store, &token(&ids, &other, Some(&bob)), &hash(9)).await;
    let (app, theirs) = (client(&ids, &acme), client(&ids, &other));
    let mut uow = store.begin().await.unwrap();
    uow.oauth().insert_client(&app).await.unwrap();
    uow.oauth().insert_client(&theirs).await.unwrap();
    uow.commit().await.unwrap();
    delete_in(&*store, &acme, 0).await;
    let worker = WorkerId::generate(&ids);
    let claimed = store.erasures().claim(worker, now(), now()).await.unwrap();
    assert_eq!(claimed, Some(acme.id));
    // Three members, a token and an app, and each call takes one of each.
    assert_eq!(erase(&*store, acme.id).await, 3);
    assert_eq!(store.organizations().find(acme.id).await.unwrap(), None);
    assert_eq!(store.tokens().present(&hash(8)).await.unwrap(), None);
    assert_eq!(store.oauth().find_client(app.id).await.unwrap(), None);
    let kept = store.oauth().find_client(theirs.id).await.unwrap();
    assert_eq!(kept, Some(theirs));
    let here = [ann.id, bob.id, cy.id].map(|id| is_there(&*store, id));
    let [ann_is, bob_is, cy_is] = here;
    assert_eq!(
        (ann_is.await, bob_is.await, cy_is.await),
        (false, true, true)
    );
    let sessions = store.sessions();
    assert_eq!(sessions.find_by_hash(&hash(1)).await.unwrap(), None);
    assert!(sessions.find_by_hash(&hash(2)).await.unwrap().is_some());
    assert!(store.tokens().present(&hash(9)).await.unwrap().is_some());
    let places = store.members().workplaces(bob.id).await.unwrap();
    assert_eq!(places.len(), 1);
    let page = store.erasures().list(None, PageSize::default()).await;
    let erased = Erasure {
        organization_id: acme.id,
        requested_by: Principal::System,
        requested_at: now(),
        erased_at: now(),
    };
    assert_eq!(page.unwrap().items, [erased]);
    // Whoever was cut off does it again.
    assert_eq!(erase(&*store, acme.id).await, 0);
    assert_eq!(erase(&*store, other.id).await, 1);
}
