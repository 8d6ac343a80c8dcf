//! Whatever workers do to the ledger in whatever order, deliveries move along the arrows only.
#![cfg(all(feature = "sqlite", feature = "testing"))]

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    ContactId, DeliveryId, EmailId, EmailVersionId, OrganizationId, PageSize, Principal, SegmentId,
    SendJobId, WorkerId,
    storage::{DbOptions, test_database::TestDatabase},
};
use mauntic_messaging::{
    MessagingStore,
    sending::{
        DeliveryRef, DeliveryState, Lane, LeftOut, NewSendJob, Outcome, PlannedDelivery, Report,
        SendJob, SendJobRef, SkipReason,
    },
    storage::SeaOrmMessagingStore,
};
use proptest::prelude::*;
use uuid::Uuid;

const DELIVERIES: u128 = 6;

#[derive(Debug, Clone)]
enum Step {
    Lease(u128, u64),
    Grant(u128, u128),
    Settle(u128, u128, DeliveryState),
    GiveBack(u128, u128),
    Skip(u128, u128),
    Abandon(u128),
    RetryUnknown,
    Cancel(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 1..3_u128;
    let delivery = 1..=DELIVERIES;
    let end = prop::sample::select(vec![
        DeliveryState::Accepted,
        DeliveryState::Refused,
        DeliveryState::Deferred,
        DeliveryState::Unknown,
        DeliveryState::Planned,
    ]);
    prop_oneof![
        4 => (worker.clone(), 1..4_u64).prop_map(|(w, n)| Step::Lease(w, n)),
        6 => (worker.clone(), delivery.clone()).prop_map(|(w, d)| Step::Grant(w, d)),
        6 => (worker.clone(), delivery.clone(), end).prop_map(|(w, d, s)| Step::Settle(w, d, s)),
        1 => (worker.clone(), delivery.clone()).prop_map(|(w, d)| Step::GiveBack(w, d)),
        1 => (worker.clone(), delivery).prop_map(|(w, d)| Step::Skip(w, d)),
        1 => worker.prop_map(Step::Abandon),
        1 => Just(Step::RetryUnknown),
        1 => (1..3_u64).prop_map(Step::Cancel),
    ]
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_315_200, 0).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn name(delivery: u128) -> DeliveryRef {
    DeliveryRef {
        organization_id: OrganizationId::from_uuid(id(1)),
        id: DeliveryId::from_uuid(id(delivery)),
    }
}

fn job(lane: Lane) -> SendJob {
    let new = NewSendJob {
        id: SendJobId::from_uuid(id(1)),
        organization_id: OrganizationId::from_uuid(id(1)),
        email_id: EmailId::from_uuid(id(1)),
        email_version_id: EmailVersionId::from_uuid(id(1)),
        segment_id: SegmentId::from_uuid(id(1)),
        lane,
        scheduled_at: now(),
        local_time: None,
        made_by: Principal::System,
    };
    let mut job = SendJob::new(new, now());
    job.planned_up_to(None, now());
    job
}

async fn prepare(store: &Arc<dyn MessagingStore>, job: &SendJob) {
    let page: Vec<_> = (1..=DELIVERIES)
        .map(|number| PlannedDelivery {
            id: DeliveryId::from_uuid(id(number)),
            contact_id: ContactId::from_uuid(id(number)),
            address: Some(format!("c{number}@example.com").parse().unwrap()),
            skip: None,
            not_before: None,
        })
        .collect();
    let mut uow = store.begin().await.unwrap();
    uow.sends().insert_job(job).await.unwrap();
    uow.ledger().plan(job, &page, now()).await.unwrap();
    for worker in 1..3 {
        let expires = now() + TimeDelta::days(1);
        let worker = WorkerId::from_uuid(id(worker));
        uow.workers().enlist(worker, now(), expires).await.unwrap();
    }
    uow.commit().await.unwrap();
}

async fn apply(store: &Arc<dyn MessagingStore>, job: &SendJob, step: &Step) {
    let who = |number: &u128| WorkerId::from_uuid(id(*number));
    let send = SendJobRef::from(job);
    let mut uow = store.begin().await.unwrap();
    let ledger = uow.ledger();
    match step {
        Step::Lease(worker, most) => {
            ledger
                .lease(&send, who(worker), *most, now())
                .await
                .unwrap();
        }
        Step::Grant(worker, delivery) => {
            let names = [name(*delivery)];
            ledger.grant(who(worker), &names, now()).await.unwrap();
        }
        Step::Settle(worker, delivery, state) => {
            let report = Report {
                delivery: name(*delivery),
                outcome: Outcome {
                    state: *state,
                    class: None,
                    reply: String::new(),
                    retry_at: Some(now()),
                    slow_down: false,
                },
            };
            ledger.settle(who(worker), &[report], now()).await.unwrap();
        }
        Step::GiveBack(worker, delivery) => {
            let back = [(name(*delivery), now())];
            ledger.give_back(who(worker), &back, now()).await.unwrap();
        }
        Step::Skip(worker, delivery) => {
            let skipped = [LeftOut::new(name(*delivery), SkipReason::Deleted)];
            ledger.skip(who(worker), &skipped, now()).await.unwrap();
        }
        Step::Abandon(worker) => {
            ledger.abandon(who(worker), now()).await.unwrap();
        }
        Step::RetryUnknown => {
            ledger.retry_unknown(&send, now()).await.unwrap();
        }
        Step::Cancel(most) => {
            ledger.cancel_waiting(&send, *most, now()).await.unwrap();
        }
    }
    uow.commit().await.unwrap();
}

async fn states(
    store: &Arc<dyn MessagingStore>,
    job: &SendJob,
) -> BTreeMap<DeliveryId, DeliveryState> {
    let page =
        store
            .sends()
            .list_deliveries(job.organization_id, job.id, None, None, PageSize::default());
    let rows = page.await.unwrap().items;
    rows.iter().map(|row| (row.id, row.state)).collect()
}

/// An abandoned delivery of the transactional lane is sent again, and what was deferred before waits
/// as deferred.
fn is_allowed(step: &Step, from: DeliveryState, to: DeliveryState) -> bool {
    let again = matches!(to, DeliveryState::Planned | DeliveryState::Deferred);
    from == to
        || from.may_become(to)
        || (matches!(step, Step::Abandon(_)) && from == DeliveryState::HandedOver && again)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn deliveries_move_along_the_arrows(
        steps in prop::collection::vec(step(), 1..40),
        transactional: bool,
    ) {
        let reactor = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let database = TestDatabase::sqlite();
            let options = DbOptions { sqlite_full_sync: false, ..DbOptions::default() };
            let store = SeaOrmMessagingStore::connect(&database.target, options).await.unwrap();
            store.migrate().await.unwrap();
            let store: Arc<dyn MessagingStore> = store;
            let lane = if transactional { Lane::Transactional } else { Lane::Bulk };
            let job = job(lane);
            prepare(&store, &job).await;
            let mut before = states(&store, &job).await;
            for step in &steps {
                apply(&store, &job, step).await;
                let after = states(&store, &job).await;
                prop_assert_eq!(after.len(), before.len());
                for (id, to) in &after {
                    let from = before[id];
                    prop_assert!(is_allowed(step, from, *to), "{:?}: {} → {}", step, from, to);
                }
                before = after;
            }
            Ok(())
        })?;
    }
}
