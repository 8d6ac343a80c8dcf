//! The suppression list.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{EmailAddress, OrganizationId, PageSize, SegmentId, UuidV7Source};

use super::fixture::every_page;
use crate::{
    MessagingStore,
    suppression::{
        ListExitFilter, Suppression, SuppressionFilter, SuppressionReason, address_hash,
    },
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
    assert!(!uow.suppressions().remove(theirs, &hash).await.unwrap());
    assert!(!uow.suppressions().erase(theirs, &hash).await.unwrap());
    assert!(
        !uow.suppressions()
            .take_back_unsubscription(ours, &hash)
            .await
            .unwrap()
    );
    assert!(uow.suppressions().remove(ours, &hash).await.unwrap());
    uow.commit().await.unwrap();
    let found = store
        .suppressions()
        .filter_suppressed(ours, &keys)
        .await
        .unwrap();
    assert_eq!(found, HashSet::new());
}

/// Adding twice, also within one call, counts one, and keeps the strongest reason or, of two as strong, the first.
///
/// # Panics
/// If the store does not do so.
pub async fn an_address_keeps_its_strongest_entry(store: Arc<dyn MessagingStore>) {
    use SuppressionReason::{Complaint, HardBounce, Manual, Unsubscribed};

    let ours = organization();
    let ann = |reason, minute| entry("ANN@example.com", reason, minute);
    let both = [ann(Unsubscribed, 1), ann(HardBounce, 2), ann(HardBounce, 3)];
    assert_eq!(add(&*store, ours, &both).await, 1);
    for (minute, reason, kept, since) in [
        (4, Unsubscribed, HardBounce, 2),
        (5, Complaint, Complaint, 5),
        (6, Manual, Complaint, 5),
        (7, HardBounce, Complaint, 5),
    ] {
        assert_eq!(add(&*store, ours, &[ann(reason, minute)]).await, 0);
        let mut expected = ann(kept, since);
        expected.unsubscribed_at = ann(Unsubscribed, 1).unsubscribed_at;
        let found = store.suppressions();
        let found = found.find(ours, &address("ann@example.com")).await;
        assert_eq!(found.unwrap(), Some(expected));
    }
}

/// The wish for no more mail outlives a stronger reason, and taking it back leaves that reason alone.
///
/// # Panics
/// If the store does not do so.
pub async fn a_wish_and_a_stronger_reason_are_kept_apart(store: Arc<dyn MessagingStore>) {
    use SuppressionReason::{HardBounce, Manual, Unsubscribed};

    let ours = organization();
    let hash = address_hash("ann@example.com");
    let reason = async || {
        let found = store.suppressions();
        let found = found.find(ours, &address("ann@example.com")).await;
        found.unwrap().map(|entry| entry.reason)
    };
    let change = async |take_back: bool| {
        let mut uow = store.begin().await.unwrap();
        let changed = if take_back {
            let list = uow.suppressions();
            list.take_back_unsubscription(ours, &hash).await.unwrap()
        } else {
            uow.suppressions().remove(ours, &hash).await.unwrap()
        };
        uow.commit().await.unwrap();
        changed
    };
    for later in [Manual, HardBounce] {
        for (minute, reason) in [(1, Unsubscribed), (2, later)] {
            add(&*store, ours, &[entry("ann@example.com", reason, minute)]).await;
        }
        // Whoever removes the bounce does not pass over the wish.
        assert!(change(false).await);
        assert_eq!(reason().await, Some(Unsubscribed));
        assert!(change(false).await);
        assert_eq!(reason().await, None);
        assert!(!change(false).await);

        for (minute, reason) in [(1, Unsubscribed), (2, later)] {
            add(&*store, ours, &[entry("ann@example.com", reason, minute)]).await;
        }
        // Whoever wants mail again does not undo what the organisation decided.
        assert!(change(true).await);
        assert_eq!(reason().await, Some(later));
        assert!(!change(true).await);
        assert!(change(false).await);
        assert_eq!(reason().await, None);
    }
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

/// Who left a list is shown with it, page by page, the last one first, to their organisation alone, and can be let back.
///
/// # Panics
/// If the store does not do so.
pub async fn who_left_a_list_is_shown(store: Arc<dyn MessagingStore>) {
    let (ours, theirs) = (organization(), organization());
    let lists = [(); 2].map(|()| SegmentId::generate(&UuidV7Source));
    let hash = |name: &str| address_hash(&format!("{name}@example.com"));
    let mut uow = store.begin().await.unwrap();
    for (minute, name) in [(1, "ann"), (2, "bob"), (3, "cy")] {
        let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute);
        let key = format!("{name}@example.com");
        let chosen = uow.suppressions();
        let hash = hash(name);
        let left = chosen.choose_lists(ours, &hash, Some(&key), &lists, &[], at);
        left.await.unwrap();
    }
    uow.commit().await.unwrap();
    let find = async |organization, search: &str, segment| {
        let filter = ListExitFilter {
            search: Some(search.to_owned()),
            segment,
        };
        every_page(async |after| {
            let (exits, size) = (store.suppressions(), PageSize::clamped(2));
            let page = exits.list_exits(organization, &filter, after.as_ref(), size);
            page.await.unwrap()
        })
        .await
    };
    let all = find(ours, "", None).await;
    let keys: Vec<_> = all
        .iter()
        .map(|exit| exit.address_key.as_deref().unwrap_or_default())
        .collect();
    let (ann, bob, cy) = ("ann@example.com", "bob@example.com", "cy@example.com");
    assert_eq!(keys, [cy, cy, bob, bob, ann, ann]);
    assert_eq!(find(ours, "BOB@", Some(lists[1])).await.len(), 1);
    assert_eq!(find(theirs, "", None).await, []);

    let mut uow = store.begin().await.unwrap();
    let exits = uow.suppressions();
    for (organization, expected) in [(theirs, false), (ours, true), (ours, false)] {
        let removed = exits
            .remove_exit(organization, &hash("bob"), lists[1])
            .await;
        assert_eq!(removed.unwrap(), expected);
    }
    // Whoever is to be forgotten stays off the list.
    assert!(exits.erase(ours, &hash("cy")).await.unwrap());
    uow.commit().await.unwrap();
    assert_eq!(find(ours, "bob", None).await.len(), 1);
    assert_eq!(find(ours, "cy", None).await, []);
    assert_eq!(find(ours, "", Some(lists[0])).await.len(), 3);
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
    let filter = SuppressionFilter::default();
    let seen = every_page(async |after| {
        let (suppressions, size) = (store.suppressions(), PageSize::clamped(2));
        let page = suppressions.list(ours, &filter, after.as_ref(), size);
        page.await.unwrap()
    })
    .await;
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
