//! What becomes of deliveries when two contacts are merged.

use std::sync::Arc;

use mauntic_core::{ContactId, PageSize};

use super::{
    enlist, grant, id, job, lease, names, now, organization, plan, planned, settle, worker,
};
use crate::{
    MessagingStore,
    sending::{DeliveryState, Lane, PlannedDelivery, SkipReason},
};

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
