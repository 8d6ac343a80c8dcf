//! API tokens.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{hash, now, organization, save, save_member, save_token, token, user};
use crate::{
    PageSize, Role,
    identity::{ApiToken, Holder, IdentityStore, Organization},
    testing::CountingIds,
};

/// Only those of the same organisation.
pub async fn tokens_are_found_by_the_one_that_made_them(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let first = token(&ids, &acme, None);
    let made = |place: &Organization| ApiToken {
        made_by: Some(first.id),
        ..token(&ids, place, None)
    };
    let (second, foreign) = (made(&acme), made(&other));
    for (number, token) in [(1, &first), (2, &second), (3, &foreign)] {
        save_token(&*store, token, &hash(number)).await;
    }
    let mut uow = store.begin().await.unwrap();
    let tokens = uow.tokens();
    let found = tokens.made_by_for_update(acme.id, first.id).await.unwrap();
    assert_eq!(found.as_slice(), std::slice::from_ref(&second));
    let found = tokens.made_by_for_update(acme.id, second.id).await.unwrap();
    assert_eq!(found, []);
    uow.commit().await.unwrap();
    let found = store.tokens().find(acme.id, second.id).await.unwrap();
    assert_eq!(found, Some(second));
    assert_eq!(
        store.tokens().find(acme.id, foreign.id).await.unwrap(),
        None
    );
}

/// Those that were revoked are over already, and those of the member elsewhere are others' concern.
pub async fn tokens_are_found_by_the_member_they_work_for(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    let (ann, bob) = (user(&ids, "ann@example.com"), user(&ids, "bob@example.com"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    save_member(&*store, &acme, &ann, Role::Member).await;
    save_member(&*store, &acme, &bob, Role::Member).await;
    let mine = token(&ids, &acme, Some(&ann));
    let over = ApiToken {
        revoked_at: Some(now()),
        ..token(&ids, &acme, Some(&ann))
    };
    let elsewhere = token(&ids, &other, Some(&ann));
    let theirs = token(&ids, &acme, Some(&bob));
    let nobodys = token(&ids, &acme, None);
    for (number, token) in (1..).zip([&mine, &over, &elsewhere, &theirs, &nobodys]) {
        save_token(&*store, token, &hash(number)).await;
    }
    let mut uow = store.begin().await.unwrap();
    let found = uow.tokens().of_member_for_update(acme.id, ann.id).await;
    assert_eq!(found.unwrap(), [mine]);
    let found = uow.tokens().of_member_for_update(other.id, bob.id).await;
    assert_eq!(found.unwrap(), []);
}

/// One query brings the token, the state of its organisation and that of its holder.
pub async fn a_token_is_presented_with_what_decides_on_it(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let mut acme = organization(&ids, "Acme");
    let mut ann = user(&ids, "ann@example.com");
    save(&*store, &acme).await;
    save_member(&*store, &acme, &ann, Role::Member).await;
    let (free, bound) = (token(&ids, &acme, None), token(&ids, &acme, Some(&ann)));
    save_token(&*store, &free, &hash(1)).await;
    save_token(&*store, &bound, &hash(2)).await;
    let tokens = store.tokens();
    let shown = tokens.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        (shown.token, shown.organization_closed, shown.holder),
        (free, false, None)
    );
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    let holder = Holder {
        role: Role::Member,
        blocked: false,
    };
    assert_eq!((&shown.token, shown.holder), (&bound, Some(holder)));
    assert_eq!(tokens.present(&hash(3)).await.unwrap(), None);

    let mut uow = store.begin().await.unwrap();
    acme.blocked_at = Some(now());
    uow.organizations().update(&acme).await.unwrap();
    assert!(ann.block(now()));
    uow.users().update(&ann).await.unwrap();
    uow.commit().await.unwrap();
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    assert!(shown.organization_closed);
    assert_eq!(
        shown.holder,
        Some(Holder {
            role: Role::Member,
            blocked: true
        })
    );

    let mut uow = store.begin().await.unwrap();
    uow.memberships().remove(acme.id, ann.id).await.unwrap();
    uow.commit().await.unwrap();
    let shown = tokens.present(&hash(2)).await.unwrap().unwrap();
    assert_eq!(shown.holder, None);
}

/// A use noted late does not hide a later one.
pub async fn the_use_of_a_token_only_moves_forward(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let acme = organization(&ids, "Acme");
    save(&*store, &acme).await;
    let token = token(&ids, &acme, None);
    save_token(&*store, &token, &hash(1)).await;
    let tokens = store.tokens();
    for minutes in [5, 3] {
        let at = now() + TimeDelta::minutes(minutes);
        tokens.note_use(acme.id, token.id, at).await.unwrap();
    }
    let shown = tokens.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        shown.token.last_used_at,
        Some(now() + TimeDelta::minutes(5))
    );
}

/// Another organisation neither sees a token nor can change it.
pub async fn tokens_stay_within_their_organization(store: Arc<dyn IdentityStore>) {
    let ids = CountingIds::default();
    let (acme, other) = (organization(&ids, "Acme"), organization(&ids, "Other"));
    save(&*store, &acme).await;
    save(&*store, &other).await;
    let token = token(&ids, &acme, None);
    save_token(&*store, &token, &hash(1)).await;
    let tokens = store.tokens();
    let page = tokens
        .list(acme.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items, std::slice::from_ref(&token));
    let page = tokens
        .list(other.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items, []);
    for (place, text, expected) in [(&acme, "IMPORT", 1), (&acme, "x", 0), (&other, "import", 0)] {
        let found = tokens.search(place.id, text, PageSize::default()).await;
        assert_eq!(found.unwrap().len(), expected, "{text}");
    }
    let mut uow = store.begin().await.unwrap();
    let found = uow
        .tokens()
        .find_for_update(other.id, token.id)
        .await
        .unwrap();
    assert_eq!(found, None);
    let mut found = uow
        .tokens()
        .find_for_update(acme.id, token.id)
        .await
        .unwrap()
        .unwrap();
    assert!(found.revoke(now()));
    uow.tokens().update(&found).await.unwrap();
    uow.commit().await.unwrap();
    let page = tokens
        .list(acme.id, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items[0].revoked_at, Some(now()));
}
