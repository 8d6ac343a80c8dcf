//! What users are told.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use super::{membership, now, organization, save, save_member, user};
use crate::{
    Cause, Envelope, IdSource, NotificationId, OrganizationId, PageSize, Role, UserId,
    identity::{
        IdentityService, IdentityStore, MemberGone, Notice, Notification, NotificationKind, Once,
        Organization, User,
    },
    testing::{CountingIds, ManualClock},
};

fn told(
    ids: &dyn IdSource,
    organization: OrganizationId,
    user: UserId,
    heading: &str,
) -> Notification {
    Notification {
        id: NotificationId::generate(ids),
        organization_id: organization,
        user_id: user,
        kind: NotificationKind::Import,
        problem: false,
        heading: heading.to_owned(),
        message: "3 rows".to_owned(),
        about: Some(Uuid::from_u128(7)),
        at: now(),
        read_at: None,
    }
}

async fn add(store: &dyn IdentityStore, notification: &Notification, once: Option<&Once>) -> bool {
    let mut uow = store.begin().await.unwrap();
    let added = uow.notifications().add(notification, once).await.unwrap();
    uow.commit().await.unwrap();
    added
}

/// Acme, where Ann and Bob work, and Other, where Ann works too.
async fn places(
    store: &dyn IdentityStore,
    ids: &dyn IdSource,
) -> (Organization, Organization, User, User) {
    let (acme, other) = (organization(ids, "Acme"), organization(ids, "Other"));
    let (ann, bob) = (user(ids, "ann@example.com"), user(ids, "bob@example.com"));
    save(store, &acme).await;
    save(store, &other).await;
    save_member(store, &acme, &ann, Role::Owner).await;
    save_member(store, &acme, &bob, Role::Viewer).await;
    let mut uow = store.begin().await.unwrap();
    let second = membership(&other, &ann, Role::Member);
    uow.memberships().insert(&second).await.unwrap();
    uow.commit().await.unwrap();
    (acme, other, ann, bob)
}

async fn headings(
    store: &dyn IdentityStore,
    organization: OrganizationId,
    user: UserId,
) -> Vec<String> {
    let (told, size) = (store.notifications(), PageSize::default());
    let page = told.list(organization, user, false, None, size).await;
    let items = page.unwrap().items.into_iter();
    items.map(|one| one.heading).collect()
}

/// Each user sees their own, in each organisation what belongs there, page by page.
pub async fn notifications_are_listed_for_their_user_the_latest_first(
    store: Arc<dyn IdentityStore>,
) {
    let ids = CountingIds::default();
    let (acme, other, ann, bob) = places(&*store, &ids).await;
    let first = Notification {
        kind: NotificationKind::Send,
        problem: true,
        about: None,
        ..told(&ids, acme.id, ann.id, "first")
    };
    let second = told(&ids, acme.id, ann.id, "second");
    let third = told(&ids, acme.id, ann.id, "third");
    let of_bob = told(&ids, acme.id, bob.id, "of Bob");
    let elsewhere = told(&ids, other.id, ann.id, "elsewhere");
    for one in [&first, &second, &third, &of_bob, &elsewhere] {
        assert!(add(&*store, one, None).await);
    }
    let (told, two) = (store.notifications(), PageSize::clamped(2));
    let page = told.list(acme.id, ann.id, false, None, two).await.unwrap();
    assert_eq!(page.items, [third, second.clone()]);
    assert_eq!(page.next, Some(second.id));
    let page = told.list(acme.id, ann.id, false, page.next, two).await;
    let page = page.unwrap();
    assert_eq!((page.items, page.next), (vec![first], None));
    assert_eq!(headings(&*store, acme.id, bob.id).await, ["of Bob"]);
    assert_eq!(headings(&*store, other.id, ann.id).await, ["elsewhere"]);
    assert!(headings(&*store, other.id, bob.id).await.is_empty());
}

/// One, all up to one, and all; what is read stays read at its time.
pub async fn notifications_are_read_by_their_user_alone(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other, ann, bob) = places(&*store, &ids).await;
    let all: Vec<_> = ["first", "second", "third", "fourth"]
        .iter()
        .map(|heading| told(&ids, acme.id, ann.id, heading))
        .collect();
    for one in &all {
        assert!(add(&*store, one, None).await);
    }
    let told = store.notifications();
    assert_eq!(told.unread(acme.id, ann.id, 100).await.unwrap(), 4);
    assert_eq!(told.unread(acme.id, ann.id, 3).await.unwrap(), 3, "at most");
    assert_eq!(told.unread(acme.id, bob.id, 100).await.unwrap(), 0);
    assert_eq!(told.unread(other.id, ann.id, 100).await.unwrap(), 0);
    let later = now() + TimeDelta::minutes(1);
    let mut uow = store.begin().await.unwrap();
    let one = uow.notifications();
    let second = all[1].id;
    for (organization, user) in [(acme.id, bob.id), (other.id, ann.id)] {
        let read = one.mark_read(organization, user, second, now()).await;
        assert!(!read.unwrap(), "it is not theirs");
        let read = one.mark_all_read(organization, user, None, now()).await;
        assert_eq!(read.unwrap(), 0);
    }
    assert!(one.mark_read(acme.id, ann.id, second, now()).await.unwrap());
    assert!(one.mark_read(acme.id, ann.id, second, later).await.unwrap());
    let up_to = Some(all[2].id);
    let read = one.mark_all_read(acme.id, ann.id, up_to, later).await;
    assert_eq!(read.unwrap(), 2, "the first and the third");
    uow.commit().await.unwrap();
    let size = PageSize::default();
    let page = told.list(acme.id, ann.id, false, None, size).await.unwrap();
    let read: Vec<_> = page.items.iter().map(|one| one.read_at).collect();
    assert_eq!(read, [None, Some(later), Some(now()), Some(later)]);
    let page = told.list(acme.id, ann.id, true, None, size).await.unwrap();
    assert_eq!(page.items, [all[3].clone()]);
    let mut uow = store.begin().await.unwrap();
    let read = uow
        .notifications()
        .mark_all_read(acme.id, ann.id, None, later);
    assert_eq!(read.await.unwrap(), 1);
    uow.commit().await.unwrap();
    assert_eq!(told.unread(acme.id, ann.id, 100).await.unwrap(), 0);
}

/// A key counts for one user in one organisation, and not for what was told before the time.
pub async fn the_same_is_told_once_from_a_time_on(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other, ann, bob) = places(&*store, &ids).await;
    let once = |number: u8, minutes: i64| Once {
        hash: [number; 32],
        since: now() + TimeDelta::minutes(minutes),
    };
    let of_ann = || told(&ids, acme.id, ann.id, "the same");
    assert!(add(&*store, &of_ann(), Some(&once(1, 0))).await);
    assert!(
        !add(&*store, &of_ann(), Some(&once(1, 0))).await,
        "at the time"
    );
    assert!(!add(&*store, &of_ann(), Some(&once(1, -5))).await);
    assert!(
        add(&*store, &of_ann(), Some(&once(2, 0))).await,
        "another key"
    );
    assert!(add(&*store, &of_ann(), None).await, "without a key");
    let of_bob = told(&ids, acme.id, bob.id, "the same");
    assert!(add(&*store, &of_bob, Some(&once(1, 0))).await);
    let elsewhere = told(&ids, other.id, ann.id, "the same");
    assert!(add(&*store, &elsewhere, Some(&once(1, 0))).await);
    assert!(
        add(&*store, &of_ann(), Some(&once(1, 1))).await,
        "told before"
    );
    assert_eq!(headings(&*store, acme.id, ann.id).await.len(), 4);
}

/// Strangers, those who are blocked and those who left; whoever comes back finds nothing of before.
pub async fn nobody_is_told_anything_who_does_not_work_there(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other, ann, mut bob) = places(&*store, &ids).await;
    let of =
        |organization: &Organization, user: &User| told(&ids, organization.id, user.id, "news");
    assert!(!add(&*store, &of(&other, &bob), None).await, "a stranger");
    assert!(add(&*store, &of(&acme, &bob), None).await);
    let mut blocked = membership(&acme, &bob, Role::Viewer);
    blocked.blocked_at = Some(now());
    let mut uow = store.begin().await.unwrap();
    uow.memberships().update(&blocked).await.unwrap();
    uow.commit().await.unwrap();
    assert!(!add(&*store, &of(&acme, &bob), None).await, "blocked here");
    let mut uow = store.begin().await.unwrap();
    let open = membership(&acme, &bob, Role::Viewer);
    uow.memberships().update(&open).await.unwrap();
    assert!(bob.block(now()));
    uow.users().update(&bob).await.unwrap();
    uow.commit().await.unwrap();
    assert!(
        !add(&*store, &of(&acme, &bob), None).await,
        "blocked everywhere"
    );
    assert_eq!(headings(&*store, acme.id, bob.id).await, ["news"]);
    assert!(add(&*store, &of(&acme, &ann), None).await);
    assert!(add(&*store, &of(&other, &ann), None).await);
    let mut uow = store.begin().await.unwrap();
    uow.memberships().remove(acme.id, ann.id).await.unwrap();
    let back = membership(&acme, &ann, Role::Viewer);
    uow.memberships().insert(&back).await.unwrap();
    uow.commit().await.unwrap();
    assert!(headings(&*store, acme.id, ann.id).await.is_empty());
    assert_eq!(headings(&*store, other.id, ann.id).await, ["news"]);
}

/// Those from before a time, whoever's they are and whether or not they were read.
pub async fn old_notifications_are_deleted_some_at_a_time(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other, ann, bob) = places(&*store, &ids).await;
    for (organization, user, minutes) in [
        (acme.id, ann.id, -3),
        (acme.id, bob.id, -2),
        (other.id, ann.id, -1),
        (acme.id, ann.id, 0),
    ] {
        let one = Notification {
            at: now() + TimeDelta::minutes(minutes),
            ..told(&ids, organization, user, "news")
        };
        assert!(add(&*store, &one, None).await);
    }
    for expected in [2, 1, 0] {
        let mut uow = store.begin().await.unwrap();
        let gone = uow.notifications().delete_old(now(), 2).await.unwrap();
        uow.commit().await.unwrap();
        assert_eq!(gone, expected);
    }
    assert_eq!(headings(&*store, acme.id, ann.id).await, ["news"]);
    assert!(headings(&*store, acme.id, bob.id).await.is_empty());
    assert!(headings(&*store, other.id, ann.id).await.is_empty());
}

/// However often the event comes, also once what it told is deleted.
pub async fn an_event_tells_its_notices_once(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, _, ann, bob) = places(&*store, &ids).await;
    let service = IdentityService::new(
        store.clone(),
        Arc::new(ManualClock::default()),
        Arc::new(CountingIds::default()),
    );
    let event = MemberGone { user_id: bob.id };
    let envelope = Envelope::seal(acme.id, &event, now(), &ids, Cause::root(&ids)).unwrap();
    let stranger = UserId::generate(&ids);
    let notices = || {
        let told = [ann.id, stranger, bob.id];
        let notices = told.map(|user| {
            let notice = Notice::new(user, NotificationKind::Member, "Bob left", "");
            notice.about(bob.id.as_uuid()).as_problem(true)
        });
        notices.to_vec()
    };
    for _ in 0..2 {
        let applied = service.apply_notices("test.notices", &envelope, notices());
        applied.await.unwrap();
    }
    let (told, size) = (store.notifications(), PageSize::default());
    let page = told.list(acme.id, ann.id, false, None, size).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let one = &page.items[0];
    assert_eq!((one.heading.as_str(), one.at), ("Bob left", now()));
    assert_eq!(one.about, Some(bob.id.as_uuid()));
    assert!(one.problem && one.read_at.is_none());
    assert_eq!(headings(&*store, acme.id, bob.id).await.len(), 1);
    let mut uow = store.begin().await.unwrap();
    let later = now() + TimeDelta::days(1);
    assert_eq!(uow.notifications().delete_old(later, 10).await.unwrap(), 2);
    uow.commit().await.unwrap();
    let again = service.apply_notices("test.notices", &envelope, notices());
    again.await.unwrap();
    assert!(headings(&*store, acme.id, ann.id).await.is_empty());
}
