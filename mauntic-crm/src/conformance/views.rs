//! Views of lists that people keep.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{
    Actor, Role, UserId,
    testing::{CountingIds, ManualClock},
};
use uuid::Uuid;

use super::organization;
use crate::{CrmError, CrmStore, SaveView, ViewService};

/// A person's own views are theirs alone; those of everybody are everybody's.
pub async fn views_are_kept_shared_and_forgotten(store: Arc<dyn CrmStore>) {
    let ids = Arc::new(CountingIds::default());
    let views = ViewService::new(store, Arc::new(ManualClock::default()), ids);
    let user = |number, of| {
        Actor::user(
            organization(of),
            UserId::from_uuid(Uuid::from_u128(number)),
            Role::Owner,
        )
    };
    let (ann, bob, far) = (user(1, 1), user(2, 1), user(3, 2));
    let save = async |actor: &Actor, name: &str, query: &str, shared| {
        let command = SaveView {
            name: name.to_owned(),
            query: query.to_owned(),
            shared,
        };
        views.save(actor, command).await
    };
    let own = save(&ann, " Mine ", "tag=a", false).await.unwrap();
    let shared = save(&ann, "All of us", "tag=b", true).await.unwrap();
    save(&bob, "mine", "tag=c", false).await.unwrap();
    let seen = async |actor: &Actor| {
        let seen = views.list(actor).await.unwrap();
        seen.into_iter()
            .map(|view| (view.name, view.query))
            .collect::<Vec<_>>()
    };
    let pair = |name: &str, query: &str| (name.to_owned(), query.to_owned());
    assert_eq!(
        seen(&ann).await,
        [pair("All of us", "tag=b"), pair("Mine", "tag=a")]
    );
    assert_eq!(
        seen(&bob).await,
        [pair("All of us", "tag=b"), pair("mine", "tag=c")]
    );
    assert_eq!(seen(&far).await, []);
    // The same name again shows the new.
    let again = save(&ann, "MINE", "tag=d", false).await.unwrap();
    assert_eq!(again.id, own.id);
    assert_eq!(seen(&ann).await[1], pair("MINE", "tag=d"));
    for (actor, id) in [(&bob, own.id), (&far, shared.id)] {
        let unknown = views.delete(actor, id).await.unwrap_err();
        assert!(matches!(unknown, CrmError::ViewNotFound(_)), "{unknown}");
    }
    views.delete(&bob, shared.id).await.unwrap();
    assert_eq!(seen(&ann).await.len(), 1);
    let nameless = save(&ann, " ", "", false).await.unwrap_err();
    assert!(matches!(nameless, CrmError::Invalid(_)), "{nameless}");
    let program = save(&Actor::system(organization(1)), "x", "", false)
        .await
        .unwrap_err();
    assert!(matches!(program, CrmError::Invalid(_)), "{program}");
}

/// Everybody has as many views as they may, however many others have; a view that is kept again is none more.
pub async fn each_owner_has_views_of_their_own(store: Arc<dyn CrmStore>) {
    let ids = Arc::new(CountingIds::default());
    let views = ViewService::new(store, Arc::new(ManualClock::default()), ids);
    let user = |number| {
        let user = UserId::from_uuid(Uuid::from_u128(number));
        Actor::user(organization(1), user, Role::Owner)
    };
    let save = async |actor: &Actor, number: usize, shared| {
        let command = SaveView {
            name: format!("View {number}"),
            query: format!("tag=t{number}"),
            shared,
        };
        views.save(actor, command).await
    };
    let (ann, bob) = (user(1), user(2));
    for number in 0..200 {
        save(&ann, number, true).await.unwrap();
        save(&ann, number, false).await.unwrap();
    }
    save(&ann, 0, true).await.unwrap();
    save(&ann, 0, false).await.unwrap();
    for shared in [true, false] {
        let full = save(&ann, 200, shared).await.unwrap_err();
        assert!(matches!(full, CrmError::Invalid(_)), "{full}");
    }
    save(&bob, 200, false).await.unwrap();
    assert_eq!(views.list(&bob).await.unwrap().len(), 201);
}

/// Twenty tabs that keep the same view at the same moment keep one.
pub async fn the_same_view_at_the_same_moment_is_one(store: Arc<dyn CrmStore>) {
    let ids = Arc::new(CountingIds::default());
    let views = ViewService::new(store, Arc::new(ManualClock::default()), ids);
    let user = UserId::from_uuid(Uuid::from_u128(1));
    let ann = Actor::user(organization(1), user, Role::Owner);
    let tabs = (0..20).map(|number| {
        let (views, ann) = (views.clone(), ann.clone());
        tokio::spawn(async move {
            let command = SaveView {
                name: "Mine".to_owned(),
                query: format!("tag=t{number}"),
                shared: number % 2 == 0,
            };
            views.save(&ann, command).await.unwrap().id
        })
    });
    let tabs: Vec<_> = tabs.collect();
    let mut kept = BTreeSet::new();
    for tab in tabs {
        kept.insert(tab.await.unwrap());
    }
    let there = views.list(&ann).await.unwrap();
    let there: BTreeSet<_> = there.into_iter().map(|view| view.id).collect();
    assert_eq!(there.len(), 2, "one of hers, one of everybody");
    assert_eq!(kept, there);
}
