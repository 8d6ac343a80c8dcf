//! Whose sends are, and the rates that are kept for them.

use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::{OrganizationId, PageSize, SegmentId, SendJobId};

use super::{id, job, now, organization, plan_contacts, save};
use crate::{
    MessagingStore,
    sending::{Lane, Rate, Tally},
};

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
    assert_eq!(sends.unfinished(other, size).await.unwrap(), []);
    let ours = sends
        .list_jobs(organization(), Some(job.email_id), None, size)
        .await
        .unwrap();
    assert_eq!(ours.items, [job]);
}

/// However many sends were made since, those that are not over are found, those due first in front.
pub async fn what_is_not_over_is_found(store: Arc<dyn MessagingStore>) {
    let mut jobs = Vec::new();
    for number in 50..60 {
        jobs.push(job(&store, number, Lane::Bulk).await);
    }
    let later = now() + TimeDelta::hours(1);
    jobs[0].scheduled_at = later;
    jobs[1].pause().unwrap();
    jobs[2].cancel().unwrap();
    jobs[3].fail("the segment is gone".to_owned(), now());
    for job in jobs.iter_mut().skip(4) {
        job.finish(now());
    }
    for job in &jobs {
        save(&store, job).await;
    }
    let sends = store.sends();
    let unfinished = async |size| {
        let size = PageSize::clamped(size);
        let jobs = sends.unfinished(organization(), size).await.unwrap();
        jobs.iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(8).await, [jobs[1].id, jobs[0].id]);
    assert_eq!(unfinished(1).await, [jobs[1].id]);
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
