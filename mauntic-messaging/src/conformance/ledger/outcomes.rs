//! What comes of a message, of a lost worker, and of a send that is cancelled.

use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::PageSize;

use super::{
    enlist, grant, job, lease, names, now, organization, plan_contacts, settle, states, worker,
};
use crate::{
    MessagingStore,
    sending::{DeliveryState, Lane, SkipReason},
};

/// An outcome ends a delivery; deferred ones come back when they are due.
pub async fn an_outcome_moves_the_row(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 3).await;
    enlist(&store, worker(1)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    grant(&store, worker(1), &leased).await;
    assert_eq!(
        settle(&store, worker(2), &leased[..1], DeliveryState::Accepted).await,
        0
    );
    assert_eq!(
        settle(&store, worker(1), &leased[..1], DeliveryState::Accepted).await,
        1
    );
    settle(&store, worker(1), &leased[1..2], DeliveryState::Deferred).await;
    settle(&store, worker(1), &leased[2..], DeliveryState::Planned).await;
    // A second outcome changes nothing.
    assert_eq!(
        settle(&store, worker(1), &leased[..1], DeliveryState::Refused).await,
        0
    );
    assert_eq!(
        states(&store, &job).await,
        [
            DeliveryState::Accepted,
            DeliveryState::Deferred,
            DeliveryState::Planned
        ]
    );
    assert!(lease(&store, &job, worker(1), 10).await.is_empty());
    let mut uow = store.begin().await.unwrap();
    assert!(uow.ledger().has_open(&(&job).into()).await.unwrap());
    let later = now() + TimeDelta::minutes(1);
    let due = uow
        .ledger()
        .lease(&(&job).into(), worker(1), 10, later)
        .await
        .unwrap();
    assert_eq!(due.len(), 2);
    assert_eq!(due[0].deferrals + due[1].deferrals, 1);
    uow.commit().await.unwrap();
}

/// What a lost bulk worker left open becomes unknown; a late outcome still counts.
pub async fn what_a_lost_worker_left_open_is_unknown(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 3).await;
    enlist(&store, worker(1)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    grant(&store, worker(1), &leased[..2]).await;

    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.workers().claim_expired(now()).await.unwrap(), None);
    let late = now() + TimeDelta::seconds(15);
    let lost = uow.workers().claim_expired(late).await.unwrap();
    assert_eq!(lost, Some(worker(1)));
    let open = uow.ledger().abandon(worker(1), late).await.unwrap();
    assert_eq!(open.len(), 2);
    uow.workers().dismiss(worker(1)).await.unwrap();
    assert!(!uow.workers().beat(worker(1), late).await.unwrap());
    uow.commit().await.unwrap();

    assert_eq!(
        states(&store, &job).await,
        [
            DeliveryState::Unknown,
            DeliveryState::Unknown,
            DeliveryState::Planned
        ]
    );
    assert_eq!(grant(&store, worker(1), &leased).await, []);
    assert_eq!(
        settle(&store, worker(1), &leased[..1], DeliveryState::Accepted).await,
        1
    );
    let mut uow = store.begin().await.unwrap();
    let retried = uow
        .ledger()
        .retry_unknown(&(&job).into(), now())
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(retried.len(), 1);
    assert_eq!(
        states(&store, &job).await,
        [
            DeliveryState::Accepted,
            DeliveryState::Planned,
            DeliveryState::Planned
        ]
    );
}

/// What a lost transactional worker left open is sent again.
pub async fn the_transactional_lane_sends_again(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Transactional).await;
    plan_contacts(&store, &job, 1).await;
    enlist(&store, worker(1)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    grant(&store, worker(1), &leased).await;
    let mut uow = store.begin().await.unwrap();
    uow.ledger().abandon(worker(1), now()).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(states(&store, &job).await, [DeliveryState::Planned]);
}

/// Cancelling leaves out whom nobody holds.
pub async fn cancelling_leaves_out_who_waits(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 5).await;
    enlist(&store, worker(1)).await;
    lease(&store, &job, worker(1), 2).await;
    let mut uow = store.begin().await.unwrap();
    let left_out = uow
        .ledger()
        .cancel_waiting(&(&job).into(), 100, now())
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(left_out.len(), 3);
    let page = store
        .sends()
        .list_deliveries(
            organization(),
            job.id,
            Some(DeliveryState::Skipped),
            None,
            PageSize::clamped(2),
        )
        .await
        .unwrap();
    assert_eq!(page.items.len(), 2);
    assert_eq!(page.items[0].skip_reason, Some(SkipReason::Cancelled));
    assert!(page.next.is_some());
}

/// The time in which the mail server could not be used is not the recipient's.
pub async fn time_without_a_mail_server_does_not_count(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 1).await;
    let mut uow = store.begin().await.unwrap();
    let expires = now() + TimeDelta::days(30);
    uow.workers()
        .enlist(worker(1), now(), expires)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let mut firsts = Vec::new();
    for (day, state) in [
        (0, DeliveryState::Planned),
        (5, DeliveryState::Deferred),
        (6, DeliveryState::Planned),
    ] {
        let at = now() + TimeDelta::days(day);
        let mut uow = store.begin().await.unwrap();
        let leased = uow.ledger().lease(&(&job).into(), worker(1), 1, at).await;
        let leased = names(&leased.unwrap());
        assert_eq!(leased.len(), 1);
        uow.ledger().grant(worker(1), &leased, at).await.unwrap();
        uow.commit().await.unwrap();
        settle(&store, worker(1), &leased, state).await;
        let found = store.sends().find_delivery(organization(), leased[0].id);
        firsts.push(found.await.unwrap().unwrap().first_attempt_at);
    }
    let deferred = Some(now() + TimeDelta::days(5));
    assert_eq!(firsts, [None, deferred, deferred]);
}
