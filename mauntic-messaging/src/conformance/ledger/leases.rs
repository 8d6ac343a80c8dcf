//! Which worker may hand a message over, and what keeps it from doing so.

use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::SegmentId;

use super::{
    enlist, grant, id, job, lease, names, now, organization, plan, plan_contacts, planned, save,
    states, suppress, worker,
};
use crate::{
    MessagingStore,
    sending::{
        Delivery, DeliveryState, Lane, LeftOut, LocalTime, PlannedDelivery, SendJobRef, SkipReason,
        Waiting, Withheld,
    },
    suppression::{SuppressionReason, address_hash},
};

/// Who left a mailing list gets nothing that is sent to it, also if it was planned before, and all else.
pub async fn who_left_a_list_gets_nothing_sent_to_it(store: Arc<dyn MessagingStore>) {
    let choose = async |address: &str, left: &[u128], joined: &[u128]| {
        let lists = |of: &[u128]| {
            let ids = of.iter().map(|number| SegmentId::from_uuid(id(*number)));
            ids.collect::<Vec<_>>()
        };
        let mut uow = store.begin().await.unwrap();
        let chosen = uow.suppressions();
        let hash = address_hash(address);
        let (left, joined) = (lists(left), lists(joined));
        let done = chosen.choose_lists(organization(), &hash, None, &left, &joined, now());
        done.await.unwrap();
        uow.commit().await.unwrap();
    };
    let first = job(&store, 50, Lane::Bulk).await;
    let to = first.segment_id.as_uuid().as_u128();
    choose("c101@example.com", &[to + 1], &[]).await;
    choose("c102@example.com", &[to], &[]).await;
    let keys = [101, 102, 103].map(|contact| format!("c{contact}@example.com"));
    let suppressions = store.suppressions();
    let left = async |organization| {
        let left = suppressions.filter_left(organization, first.segment_id, &keys);
        left.await.unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(left(organization()).await, ["c102@example.com"]);
    let theirs = mauntic_core::OrganizationId::generate(&mauntic_core::UuidV7Source);
    assert!(left(theirs).await.is_empty());
    enlist(&store, worker(1)).await;
    let page = [101, 102, 103].map(|contact| planned(&first, contact));
    let tally = plan(&store, &first, &page).await;
    assert_eq!(
        (tally.planned, tally.skipped[&SkipReason::LeftList]),
        (2, 1)
    );
    let leased = names(&lease(&store, &first, worker(1), 10).await);
    choose("c103@example.com", &[to, to + 1], &[]).await;
    assert_eq!(grant(&store, worker(1), &leased).await, leased[..1]);
    let mut uow = store.begin().await.unwrap();
    let withheld = uow.ledger().withheld(worker(1), &leased).await.unwrap();
    assert_eq!(withheld, [Withheld::LeftList(leased[1])]);
    drop(uow);
    choose("c103@example.com", &[], &[to]).await;
    assert_eq!(grant(&store, worker(1), &leased).await, leased[1..]);
}

/// Who is to get it by their own clock waits for it, also when their turn was given back; all others go.
pub async fn a_delivery_waits_for_its_time(store: Arc<dyn MessagingStore>) {
    let mut job = job(&store, 50, Lane::Bulk).await;
    job.local_time = Some(LocalTime {
        time: (now() + TimeDelta::hours(1)).naive_utc(),
        fallback: "Europe/Oslo".parse().unwrap(),
    });
    save(&store, &job).await;
    let stored = store.sends().find_job(organization(), job.id).await;
    assert_eq!(stored.unwrap().unwrap(), job);
    enlist(&store, worker(1)).await;
    let waiting = async |organization| {
        let waiting = store.sends().waiting(organization, job.id).await;
        waiting.unwrap()
    };
    assert_eq!(waiting(organization()).await, None);
    let at = |contact, not_before: TimeDelta| PlannedDelivery {
        not_before: Some(now() + not_before),
        ..planned(&job, contact)
    };
    let page = [
        at(101, TimeDelta::hours(7)),
        at(102, TimeDelta::hours(-1)),
        at(103, TimeDelta::hours(1)),
        planned(&job, 104),
    ];
    plan(&store, &job, &page).await;
    let leased = lease(&store, &job, worker(1), 10).await;
    let of = |deliveries: &[Delivery]| {
        let ids = deliveries
            .iter()
            .map(|one| one.contact_id.as_uuid().as_u128());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(of(&leased), [104, 102]);
    let still = Waiting {
        next: now() + TimeDelta::hours(1),
        last: now() + TimeDelta::hours(7),
    };
    assert_eq!(waiting(organization()).await, Some(still));
    let theirs = mauntic_core::OrganizationId::generate(&mauntic_core::UuidV7Source);
    assert_eq!(waiting(theirs).await, None);
    assert!(lease(&store, &job, worker(1), 10).await.is_empty());

    let mut uow = store.begin().await.unwrap();
    let later = now() + TimeDelta::hours(1);
    let name = SendJobRef::from(&job);
    let leased = uow.ledger().lease(&name, worker(1), 10, later).await;
    assert_eq!(of(&leased.unwrap()), [103]);
    drop(uow);
    let mut uow = store.begin().await.unwrap();
    let left_out = uow.ledger().cancel_waiting(&name, 10, now()).await.unwrap();
    assert_eq!(left_out.len(), 2, "who waits is cancelled with the rest");
    assert!(
        uow.ledger().has_open(&name).await.unwrap(),
        "two are leased"
    );
}

/// Workers share the deliveries: each gets its own.
pub async fn a_lease_is_one_workers(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 60).await;
    let mut tasks = Vec::new();
    for number in 1..=6 {
        enlist(&store, worker(number)).await;
        let (store, job) = (Arc::clone(&store), job.clone());
        tasks.push(tokio::spawn(async move {
            names(&lease(&store, &job, worker(number), 10).await)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    // A worker that meets others' rows may get fewer at first.
    for number in 1..=6 {
        all.extend(names(&lease(&store, &job, worker(number), 60).await));
    }
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!((all.len(), count), (60, 60));
}

/// Only the holder of the lease may hand over, and only once.
pub async fn only_the_holder_is_granted_and_once(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 2).await;
    enlist(&store, worker(1)).await;
    enlist(&store, worker(2)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    assert_eq!(grant(&store, worker(2), &leased).await, []);
    assert_eq!(grant(&store, worker(1), &leased).await, leased);
    assert_eq!(grant(&store, worker(1), &leased).await, []);
    assert!(lease(&store, &job, worker(2), 10).await.is_empty());
}

/// A worker that is not enlisted gets nothing.
pub async fn an_unknown_worker_leases_nothing(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 2).await;
    assert!(lease(&store, &job, worker(1), 10).await.is_empty());
}

/// What was stopped or suppressed after the lease is not handed over.
pub async fn what_was_stopped_or_suppressed_is_withheld(store: Arc<dyn MessagingStore>) {
    let mut job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 2).await;
    enlist(&store, worker(1)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    let reason = SuppressionReason::Unsubscribed;
    suppress(&store, "c101@example.com", reason).await;
    assert_eq!(grant(&store, worker(1), &leased).await, leased[1..]);
    let mut uow = store.begin().await.unwrap();
    let withheld = uow.ledger().withheld(worker(1), &leased).await.unwrap();
    assert_eq!(withheld, [Withheld::Suppressed(leased[0])]);
    let skipped = uow
        .ledger()
        .skip(
            worker(1),
            &[LeftOut {
                detail: Some("it asked for no more".to_owned()),
                ..LeftOut::new(leased[0], SkipReason::Suppressed)
            }],
            now(),
        )
        .await
        .unwrap();
    assert_eq!(skipped.len(), 1);
    uow.commit().await.unwrap();
    let found = store.sends().find_delivery(organization(), leased[0].id);
    let found = found.await.unwrap().unwrap();
    assert_eq!(found.reply.as_deref(), Some("it asked for no more"));

    plan(&store, &job, &[planned(&job, 150)]).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    job.pause().unwrap();
    save(&store, &job).await;
    assert_eq!(grant(&store, worker(1), &leased).await, []);
    let mut uow = store.begin().await.unwrap();
    let withheld = uow.ledger().withheld(worker(1), &leased).await.unwrap();
    assert_eq!(withheld, [Withheld::Stopped(leased[0])]);
    uow.ledger()
        .give_back(worker(1), &[(leased[0], now())], now())
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(
        states(&store, &job).await,
        [
            DeliveryState::Skipped,
            DeliveryState::HandedOver,
            DeliveryState::Planned
        ]
    );
}

/// A delivery may go to a contact's new address, unless somebody else in the send has it.
pub async fn a_new_address_is_taken_once(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 2).await;
    enlist(&store, worker(1)).await;
    let leased = names(&lease(&store, &job, worker(1), 10).await);
    let mut uow = store.begin().await.unwrap();
    let ledger = uow.ledger();
    let taken = "c102@example.com".parse().unwrap();
    let free = "new@example.com".parse().unwrap();
    assert!(
        !ledger
            .readdress(worker(1), leased[0], &taken)
            .await
            .unwrap()
    );
    assert!(ledger.readdress(worker(1), leased[0], &free).await.unwrap());
    uow.commit().await.unwrap();
    let delivery = store
        .sends()
        .find_delivery(organization(), leased[0].id)
        .await
        .unwrap();
    assert_eq!(delivery.unwrap().address, Some(free));
}
