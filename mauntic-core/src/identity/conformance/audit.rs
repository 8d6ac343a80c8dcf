//! The audit log.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{now, organization};
use crate::{
    Actor, AuditEntryId, Cause, Change, ChangeMade, Envelope, PageSize, Principal, Role, Subject,
    UserId,
    identity::{AuditEntry, AuditFilter, IdentityService, IdentityStore},
    kind,
    testing::{CountingIds, ManualClock},
};

/// An event of another context makes the same entry however often it comes, and another organisation's makes its own.
pub async fn a_change_that_is_told_of_twice_is_kept_once(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    let service = IdentityService::new(
        store.clone(),
        Arc::new(ManualClock::default()),
        Arc::new(CountingIds::default()),
    );
    let made = ChangeMade {
        principal: Principal::System,
        address: "192.0.2.1".parse().ok(),
        change: Change::of_all::<kind::Contact>("contact.deleted", "contact", &[]),
    };
    let cause = Cause::root(&ids);
    let envelope = Envelope::seal(acme.id, &made, now(), &ids, cause).unwrap();
    for _ in 0..2 {
        service.apply_change(&envelope, made.clone()).await.unwrap();
    }
    let (log, all) = (store.audit(), AuditFilter::default());
    let page = log.list(acme.id, &all, None, PageSize::default()).await;
    let entries = page.unwrap().items;
    assert_eq!(entries, [AuditEntry::told(&envelope, made)]);
    assert_eq!(entries[0].at, now());
    assert_eq!(entries[0].change.subject.id, None);
}

/// Entries read back as they were written, page by page, within their organisation.
pub async fn the_audit_log_shows_the_newest_first(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let subject = || Subject::new("organization", acme.id);
    let made = Change::new("organization.created", subject()).to(json!({"name": "Acme"}));
    let renamed = Change::new("organization.updated", subject())
        .from(json!({"name": "Acme"}))
        .to(json!({"name": "ACME"}));
    let user = Actor::user(acme.id, UserId::generate(&ids), Role::Owner)
        .calling_from("2001:db8::1".parse().unwrap());
    let first = AuditEntry::new(made.clone(), &Actor::system(acme.id), now(), &ids);
    let second = AuditEntry::new(renamed, &user, now(), &ids);
    let foreign = AuditEntry::new(made, &Actor::system(other.id), now(), &ids);
    let mut uow = store.begin().await.unwrap();
    for entry in [&first, &second, &foreign] {
        uow.audit().append(entry).await.unwrap();
    }
    uow.commit().await.unwrap();
    let (log, all) = (store.audit(), AuditFilter::default());
    let page = log
        .list(acme.id, &all, None, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!(
        (page.items, page.next),
        (vec![second.clone()], Some(second.id))
    );
    let page = log
        .list(acme.id, &all, page.next, PageSize::clamped(1))
        .await
        .unwrap();
    assert_eq!((page.items, page.next), (vec![first], None::<AuditEntryId>));
    let page = log
        .list(other.id, &all, None, PageSize::default())
        .await
        .unwrap();
    let entries: Vec<AuditEntry> = page.items;
    assert_eq!(entries, [foreign]);
}

/// An id that is made at a time.
fn made_at(at: DateTime<Utc>, number: u8) -> AuditEntryId {
    let millis = u64::try_from(at.timestamp_millis()).unwrap();
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &[number; 10]).into_uuid();
    AuditEntryId::from_uuid(uuid)
}

/// Each condition leaves out what does not fit, alone and with others, whatever order things were done in; pages go on
/// where they ended.
pub async fn the_audit_log_is_looked_at_by_time_kind_and_person(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let operator = Principal::System;
    let ann = Principal::User {
        id: UserId::generate(&ids),
    };
    let hour = |hours| now() + TimeDelta::hours(hours);
    let entry = |number: u8, at: DateTime<Utc>, late: TimeDelta, by, action: &str| AuditEntry {
        id: made_at(at + late, number),
        organization_id: acme.id,
        principal: by,
        address: None,
        at,
        change: Change::new(action, Subject::nameless("test")),
    };
    // The third waited for others, so that its id is younger than that of the fourth.
    let soon = TimeDelta::milliseconds(1);
    let wait = TimeDelta::minutes(59);
    let all = [
        entry(1, hour(0), soon, operator, "contact.created"),
        entry(2, hour(1), soon, ann, "contact.updated"),
        entry(3, hour(2), wait, operator, "contact.deleted"),
        entry(4, hour(2), soon, ann, "contacts.looked_at"),
        entry(5, hour(3), soon, operator, "contact_list.made"),
        entry(6, hour(4), soon, ann, "contact.updated"),
        entry(7, hour(5), soon, operator, "token.created"),
    ];
    let foreign = AuditEntry {
        organization_id: other.id,
        ..entry(8, hour(2), soon, ann, "contact.updated")
    };
    let mut uow = store.begin().await.unwrap();
    for entry in all.iter().chain([&foreign]) {
        uow.audit().append(entry).await.unwrap();
    }
    uow.commit().await.unwrap();
    let log = store.audit();
    let filters = [
        (None, None, None, None, vec![7, 6, 5, 3, 4, 2, 1]),
        (Some(ann), None, None, None, vec![6, 4, 2]),
        (None, Some(""), None, None, vec![7, 6, 5, 3, 4, 2, 1]),
        (None, Some("contact."), None, None, vec![6, 3, 2, 1]),
        (None, Some("contact"), None, None, vec![6, 5, 3, 4, 2, 1]),
        (None, Some("contact.updated"), None, None, vec![6, 2]),
        (None, Some("contact%"), None, None, vec![]),
        (None, Some("view."), None, None, vec![]),
        (None, None, Some(2), None, vec![7, 6, 5, 3, 4]),
        (None, None, None, Some(2), vec![2, 1]),
        (None, None, Some(2), Some(3), vec![3, 4]),
        (None, None, Some(3), Some(3), vec![]),
        (None, Some("contact."), Some(1), Some(3), vec![3, 2]),
        (Some(ann), Some("contact."), None, Some(4), vec![2]),
        (Some(operator), Some("t"), Some(5), None, vec![7]),
    ];
    for (by, action, since, until, expected) in filters {
        let filter = AuditFilter {
            by,
            action: action.map(str::to_owned),
            since: since.map(hour),
            until: until.map(hour),
        };
        let expected: Vec<_> = expected.iter().map(|number| &all[number - 1]).collect();
        let page = log.list(acme.id, &filter, None, PageSize::default()).await;
        let page = page.unwrap();
        assert_eq!(
            page.items.iter().collect::<Vec<_>>(),
            expected,
            "{filter:?}"
        );
        assert_eq!(page.next, None);
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = log
                .list(acme.id, &filter, after, PageSize::clamped(2))
                .await;
            let page = page.unwrap();
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    }
}
