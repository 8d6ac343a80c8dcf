//! Sessions, failures of logging in, and second factors.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{hash, now, organization, save, save_member, user};
use crate::{
    IdSource, InvitationId, LetterId, PageSize, Role, SessionId, StoreError,
    identity::{
        Client, Errand, IdentityStore, Invitation, Membership, Purpose, QueuedLetter, SecondFactor,
        Session, TokenHash, User, UserLink,
    },
    testing::CountingIds,
};

pub(super) async fn ann_and_bob(store: &dyn IdentityStore, ids: &dyn IdSource) -> (User, User) {
    let acme = organization(ids, "Acme");
    let (ann, bob) = (user(ids, "ann@example.com"), user(ids, "bob@example.com"));
    save(store, &acme).await;
    save_member(store, &acme, &ann, Role::Owner).await;
    save_member(store, &acme, &bob, Role::Viewer).await;
    (ann, bob)
}

fn session(ids: &dyn IdSource, user: &User) -> Session {
    Session {
        id: SessionId::generate(ids),
        user_id: user.id,
        organization_id: None,
        remembered: false,
        created_at: now(),
        seen_at: now(),
        client: Client::new("203.0.113.7".parse().ok(), Some("Firefox")),
        awaits_second_factor: false,
    }
}

async fn begin(store: &dyn IdentityStore, session: &Session, hash: &TokenHash) {
    let mut uow = store.begin().await.unwrap();
    uow.sessions().insert(session, hash).await.unwrap();
    uow.commit().await.unwrap();
}

/// What is stored reads back, by the hash of the secret alone; a known hash is a conflict.
pub async fn a_session_is_found_by_its_secret_and_stays_as_it_is(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, _) = ann_and_bob(&*store, &ids).await;
    let waiting = Session {
        awaits_second_factor: true,
        remembered: true,
        client: Client::default(),
        ..session(&ids, &ann)
    };
    let plain = session(&ids, &ann);
    begin(&*store, &waiting, &hash(1)).await;
    begin(&*store, &plain, &hash(2)).await;
    let sessions = store.sessions();
    assert_eq!(
        sessions.find_by_hash(&hash(1)).await.unwrap(),
        Some(waiting.clone())
    );
    assert_eq!(sessions.find_by_hash(&hash(3)).await.unwrap(), None);
    assert_eq!(
        sessions.of_user(ann.id).await.unwrap(),
        [plain.clone(), waiting.clone()]
    );
    let mut uow = store.begin().await.unwrap();
    let again = session(&ids, &ann);
    let taken = uow.sessions().insert(&again, &hash(1)).await;
    assert!(
        matches!(taken, Err(StoreError::Conflict { .. })),
        "{taken:?}"
    );
    let place = organization(&ids, "Other").id;
    uow.sessions().work_in(plain.id, place).await.unwrap();
    let missing = uow.sessions().work_in(again.id, place).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    uow.commit().await.unwrap();
    let found = sessions.find_by_hash(&hash(2)).await.unwrap().unwrap();
    assert_eq!(found.organization_id, Some(place));
}

/// A request that was slow does not take a later use back.
pub async fn a_session_is_seen_later_but_never_earlier(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, _) = ann_and_bob(&*store, &ids).await;
    let plain = session(&ids, &ann);
    begin(&*store, &plain, &hash(1)).await;
    for minutes in [5, 3] {
        let mut uow = store.begin().await.unwrap();
        let at = now() + TimeDelta::minutes(minutes);
        uow.sessions().see(plain.id, at).await.unwrap();
        uow.commit().await.unwrap();
    }
    let found = store.sessions().find_by_hash(&hash(1)).await.unwrap();
    assert_eq!(found.unwrap().seen_at, now() + TimeDelta::minutes(5));
}

/// Nobody ends the session of somebody else.
pub async fn sessions_end_for_their_user_alone(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let mut all = Vec::new();
    for (number, user) in [(1, &ann), (2, &ann), (3, &ann), (4, &bob)] {
        let plain = session(&ids, user);
        begin(&*store, &plain, &hash(number)).await;
        all.push(plain);
    }
    let mut uow = store.begin().await.unwrap();
    let sessions = uow.sessions();
    assert!(!sessions.delete(bob.id, all[0].id).await.unwrap());
    assert!(sessions.delete(ann.id, all[0].id).await.unwrap());
    assert!(!sessions.delete(ann.id, all[0].id).await.unwrap());
    assert_eq!(sessions.delete_others(ann.id, all[1].id).await.unwrap(), 1);
    assert_eq!(sessions.delete_all(bob.id).await.unwrap(), 1);
    uow.commit().await.unwrap();
    let left = store.sessions().of_user(ann.id).await.unwrap();
    assert_eq!(left, [all[1].clone()]);
    assert_eq!(store.sessions().of_user(bob.id).await.unwrap(), []);
}

/// A remembered session may be unused for longer; none outlives the longest age.
pub async fn sessions_are_forgotten_by_their_age_and_their_use(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, _) = ann_and_bob(&*store, &ids).await;
    let day = |days| now() + TimeDelta::days(days);
    let of = |remembered, created, seen| Session {
        remembered,
        created_at: day(created),
        seen_at: day(seen),
        ..session(&ids, &ann)
    };
    let all = [
        of(false, 0, 8),
        of(false, 0, 9),
        of(true, 0, 4),
        of(true, 0, 5),
        of(true, -9, 9),
    ];
    for (number, session) in (1..).zip(&all) {
        begin(&*store, session, &hash(number)).await;
    }
    let mut uow = store.begin().await.unwrap();
    let gone = uow.sessions().delete_unseen(day(8), day(4), day(-9)).await;
    uow.commit().await.unwrap();
    assert_eq!(gone.unwrap(), 3);
    let left = store.sessions().of_user(ann.id).await.unwrap();
    assert_eq!(left, [all[3].clone(), all[1].clone()]);
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn counts(store: &dyn IdentityStore, names: &[&str]) -> Vec<(String, u32, DateTime<Utc>)> {
    let found = store.login_attempts().failures(&keys(names)).await;
    let mut found = found.unwrap();
    found.sort();
    found
}

/// Each key has a count of its own, which begins anew after a pause.
pub async fn failures_count_by_key_and_begin_anew_when_forgotten(store: Arc<dyn IdentityStore>) {
    let attempts = store.login_attempts();
    let at = |minutes| now() + TimeDelta::minutes(minutes);
    let long_ago = now() - TimeDelta::days(1);
    attempts
        .note_failure(&keys(&["a", "b"]), at(0), long_ago)
        .await
        .unwrap();
    let mut noted = attempts
        .note_failure(&keys(&["a", "c"]), at(1), long_ago)
        .await
        .unwrap();
    noted.sort();
    assert_eq!(noted, [("a".to_owned(), 2), ("c".to_owned(), 1)]);
    assert_eq!(
        counts(&*store, &["a", "b", "c", "d"]).await,
        [
            ("a".to_owned(), 2, at(1)),
            ("b".to_owned(), 1, at(0)),
            ("c".to_owned(), 1, at(1))
        ]
    );
    // What is as old as the limit counts as forgotten.
    let noted = attempts.note_failure(&keys(&["a"]), at(9), at(1)).await;
    assert_eq!(noted.unwrap(), [("a".to_owned(), 1)]);
}

/// A count that is taken back to nothing is gone, and so are those that are old.
pub async fn failures_are_taken_back_and_forgotten(store: Arc<dyn IdentityStore>) {
    let attempts = store.login_attempts();
    let long_ago = now() - TimeDelta::days(1);
    for names in [["a", "b"], ["a", "c"]] {
        let noted = attempts.note_failure(&keys(&names), now(), long_ago).await;
        noted.unwrap();
    }
    attempts.take_back(&keys(&["a", "b", "d"])).await.unwrap();
    assert_eq!(
        counts(&*store, &["a", "b", "c", "d"]).await,
        [("a".to_owned(), 1, now()), ("c".to_owned(), 1, now())]
    );
    attempts.forget("a").await.unwrap();
    assert_eq!(
        counts(&*store, &["a", "c"]).await,
        [("c".to_owned(), 1, now())]
    );
    let earlier = now() - TimeDelta::seconds(1);
    assert_eq!(attempts.forget_old(earlier).await.unwrap(), 0);
    assert_eq!(attempts.forget_old(now()).await.unwrap(), 1);
    assert_eq!(counts(&*store, &["c"]).await, []);
}

/// Of guesses that come at the same moment, each sees another count.
pub async fn of_many_failures_at_once_each_counts(store: Arc<dyn IdentityStore>) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        // In either order, which must not make two of them wait for each other.
        let names = if number % 2 == 0 {
            keys(&["a", "b"])
        } else {
            keys(&["b", "a"])
        };
        tasks.spawn(async move {
            let long_ago = now() - TimeDelta::days(1);
            let noted = store.login_attempts().note_failure(&names, now(), long_ago);
            let noted = noted.await.unwrap().into_iter();
            noted
                .filter(|(key, _)| key == "a")
                .map(|(_, count)| count)
                .collect::<Vec<_>>()
        });
    }
    let mut seen: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=8).collect::<Vec<_>>());
}

fn factor(user: &User, step: i64) -> SecondFactor {
    SecondFactor {
        user_id: user.id,
        sealed_secret: vec![0, 159, 146, 150],
        last_step: step,
        created_at: now(),
        confirmed_at: (step > 0).then(now),
    }
}

/// A later one takes the place of the one before, and goes with its recovery codes.
pub async fn a_second_factor_is_stored_once_for_each_user(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    for step in [0, 7] {
        let mut uow = store.begin().await.unwrap();
        let factors = uow.second_factors();
        factors.save(&factor(&ann, step)).await.unwrap();
        assert_eq!(
            factors.find_for_update(ann.id).await.unwrap(),
            Some(factor(&ann, step))
        );
        assert_eq!(factors.find_for_update(bob.id).await.unwrap(), None);
        uow.commit().await.unwrap();
    }
    let factors = store.second_factors();
    assert_eq!(factors.find(ann.id).await.unwrap(), Some(factor(&ann, 7)));
    assert_eq!(factors.find(bob.id).await.unwrap(), None);
    let mut uow = store.begin().await.unwrap();
    let codes = [hash(1), hash(2)];
    let changed = uow.second_factors();
    changed.save(&factor(&bob, 1)).await.unwrap();
    changed
        .replace_recovery_codes(ann.id, &codes)
        .await
        .unwrap();
    changed
        .replace_recovery_codes(bob.id, &codes)
        .await
        .unwrap();
    assert!(changed.delete(ann.id).await.unwrap());
    assert!(!changed.delete(ann.id).await.unwrap());
    uow.commit().await.unwrap();
    assert_eq!(factors.find(ann.id).await.unwrap(), None);
    assert_eq!(factors.recovery_codes_left(ann.id).await.unwrap(), 0);
    assert_eq!(factors.recovery_codes_left(bob.id).await.unwrap(), 2);
}

/// New codes take the place of the old ones; each is gone once it was used.
pub async fn a_recovery_code_is_used_once_by_its_user(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let mut uow = store.begin().await.unwrap();
    let codes = uow.second_factors();
    for hashes in [[hash(1), hash(2)], [hash(2), hash(3)]] {
        codes.replace_recovery_codes(ann.id, &hashes).await.unwrap();
    }
    assert!(!codes.use_recovery_code(ann.id, &hash(1)).await.unwrap());
    assert!(!codes.use_recovery_code(bob.id, &hash(2)).await.unwrap());
    assert!(codes.use_recovery_code(ann.id, &hash(2)).await.unwrap());
    assert!(!codes.use_recovery_code(ann.id, &hash(2)).await.unwrap());
    uow.commit().await.unwrap();
    let left = store.second_factors().recovery_codes_left(ann.id).await;
    assert_eq!(left.unwrap(), 1);
}

/// The next link takes the place of the one before; another purpose has its own.
pub async fn a_user_has_one_link_for_each_purpose(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let link = |user: &User, purpose, number: Option<u8>| UserLink {
        user_id: user.id,
        purpose,
        secret_hash: number.map(hash),
        email: number.is_none().then(|| "new@example.com".parse().unwrap()),
        expires_at: now(),
    };
    let (reset, change) = (Purpose::PasswordReset, Purpose::EmailChange);
    let mut uow = store.begin().await.unwrap();
    for one in [
        link(&ann, reset, Some(1)),
        link(&ann, reset, Some(2)),
        link(&ann, change, None),
        link(&bob, change, None),
    ] {
        uow.links().save(&one).await.unwrap();
    }
    uow.commit().await.unwrap();
    let links = store.links();
    let second = Some(link(&ann, reset, Some(2)));
    assert_eq!(links.find_by_hash(reset, &hash(1)).await.unwrap(), None);
    assert_eq!(links.find_by_hash(reset, &hash(2)).await.unwrap(), second);
    assert_eq!(links.find_by_hash(change, &hash(2)).await.unwrap(), None);
    assert_eq!(
        links.find(ann.id, change).await.unwrap(),
        Some(link(&ann, change, None))
    );
    let mut uow = store.begin().await.unwrap();
    let changed = uow.links();
    assert_eq!(
        changed.find_for_update(reset, &hash(2)).await.unwrap(),
        second
    );
    let of_user = changed.find_of_user_for_update(ann.id, reset).await;
    assert_eq!(of_user.unwrap(), second);
    assert!(changed.delete(ann.id, reset).await.unwrap());
    assert!(!changed.delete(ann.id, reset).await.unwrap());
    let earlier = now() - TimeDelta::seconds(1);
    assert_eq!(changed.delete_expired(earlier).await.unwrap(), 0);
    assert_eq!(changed.delete_expired(now()).await.unwrap(), 2);
}

/// Of many that ask at once, each gets another letter; one whose outcome nobody told, or that was put off, comes again.
pub async fn a_letter_is_handed_out_once_until_its_lease_is_over(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let queued = |number: u32| QueuedLetter {
        id: LetterId::generate(&ids),
        errand: Errand::PasswordReset {
            email: format!("p{number}@example.com").parse().unwrap(),
        },
        attempts: 0,
    };
    let mut letters: Vec<_> = (0..4).map(queued).collect();
    let mut uow = store.begin().await.unwrap();
    for letter in &letters {
        uow.letters().add(letter, now()).await.unwrap();
    }
    uow.commit().await.unwrap();
    let early = now() - TimeDelta::seconds(1);
    assert_eq!(store.letters().claim(early).await.unwrap(), None);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.letters().claim(now()).await.unwrap() });
    }
    let mut claimed: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    // Whoever met only letters that others held asks again.
    while let Some(letter) = store.letters().claim(now()).await.unwrap() {
        claimed.push(letter);
    }
    claimed.sort_by_key(|letter| letter.id);
    for letter in &mut letters {
        letter.attempts = 1;
    }
    assert_eq!(claimed, letters);
    store.letters().done(letters[0].id).await.unwrap();
    let soon = now() + TimeDelta::minutes(1);
    assert!(soon < now() + QueuedLetter::LEASE);
    assert_eq!(store.letters().claim(soon).await.unwrap(), None);
    store.letters().put_off(letters[1].id, soon).await.unwrap();
    let again = store.letters().claim(soon).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (letters[1].id, 2));
    assert_eq!(store.letters().claim(soon).await.unwrap(), None);
    let later = now() + QueuedLetter::LEASE;
    for letter in &letters[2..] {
        let again = store.letters().claim(later).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempts), (letter.id, 2));
    }
    assert_eq!(store.letters().claim(later).await.unwrap(), None);
}

/// A taken address leaves the transaction usable; one's own in another case is free.
pub async fn an_address_is_changed_unless_it_is_taken(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let mut uow = store.begin().await.unwrap();
    let taken = "BOB@example.com".parse().unwrap();
    let refused = uow.users().change_email(ann.id, &taken).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    let own = "Ann@example.com".parse().unwrap();
    uow.users().change_email(ann.id, &own).await.unwrap();
    let new = "bob@example.org".parse().unwrap();
    uow.users().change_email(bob.id, &new).await.unwrap();
    uow.commit().await.unwrap();
    let members = store.members();
    let found = members.find_user_by_email(&new).await.unwrap().unwrap();
    assert_eq!((found.id, found.email), (bob.id, new));
    let found = members.find_user(ann.id).await.unwrap().unwrap();
    assert_eq!(found.email.as_str(), "Ann@example.com");
    assert_eq!(members.find_user_by_email(&taken).await.unwrap(), None);
}

/// Another organisation may invite the same address, and neither sees the other's.
pub async fn an_address_is_invited_once_by_an_organization(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let invite = |place: &crate::identity::Organization, email: &str, number: u8| Invitation {
        id: InvitationId::generate(&ids),
        organization_id: place.id,
        email: email.parse().unwrap(),
        role: Role::Member,
        invited_by: None,
        created_at: now(),
        expires_at: now() + TimeDelta::days(i64::from(number)),
        secret_hash: Some(hash(number)),
    };
    let (mut ours, theirs) = (
        invite(&acme, "ann@example.com", 1),
        invite(&other, "ann@example.com", 2),
    );
    let mut uow = store.begin().await.unwrap();
    uow.invitations().insert(&ours).await.unwrap();
    uow.invitations().insert(&theirs).await.unwrap();
    let again = invite(&acme, "ANN@example.com", 3);
    let taken = uow.invitations().insert(&again).await;
    assert!(
        matches!(taken, Err(StoreError::Conflict { .. })),
        "{taken:?}"
    );
    ours.secret_hash = None;
    uow.invitations().update(&ours).await.unwrap();
    let missing = uow.invitations().update(&again).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    uow.commit().await.unwrap();
    let reading = store.invitations();
    let page = reading.list(acme.id, None, PageSize::default()).await;
    assert_eq!(page.unwrap().items, [ours.clone()]);
    let found = reading.find(acme.id, ours.id).await.unwrap();
    assert_eq!(found, Some(ours.clone()));
    assert_eq!(reading.find(other.id, ours.id).await.unwrap(), None);
    assert_eq!(reading.find_by_hash(&hash(1)).await.unwrap(), None);
    let found = reading.find_by_hash(&hash(2)).await.unwrap();
    assert_eq!(found, Some(theirs.clone()));
    let mut uow = store.begin().await.unwrap();
    let changed = uow.invitations();
    assert_eq!(
        changed.find_for_update(acme.id, theirs.id).await.unwrap(),
        None
    );
    assert!(!changed.delete(acme.id, theirs.id).await.unwrap());
    let email = "Ann@Example.com".parse().unwrap();
    let found = changed.find_of_email(acme.id, &email).await.unwrap();
    assert_eq!(found, Some(ours.clone()));
    assert!(changed.delete_of_email(acme.id, &email).await.unwrap());
    assert!(!changed.delete_of_email(acme.id, &email).await.unwrap());
    assert_eq!(changed.delete_expired(now()).await.unwrap(), 0);
    let later = now() + TimeDelta::days(2);
    assert_eq!(changed.delete_expired(later).await.unwrap(), 1);
}

/// Page by page, and by whoever invited.
pub async fn invitations_are_listed_page_by_page(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let (ann, bob) = (user(&ids, "ann@example.com"), user(&ids, "bob@example.com"));
    let invite = |place: &crate::identity::Organization, number: u8, by: &User| Invitation {
        id: InvitationId::generate(&ids),
        organization_id: place.id,
        email: format!("p{number}@example.com").parse().unwrap(),
        role: Role::Member,
        invited_by: Some(by.id),
        created_at: now(),
        expires_at: now() + TimeDelta::days(1),
        secret_hash: None,
    };
    let all = [
        invite(&acme, 1, &ann),
        invite(&acme, 2, &bob),
        invite(&acme, 3, &ann),
    ];
    let mut uow = store.begin().await.unwrap();
    for invitation in all.iter().chain([&invite(&other, 4, &ann)]) {
        uow.invitations().insert(invitation).await.unwrap();
    }
    let by_ann = uow.invitations().of_inviter(acme.id, ann.id).await.unwrap();
    assert_eq!(by_ann, [all[0].clone(), all[2].clone()]);
    uow.commit().await.unwrap();
    let size = PageSize::clamped(2);
    let reading = store.invitations();
    let first = reading.list(acme.id, None, size).await.unwrap();
    assert_eq!(first.items, all[..2]);
    let second = reading.list(acme.id, first.next, size).await.unwrap();
    assert_eq!((second.items.as_slice(), second.next), (&all[2..], None));
}

/// Who is blocked in one organisation does not work there, owns nothing of it, and is as before elsewhere.
pub async fn a_member_who_is_blocked_here_works_elsewhere(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let (ann, bob) = (user(&ids, "ann@example.com"), user(&ids, "bob@example.com"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    save_member(&*store, &acme, &bob, Role::Owner).await;
    let mut uow = store.begin().await.unwrap();
    let elsewhere = super::membership(&other, &ann, Role::Member);
    uow.memberships().insert(&elsewhere).await.unwrap();
    let blocked = Membership {
        blocked_at: Some(now()),
        ..super::membership(&acme, &ann, Role::Owner)
    };
    uow.memberships().update(&blocked).await.unwrap();
    assert_eq!(uow.memberships().owners(acme.id).await.unwrap(), [bob.id]);
    uow.commit().await.unwrap();
    let members = store.members();
    let places = members.workplaces(ann.id).await.unwrap();
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].organization_id, other.id);
    assert_eq!(members.find(acme.id, ann.id).await.unwrap(), Some(blocked));
    let page = members.list(acme.id, None, PageSize::default()).await;
    let page = page.unwrap().items;
    assert_eq!(page[0].blocked_here_at, Some(now()));
    assert_eq!((page[0].blocked_at, page[1].blocked_here_at), (None, None));
    let token = super::token(&ids, &acme, Some(&ann));
    super::save_token(&*store, &token, &hash(1)).await;
    let shown = store.tokens().present(&hash(1)).await.unwrap().unwrap();
    assert!(shown.holder.unwrap().blocked);
}

/// Of members of several organisations each knows when they worked there, and nothing of the others.
pub async fn a_member_was_active_where_they_were_seen(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let ann = user(&ids, "ann@example.com");
    save(&*store, &acme).await;
    save(&*store, &other).await;
    save_member(&*store, &acme, &ann, Role::Owner).await;
    let mut uow = store.begin().await.unwrap();
    let there = super::membership(&other, &ann, Role::Viewer);
    uow.memberships().insert(&there).await.unwrap();
    uow.commit().await.unwrap();
    let members = store.members();
    let never = members.find_member(acme.id, ann.id).await.unwrap();
    assert_eq!(never.unwrap().last_active_at, None);
    let later = now() + TimeDelta::minutes(5);
    // What was noted later stays, and nobody becomes a member by it.
    for at in [later, now()] {
        let mut uow = store.begin().await.unwrap();
        uow.memberships().see(acme.id, ann.id, at).await.unwrap();
        let stranger = user(&ids, "bob@example.com").id;
        uow.memberships().see(acme.id, stranger, at).await.unwrap();
        uow.commit().await.unwrap();
    }
    let found = members.find_member(acme.id, ann.id).await.unwrap().unwrap();
    assert_eq!(found.last_active_at, Some(later));
    let page = members.list(acme.id, None, PageSize::default()).await;
    assert_eq!(page.unwrap().items, std::slice::from_ref(&found));
    let listed = members.search(acme.id, "ann", PageSize::default()).await;
    assert_eq!(listed.unwrap(), [found]);
    let elsewhere = members.find_member(other.id, ann.id).await.unwrap();
    assert_eq!(elsewhere.unwrap().last_active_at, None);
    // Another role is no reason to forget it.
    let mut uow = store.begin().await.unwrap();
    let changed = super::membership(&acme, &ann, Role::Viewer);
    uow.memberships().update(&changed).await.unwrap();
    uow.commit().await.unwrap();
    let found = members.find_member(acme.id, ann.id).await.unwrap().unwrap();
    assert_eq!(
        (found.role, found.last_active_at),
        (Role::Viewer, Some(later))
    );
}
