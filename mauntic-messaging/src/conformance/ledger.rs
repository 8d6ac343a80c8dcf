//! What the send ledger must do.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    ContactId, DeliveryId, EmailId, EmailVersionId, OrganizationId, PageSize, Principal, SegmentId,
    SendJobId, UserId, WorkerId,
};
use uuid::Uuid;

use crate::{
    MessagingStore,
    sending::{
        Delivery, DeliveryRef, DeliveryState, JobState, Lane, LeftOut, LocalTime, NewSendJob,
        Outcome, PlannedDelivery, Rate, Report, SendJob, SendJobRef, SkipReason, Tally, Waiting,
        Withheld,
    },
    suppression::{Suppression, SuppressionReason, address_hash},
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn organization() -> OrganizationId {
    OrganizationId::from_uuid(id(1))
}

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(id(number))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_315_200, 0).unwrap()
}

/// A send that is running.
async fn job(store: &Arc<dyn MessagingStore>, number: u128, lane: Lane) -> SendJob {
    let new = NewSendJob {
        id: SendJobId::from_uuid(id(number)),
        organization_id: organization(),
        email_id: EmailId::from_uuid(id(7)),
        email_version_id: EmailVersionId::from_uuid(id(8)),
        segment_id: SegmentId::from_uuid(id(9)),
        lane,
        scheduled_at: now(),
        local_time: None,
        made_by: Principal::User {
            id: UserId::from_uuid(id(5)),
        },
    };
    let mut job = SendJob::new(new, now());
    job.planned_up_to(None, now());
    let mut uow = store.begin().await.unwrap();
    uow.sends().insert_job(&job).await.unwrap();
    uow.commit().await.unwrap();
    job
}

async fn save(store: &Arc<dyn MessagingStore>, job: &SendJob) {
    let mut uow = store.begin().await.unwrap();
    uow.sends().update_job(job).await.unwrap();
    uow.commit().await.unwrap();
}

fn planned(job: &SendJob, contact: u128) -> PlannedDelivery {
    PlannedDelivery {
        id: DeliveryId::from_uuid(id(job.id.as_uuid().as_u128() * 1_000_000 + contact)),
        contact_id: ContactId::from_uuid(id(contact)),
        address: Some(format!("c{contact}@example.com").parse().unwrap()),
        skip: None,
        not_before: None,
    }
}

async fn plan(store: &Arc<dyn MessagingStore>, job: &SendJob, page: &[PlannedDelivery]) -> Tally {
    let mut uow = store.begin().await.unwrap();
    let counts = uow.ledger().plan(job, page, now()).await.unwrap();
    let shard = 3;
    uow.sends().count(shard, &counts, now()).await.unwrap();
    uow.commit().await.unwrap();
    counts.of(&SendJobRef::from(job))
}

async fn plan_contacts(store: &Arc<dyn MessagingStore>, job: &SendJob, contacts: u128) {
    let page: Vec<_> = (1..=contacts).map(|n| planned(job, 100 + n)).collect();
    plan(store, job, &page).await;
}

async fn enlist(store: &Arc<dyn MessagingStore>, worker: WorkerId) {
    let mut uow = store.begin().await.unwrap();
    let expires = now() + TimeDelta::seconds(15);
    uow.workers().enlist(worker, now(), expires).await.unwrap();
    uow.commit().await.unwrap();
}

async fn lease(
    store: &Arc<dyn MessagingStore>,
    job: &SendJob,
    worker: WorkerId,
    limit: u64,
) -> Vec<Delivery> {
    let mut uow = store.begin().await.unwrap();
    let leased = uow
        .ledger()
        .lease(&job.into(), worker, limit, now())
        .await
        .unwrap();
    uow.commit().await.unwrap();
    leased
}

async fn grant(
    store: &Arc<dyn MessagingStore>,
    worker: WorkerId,
    names: &[DeliveryRef],
) -> Vec<DeliveryRef> {
    let mut uow = store.begin().await.unwrap();
    let mut granted = uow.ledger().grant(worker, names, now()).await.unwrap();
    uow.commit().await.unwrap();
    granted.sort();
    granted
}

fn names(deliveries: &[Delivery]) -> Vec<DeliveryRef> {
    let mut names: Vec<_> = deliveries.iter().map(DeliveryRef::from).collect();
    names.sort();
    names
}

async fn settle(
    store: &Arc<dyn MessagingStore>,
    worker: WorkerId,
    names: &[DeliveryRef],
    state: DeliveryState,
) -> usize {
    let reports: Vec<_> = names
        .iter()
        .map(|name| Report {
            delivery: *name,
            outcome: Outcome {
                state,
                class: None,
                reply: "250 2.0.0 ok".to_owned(),
                retry_at: Some(now() + TimeDelta::minutes(1)),
                slow_down: false,
            },
        })
        .collect();
    let mut uow = store.begin().await.unwrap();
    let changed = uow.ledger().settle(worker, &reports, now()).await.unwrap();
    uow.commit().await.unwrap();
    changed.len()
}

async fn states(store: &Arc<dyn MessagingStore>, job: &SendJob) -> Vec<DeliveryState> {
    let page = store
        .sends()
        .list_deliveries(organization(), job.id, None, None, PageSize::clamped(1_000))
        .await
        .unwrap();
    page.items.iter().map(|delivery| delivery.state).collect()
}

/// Everybody is planned or left out for a reason, and the counters say so.
pub async fn everybody_is_planned_or_left_out(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    let mut uow = store.begin().await.unwrap();
    let suppressed = Suppression::new(
        "c104@example.com".to_owned(),
        SuppressionReason::Manual,
        "test",
        now(),
    );
    uow.suppressions()
        .add(organization(), &[suppressed])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let page = [
        planned(&job, 101),
        PlannedDelivery {
            address: None,
            skip: Some(SkipReason::MissingAddress),
            ..planned(&job, 102)
        },
        PlannedDelivery {
            skip: Some(SkipReason::DoNotContact),
            ..planned(&job, 103)
        },
        planned(&job, 104),
    ];
    plan(&store, &job, &page).await;
    let mut twin = planned(&job, 105);
    twin.address = Some("C101@Example.com".parse().unwrap());
    plan(&store, &job, &[twin]).await;

    let tally = store.sends().tally(organization(), job.id).await.unwrap();
    assert_eq!(tally.planned, 1);
    let reasons: Vec<_> = tally.skipped.into_iter().collect();
    assert_eq!(
        reasons,
        [
            (SkipReason::DoNotContact, 1),
            (SkipReason::Suppressed, 1),
            (SkipReason::MissingAddress, 1),
            (SkipReason::DuplicateAddress, 1)
        ]
    );
}

/// A second send of an email reaches only those that the first did not.
pub async fn nobody_gets_an_email_twice(store: Arc<dyn MessagingStore>) {
    let first = job(&store, 50, Lane::Bulk).await;
    let left_out = PlannedDelivery {
        skip: Some(SkipReason::DoNotContact),
        ..planned(&first, 102)
    };
    plan(&store, &first, &[planned(&first, 101), left_out]).await;
    let second = job(&store, 51, Lane::Bulk).await;
    let page = [101, 102, 103].map(|contact| planned(&second, contact));
    let tally = plan(&store, &second, &page).await;
    assert_eq!(tally.planned, 2);
    assert_eq!(tally.skipped[&SkipReason::AlreadySent], 1);
}

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

/// Who was merged into somebody brings along what they got, even if both got it, and nobody gets it again.
pub async fn a_merged_contact_brings_what_it_got(store: Arc<dyn MessagingStore>) {
    let first = job(&store, 50, Lane::Bulk).await;
    enlist(&store, worker(1)).await;
    let page = [101, 102].map(|contact| planned(&first, contact));
    plan(&store, &first, &page).await;
    let leased = names(&lease(&store, &first, worker(1), 10).await);
    assert_eq!(grant(&store, worker(1), &leased).await.len(), 2);
    let contact = |number| ContactId::from_uuid(id(number));
    for (from, to) in [(102, 101), (101, 103)] {
        let mut uow = store.begin().await.unwrap();
        let moved = uow
            .ledger()
            .move_to(organization(), contact(from), contact(to), now());
        assert_eq!(moved.await.unwrap(), []);
        uow.commit().await.unwrap();
    }
    let page = store
        .sends()
        .list_deliveries(organization(), first.id, None, None, PageSize::clamped(10))
        .await
        .unwrap();
    let of: Vec<_> = page
        .items
        .iter()
        .map(|delivery| delivery.contact_id)
        .collect();
    assert_eq!(of, [contact(103); 2]);
    let second = job(&store, 51, Lane::Bulk).await;
    let tally = plan(&store, &second, &[planned(&second, 103)]).await;
    assert_eq!(tally.skipped[&SkipReason::AlreadySent], 1);
}

/// What waits to be sent to somebody who is merged goes to the one who stays, in whatever state it waits, unless that one
/// has the email coming.
pub async fn what_waits_for_a_merged_contact_goes_to_the_other(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    enlist(&store, worker(1)).await;
    let without_address = PlannedDelivery {
        address: None,
        skip: Some(SkipReason::MissingAddress),
        ..planned(&job, 103)
    };
    let page = [101, 102, 104, 105].map(|contact| planned(&job, contact));
    plan(&store, &job, &page).await;
    plan(&store, &job, &[without_address]).await;
    // The message to 101 is being made.
    let leased = names(&lease(&store, &job, worker(1), 1).await);
    let contact = |number| ContactId::from_uuid(id(number));
    let mut uow = store.begin().await.unwrap();
    for (from, to) in [(101, 110), (102, 103), (104, 105)] {
        let moved = uow.ledger();
        let moved = moved.move_to(organization(), contact(from), contact(to), now());
        assert_eq!(moved.await.unwrap(), [], "{from} into {to}");
    }
    uow.commit().await.unwrap();
    assert_eq!(grant(&store, worker(1), &leased).await, []);
    let due = lease(&store, &job, worker(1), 10).await;
    let due: Vec<_> = due.iter().map(|delivery| delivery.contact_id).collect();
    assert_eq!(due, [110, 103, 104, 105].map(contact));
}

/// Who stays when two are merged does not get again what the other got.
pub async fn what_a_merged_contact_got_is_not_sent_to_the_other(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    enlist(&store, worker(1)).await;
    let page = [101, 102, 103, 104].map(|contact| planned(&job, contact));
    plan(&store, &job, &page).await;
    let leased = names(&lease(&store, &job, worker(1), 3).await);
    assert_eq!(grant(&store, worker(1), &leased[..2]).await.len(), 2);
    settle(&store, worker(1), &leased[..1], DeliveryState::Accepted).await;
    settle(&store, worker(1), &leased[1..2], DeliveryState::Refused).await;
    let contact = |number| ContactId::from_uuid(id(number));
    let mut uow = store.begin().await.unwrap();
    let merge = async |uow: &mut dyn crate::MessagingUnitOfWork, from, to| {
        let ledger = uow.ledger();
        let moved = ledger.move_to(organization(), contact(from), contact(to), now());
        let moved = moved.await.unwrap();
        let moved = moved.into_iter().map(|changed| changed.delivery);
        moved.collect::<Vec<_>>()
    };
    // The message to 103 is being made, and is not sent.
    assert_eq!(merge(&mut *uow, 101, 103).await, leased[2..]);
    // What was refused at the other's address may be taken at this one's.
    assert_eq!(merge(&mut *uow, 102, 104).await, []);
    uow.commit().await.unwrap();
    assert_eq!(grant(&store, worker(1), &leased[2..]).await, []);
    let due = lease(&store, &job, worker(1), 10).await;
    let due: Vec<_> = due.iter().map(|delivery| delivery.contact_id).collect();
    assert_eq!(due, [contact(104)]);
    let found = store.sends().find_delivery(organization(), leased[2].id);
    let found = found.await.unwrap().unwrap();
    assert_eq!(found.skip_reason, Some(SkipReason::AlreadySent));
}

/// It is known before a send who got its email; whoever was left out did not.
pub async fn who_got_an_email_is_known(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    let left_out = PlannedDelivery {
        skip: Some(SkipReason::DoNotContact),
        ..planned(&job, 102)
    };
    let got = planned(&job, 101);
    plan(&store, &job, &[got.clone(), left_out.clone()]).await;
    let asked = [
        got.contact_id,
        left_out.contact_id,
        planned(&job, 103).contact_id,
    ];
    let sends = store.sends();
    let sent = async |organization, email| {
        let sent = sends.already_sent(organization, email, &asked).await;
        sent.unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        sent(job.organization_id, job.email_id).await,
        [got.contact_id]
    );
    let other = mauntic_core::EmailId::generate(&mauntic_core::UuidV7Source);
    assert_eq!(sent(job.organization_id, other).await, []);
    let theirs = mauntic_core::OrganizationId::generate(&mauntic_core::UuidV7Source);
    assert_eq!(sent(theirs, job.email_id).await, []);
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

/// Two sends that plan the same people at the same time share them.
pub async fn sends_that_race_share_the_audience(store: Arc<dyn MessagingStore>) {
    let mut tasks = Vec::new();
    for number in 50..54 {
        let job = job(&store, number, Lane::Bulk).await;
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut planned_rows = 0;
            for start in [0, 50] {
                let page: Vec<_> = (1..=50).map(|n| planned(&job, 100 + start + n)).collect();
                planned_rows += plan(&store, &job, &page).await.planned;
            }
            planned_rows
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    assert_eq!(total, 100);
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
    let mut uow = store.begin().await.unwrap();
    let suppressed = Suppression::new(
        "c101@example.com".to_owned(),
        SuppressionReason::Unsubscribed,
        "test",
        now(),
    );
    uow.suppressions()
        .add(organization(), &[suppressed])
        .await
        .unwrap();
    uow.commit().await.unwrap();
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

/// A send is planned by one worker at a time, and by another once that one is gone.
pub async fn one_living_worker_plans_a_send(store: Arc<dyn MessagingStore>) {
    let mut job = job(&store, 50, Lane::Bulk).await;
    job.state = JobState::Scheduled;
    save(&store, &job).await;
    enlist(&store, worker(1)).await;
    enlist(&store, worker(2)).await;
    for (who, after, expected) in [
        (1, TimeDelta::seconds(-1), false),
        (1, TimeDelta::zero(), true),
        (2, TimeDelta::zero(), false),
        (1, TimeDelta::zero(), true),
        (2, TimeDelta::seconds(20), true),
    ] {
        let mut uow = store.begin().await.unwrap();
        let claimed = uow
            .sends()
            .claim_job_to_plan(worker(who), now() + after)
            .await
            .unwrap();
        uow.commit().await.unwrap();
        assert_eq!(claimed.is_some(), expected, "worker {who} after {after}");
    }
}

/// Sends are planned in turn, and one that was postponed waits without holding up the others.
pub async fn sends_take_turns_at_being_planned(store: Arc<dyn MessagingStore>) {
    let mut jobs = Vec::new();
    for number in [50, 51] {
        let mut job = job(&store, number, Lane::Bulk).await;
        job.state = JobState::Scheduled;
        save(&store, &job).await;
        jobs.push(job);
    }
    enlist(&store, worker(1)).await;
    let at = |seconds| now() + TimeDelta::seconds(seconds);
    let claim = async |seconds| {
        let mut uow = store.begin().await.unwrap();
        let sends = uow.sends();
        let claimed = sends.claim_job_to_plan(worker(1), at(seconds)).await;
        uow.commit().await.unwrap();
        claimed.unwrap().map(|job| job.id)
    };
    for (seconds, expected) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
        assert_eq!(claim(seconds).await, Some(jobs[expected].id), "{seconds}");
    }
    let mut uow = store.begin().await.unwrap();
    let postponed = uow.sends().postpone_plan(&(&jobs[0]).into(), at(10)).await;
    postponed.unwrap();
    uow.commit().await.unwrap();
    for (seconds, expected) in [(4, 1), (9, 1), (10, 1), (11, 0)] {
        assert_eq!(claim(seconds).await, Some(jobs[expected].id), "{seconds}");
    }
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

/// Another organisation sees nothing of a send.
pub async fn a_send_is_its_organizations_alone(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    plan_contacts(&store, &job, 2).await;
    let other = OrganizationId::from_uuid(id(2));
    let sends = store.sends();
    assert_eq!(sends.find_job(other, job.id).await.unwrap(), None);
    let size = PageSize::default();
    let jobs = sends.list_jobs(other, None, None, size).await.unwrap();
    assert!(jobs.items.is_empty());
    let rows = sends
        .list_deliveries(other, job.id, None, None, size)
        .await
        .unwrap();
    assert!(rows.items.is_empty());
    assert_eq!(sends.tally(other, job.id).await.unwrap(), Tally::default());
    let tallies = async |organization| {
        let unknown = SendJobId::from_uuid(id(77));
        let tallies = sends.tallies(organization, &[job.id, unknown]).await;
        let tallies = tallies.unwrap().into_iter();
        let planned = tallies.map(|(id, tally)| (id, tally.planned));
        planned.collect::<Vec<_>>()
    };
    assert_eq!(tallies(organization()).await, [(job.id, 2)]);
    assert_eq!(tallies(other).await, []);
    let unfinished = async |organization, segment| {
        let jobs = sends.unfinished_to(organization, segment).await.unwrap();
        jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(organization(), job.segment_id).await, [job.id]);
    assert_eq!(unfinished(other, job.segment_id).await, []);
    let elsewhere = SegmentId::from_uuid(id(78));
    assert_eq!(unfinished(organization(), elsewhere).await, []);
    let ours = sends
        .list_jobs(organization(), Some(job.email_id), None, size)
        .await
        .unwrap();
    assert_eq!(ours.items, [job]);
}

/// Rates are stored by key.
pub async fn rates_are_kept(store: Arc<dyn MessagingStore>) {
    let mut rate = Rate::new("domain:example.com".to_owned());
    for round in 0..2 {
        rate.slow_down(now() + TimeDelta::hours(round));
        let mut uow = store.begin().await.unwrap();
        uow.rates()
            .save_rates(organization(), std::slice::from_ref(&rate))
            .await
            .unwrap();
        uow.commit().await.unwrap();
    }
    let mut uow = store.begin().await.unwrap();
    let keys = ["domain:example.com".to_owned(), "transport".to_owned()];
    let stored = uow
        .rates()
        .rates_for_update(organization(), &keys)
        .await
        .unwrap();
    assert_eq!(stored, [rate]);
}
