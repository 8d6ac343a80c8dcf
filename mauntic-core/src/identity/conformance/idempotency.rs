//! Requests that may come again.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{hash, now};
use crate::{
    ApiTokenId, OrganizationId, Principal,
    identity::{Begun, Claim, IdempotencyKey, IdentityStore, StoredAnswer},
};

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

async fn fresh(store: &dyn IdentityStore, key: &IdempotencyKey, at: DateTime<Utc>) -> Claim {
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
