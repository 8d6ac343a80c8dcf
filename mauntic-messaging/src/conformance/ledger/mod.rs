//! What the send ledger must do. The cases are in files by subject; here is what they share: a store that is asked
//! directly, with worker, job and contact ids that are small numbers.

mod leases;
mod merges;
mod outcomes;
mod planning;
mod sends;

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
        Delivery, DeliveryRef, DeliveryState, Lane, NewSendJob, Outcome, PlannedDelivery, Report,
        SendJob, SendJobRef, Tally,
    },
    suppression::{Suppression, SuppressionReason},
};

pub use self::{leases::*, merges::*, outcomes::*, planning::*, sends::*};

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

async fn suppress(store: &Arc<dyn MessagingStore>, key: &str, reason: SuppressionReason) {
    let entry = Suppression::new(key.to_owned(), reason, "test", now());
    let mut uow = store.begin().await.unwrap();
    let suppressions = uow.suppressions();
    suppressions.add(organization(), &[entry]).await.unwrap();
    uow.commit().await.unwrap();
}

async fn states(store: &Arc<dyn MessagingStore>, job: &SendJob) -> Vec<DeliveryState> {
    let page = store
        .sends()
        .list_deliveries(organization(), job.id, None, None, PageSize::clamped(1_000))
        .await
        .unwrap();
    page.items.iter().map(|delivery| delivery.state).collect()
}
