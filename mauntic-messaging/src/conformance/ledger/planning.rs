//! Who is planned and who is left out, and which worker plans a send.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{enlist, job, now, organization, plan, planned, save, suppress, worker};
use crate::{
    MessagingStore,
    sending::{JobState, Lane, PlannedDelivery, SkipReason},
    suppression::SuppressionReason,
};

/// Everybody is planned or left out for a reason, and the counters say so.
pub async fn everybody_is_planned_or_left_out(store: Arc<dyn MessagingStore>) {
    let job = job(&store, 50, Lane::Bulk).await;
    suppress(&store, "c104@example.com", SuppressionReason::Manual).await;
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
