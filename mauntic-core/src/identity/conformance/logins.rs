//! Logins at providers, and the ways over them.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{access::ann_and_bob, hash, now};
use crate::{
    StoreError,
    identity::{Aim, Detour, IdentityStore, LinkedLogin, Slug, User},
    testing::CountingIds,
};

fn slug(text: &str) -> Slug {
    text.parse().expect("the text is a slug")
}

fn login(user: &User, provider: &str, issuer: &str, subject: &str) -> LinkedLogin {
    LinkedLogin {
        user_id: user.id,
        provider: slug(provider),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        email: "someone@example.net".parse().expect("an address"),
        created_at: now(),
        last_used_at: None,
    }
}

/// A login is one account's, and an account has one of each provider; a conflict leaves the transaction usable.
pub async fn a_login_is_linked_once(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let first = login(&ann, "google", "https://google.example", "1");
    let second = LinkedLogin {
        created_at: now() + TimeDelta::seconds(1),
        last_used_at: Some(now() + TimeDelta::seconds(2)),
        ..login(&ann, "sso", "https://a.example", "1")
    };
    let others = login(&bob, "google", "https://google.example", "2");
    let mut uow = store.begin().await.unwrap();
    for one in [&second, &first, &others] {
        uow.linked_logins().insert(one).await.unwrap();
    }
    for taken in [
        // Ann's own, for Bob.
        login(&bob, "sso", "https://google.example", "1"),
        // A second one of a provider, even if that is another one now.
        login(&ann, "google", "https://elsewhere.example", "3"),
    ] {
        let refused = uow.linked_logins().insert(&taken).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{refused:?}"
        );
    }
    let own = uow.linked_logins().of_user(ann.id).await.unwrap();
    assert_eq!(own, [first.clone(), second.clone()]);
    uow.commit().await.unwrap();
    let logins = store.linked_logins();
    let found = logins.find("https://google.example", "2").await.unwrap();
    assert_eq!(found, Some(others));
    for (issuer, subject) in [
        ("https://google.example", "3"),
        ("https://GOOGLE.example", "1"),
    ] {
        assert_eq!(logins.find(issuer, subject).await.unwrap(), None);
    }
    assert_eq!(logins.of_user(ann.id).await.unwrap(), [first, second]);
}

/// Using and unlinking a login is its user's.
pub async fn a_login_is_used_and_unlinked_by_its_user(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, bob) = ann_and_bob(&*store, &ids).await;
    let login = login(&ann, "google", "https://google.example", "1");
    let later = now() + TimeDelta::hours(1);
    let mut uow = store.begin().await.unwrap();
    let logins = uow.linked_logins();
    logins.insert(&login).await.unwrap();
    let (issuer, subject) = (login.issuer.as_str(), login.subject.as_str());
    assert!(
        !logins
            .note_use(bob.id, issuer, subject, later)
            .await
            .unwrap()
    );
    assert!(!logins.note_use(ann.id, issuer, "2", later).await.unwrap());
    assert!(
        logins
            .note_use(ann.id, issuer, subject, later)
            .await
            .unwrap()
    );
    uow.commit().await.unwrap();
    let found = store.linked_logins().find(issuer, subject).await.unwrap();
    assert_eq!(found.unwrap().last_used_at, Some(later));
    let mut uow = store.begin().await.unwrap();
    let logins = uow.linked_logins();
    assert!(!logins.delete(bob.id, &login.provider).await.unwrap());
    assert!(!logins.delete(ann.id, &slug("github")).await.unwrap());
    assert!(logins.delete(ann.id, &login.provider).await.unwrap());
    assert!(!logins.delete(ann.id, &login.provider).await.unwrap());
    uow.commit().await.unwrap();
    let gone = store.linked_logins().find(issuer, subject).await.unwrap();
    assert_eq!(gone, None);
}

/// Of many who come back at once, one ends the detour; what was too late is forgotten.
pub async fn a_detour_is_taken_once(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (ann, _) = ann_and_bob(&*store, &ids).await;
    let detour = |aim, seconds| Detour {
        provider: slug("google"),
        aim,
        expires_at: now() + TimeDelta::seconds(seconds),
    };
    let next = "/app/contacts?a=ä".to_owned();
    let log_in = detour(Aim::LogIn { next }, 0);
    let user_id = ann.id;
    let link = detour(Aim::Link { user_id }, 1);
    let invitation = hash(255);
    let join = detour(Aim::Join { invitation }, 1);
    let mut uow = store.begin().await.unwrap();
    for (number, detour) in [(1, &log_in), (2, &link), (3, &join), (4, &log_in)] {
        uow.detours().insert(detour, &hash(number)).await.unwrap();
    }
    uow.commit().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut uow = store.begin().await.unwrap();
            let taken = uow.detours().take(&hash(2)).await.unwrap();
            uow.commit().await.unwrap();
            taken
        });
    }
    let taken: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [link]);
    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.detours().take(&hash(9)).await.unwrap(), None);
    assert_eq!(uow.detours().take(&hash(1)).await.unwrap(), Some(log_in));
    assert_eq!(uow.detours().delete_expired(now()).await.unwrap(), 1);
    assert_eq!(uow.detours().take(&hash(3)).await.unwrap(), Some(join));
    uow.commit().await.unwrap();
}
