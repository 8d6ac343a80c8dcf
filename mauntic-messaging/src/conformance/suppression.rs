//! The suppression list.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{EmailAddress, OrganizationId, PageSize, UuidV7Source};

use crate::{
    MessagingStore,
    suppression::{Suppression, SuppressionFilter, SuppressionReason, address_hash},
};

fn organization() -> OrganizationId {
    OrganizationId::generate(&UuidV7Source)
}

fn address(text: &str) -> EmailAddress {
    text.parse().expect("an address")
}

fn entry(text: &str, reason: SuppressionReason, minute: i64) -> Suppression {
    let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute);
    Suppression::new(address(text).key(), reason, "test", at)
}

async fn add(
    store: &dyn MessagingStore,
    organization: OrganizationId,
    entries: &[Suppression],
) -> usize {
    let mut uow = store.begin().await.unwrap();
    let added = uow.suppressions().add(organization, entries).await.unwrap();
    uow.commit().await.unwrap();
    added.len()
}

/// The filter answers for the organisation asked about, whatever the case of the address.
///
/// # Panics
/// If the store does not do so.
pub async fn an_address_is_suppressed_in_its_organisation_alone(store: Arc<dyn MessagingStore>) {
    let (ours, theirs) = (organization(), organization());
    add(
        &*store,
        ours,
        &[entry("Ann@Example.com", SuppressionReason::Manual, 0)],
    )
    .await;
    let keys = [
        address("ann@example.com").key(),
        address("bob@example.com").key(),
    ];
    let found = store
        .suppressions()
        .filter_suppressed(ours, &keys)
        .await
        .unwrap();
    assert_eq!(found, HashSet::from([keys[0].clone()]));
    let found = store
        .suppressions()
        .filter_suppressed(theirs, &keys)
        .await
        .unwrap();
    assert_eq!(found, HashSet::new());
    assert_eq!(
        store
            .suppressions()
            .find(theirs, &address("ann@example.com"))
            .await
            .unwrap(),
        None
    );
    let mut uow = store.begin().await.unwrap();
    let hash = address_hash(&keys[0]);
    assert!(
        !uow.suppressions()
            .remove(theirs, &hash, None)
            .await
            .unwrap()
    );
    assert!(!uow.suppressions().erase(theirs, &hash).await.unwrap());
    assert!(
        !uow.suppressions()
            .remove(ours, &hash, Some(SuppressionReason::Unsubscribed))
            .await
            .unwrap()
    );
    assert!(
        uow.suppressions()
            .remove(ours, &hash, Some(SuppressionReason::Manual))
            .await
            .unwrap()
    );
    uow.commit().await.unwrap();
    let found = store
        .suppressions()
        .filter_suppressed(ours, &keys)
        .await
        .unwrap();
    assert_eq!(found, HashSet::new());
}

/// Adding twice, also within one call, keeps the first reason and counts one.
///
/// # Panics
/// If the store does not do so.
pub async fn an_address_keeps_its_first_entry(store: Arc<dyn MessagingStore>) {
    let ours = organization();
    let first = entry("ann@example.com", SuppressionReason::HardBounce, 1);
    assert_eq!(add(&*store, ours, &[first.clone(), first.clone()]).await, 1);
    let second = entry("ANN@example.com", SuppressionReason::Manual, 2);
    assert_eq!(add(&*store, ours, &[second]).await, 0);
    let found = store
        .suppressions()
        .find(ours, &address("ann@example.com"))
        .await
        .unwrap();
    assert_eq!(found, Some(first));
}

/// Erasing removes the address from what can be read, and keeps it from being mailed.
///
/// # Panics
/// If the store does not do so.
pub async fn an_erased_address_stays_suppressed(store: Arc<dyn MessagingStore>) {
    let ours = organization();
    let ann = entry("ann@example.com", SuppressionReason::Complaint, 0);
    add(&*store, ours, std::slice::from_ref(&ann)).await;
    let mut uow = store.begin().await.unwrap();
    assert!(
        uow.suppressions()
            .erase(ours, &ann.address_hash)
            .await
            .unwrap()
    );
    uow.commit().await.unwrap();
    let found = store
        .suppressions()
        .find(ours, &address("ann@example.com"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.address_key, None);
    let keys = ["ann@example.com".to_owned()];
    let found = store
        .suppressions()
        .filter_suppressed(ours, &keys)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

/// Pages are newest first, complete, without repeats, and narrowed by part of the address and reason.
///
/// # Panics
/// If the store does not do so.
pub async fn the_list_pages_newest_first(store: Arc<dyn MessagingStore>) {
    let ours = organization();
    let entries: Vec<_> = (0_i64..5)
        .map(|n| {
            entry(
                &format!("p_{n}@example.com"),
                SuppressionReason::ALL[usize::from(n % 2 == 1)],
                n / 2,
            )
        })
        .collect();
    add(&*store, ours, &entries).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .suppressions()
            .list(
                ours,
                &SuppressionFilter::default(),
                after.as_ref(),
                PageSize::clamped(2),
            )
            .await
            .unwrap();
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(
        seen.is_sorted_by(|a, b| (a.created_at, &a.address_hash) > (b.created_at, &b.address_hash))
    );
    for (search, reason, expected) in [
        ("P_3", None, 1),
        ("p%", None, 0),
        ("example", Some(SuppressionReason::HardBounce), 2),
    ] {
        let filter = SuppressionFilter {
            search: Some(search.to_owned()),
            reason,
        };
        let page = store
            .suppressions()
            .list(ours, &filter, None, PageSize::default())
            .await
            .unwrap();
        assert_eq!(page.items.len(), expected, "{search}");
    }
}
