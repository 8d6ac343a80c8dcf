//! Which hits are counted, once each, and which are machines'.

use std::{collections::HashSet, sync::Arc};

use mauntic_core::PageSize;

use super::{ONE, click, contact_of, report};
use crate::{
    MessagingStore,
    conformance::fixture::World,
    token::Purpose,
    tracking::{HitContext, Reason, Split, TimelineEvent},
};

/// A person's open and clicks are counted once per delivery, and each hit in the totals.
///
/// # Panics
/// If the store does not do so.
pub async fn hits_are_counted(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let deliveries = world.deliver(&email, 2).await;
    world.advance(60);
    let open = world.token(deliveries[0], version, Purpose::Open);
    world.tracking.open(&open, &world.person()).await.unwrap();
    world.tracking.open(&open, &world.person()).await.unwrap();
    let token = world.token(deliveries[1], version, click(1));
    for _ in 0..2 {
        let target = world.tracking.click(&token, &world.person()).await.unwrap();
        assert_eq!(
            (target.url.as_str(), target.recorded),
            ("https://example.com/1", true)
        );
        world.advance(10);
    }
    assert_eq!(
        report(&world, &email).await.opens,
        Split::default(),
        "nothing is counted yet"
    );
    world.project().await;
    let report = report(&world, &email).await;
    assert_eq!(
        (report.planned, report.opened.human, report.opens.human),
        (2, 2, 2)
    );
    assert_eq!((report.clicked, report.clicks.human), (ONE, 2));
    assert_eq!((report.opened.machine, report.clicks.machine), (0, 0));
    assert_eq!(report.links.len(), 1);
    assert_eq!(
        (
            report.links[0].link,
            report.links[0].clicked,
            report.links[0].clicks.human
        ),
        (1, ONE, 2)
    );
    assert_eq!(
        report.links[0].url.as_deref(),
        Some("https://example.com/1")
    );
    assert_eq!(world.project().await, 0, "nothing is left");
}

/// Scanners, bursts, and what comes too early count as machines, with their reasons.
///
/// # Panics
/// If the store does not do so.
pub async fn machines_are_kept_apart(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let deliveries = world.deliver(&email, 3).await;
    let early = world.token(deliveries[0], version, click(0));
    world.tracking.click(&early, &world.person()).await.unwrap();
    world.advance(60);
    for link in 0..3 {
        let token = world.token(deliveries[1], version, click(link));
        world.tracking.click(&token, &world.person()).await.unwrap();
    }
    let scanner = HitContext {
        ip: "67.231.150.1".parse().ok(),
        ..world.person()
    };
    let open = world.token(deliveries[2], version, Purpose::Open);
    world.tracking.open(&open, &scanner).await.unwrap();
    world.advance(10);
    world.project().await;
    let report = report(&world, &email).await;
    assert_eq!(
        report.clicked,
        Split {
            human: 0,
            machine: 2
        }
    );
    assert_eq!(
        report.clicks,
        Split {
            human: 0,
            machine: 4
        }
    );
    assert_eq!(
        report.opened,
        Split {
            human: 0,
            machine: 1
        }
    );
    let mut reasons = HashSet::new();
    for delivery in deliveries {
        let contact = contact_of(&world, delivery).await;
        let page = world
            .tracking
            .timeline(&world.owner, contact, None, PageSize::default())
            .await
            .unwrap();
        for entry in page.items {
            if let TimelineEvent::Hit {
                machine,
                reasons: found,
                ..
            } = entry.event
            {
                assert!(machine);
                reasons.extend(found);
            }
        }
    }
    assert_eq!(
        reasons,
        HashSet::from([Reason::TooEarly, Reason::Burst, Reason::Proofpoint])
    );
}

/// Projectors that race count every hit once.
///
/// # Panics
/// If the store does not do so.
pub async fn projectors_that_race_count_once(store: Arc<dyn MessagingStore>) {
    let world = Arc::new(World::new(store));
    let email = world.email("Welcome").await;
    let deliveries = world.deliver(&email, 40).await;
    world.advance(60);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400_usize {
        let token = world.token(deliveries[number % 40], email.current.id, Purpose::Open);
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.tracking.open(&token, &world.person()).await.unwrap() });
    }
    tasks.join_all().await;
    world.advance(10);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.project().await });
    }
    tasks.join_all().await;
    world.project().await;
    let report = report(&world, &email).await;
    assert_eq!((report.opened.human, report.opens.human), (40, 400));
}

/// A dropped transaction leaves the hits to be counted.
///
/// # Panics
/// If the store does not do so.
pub async fn hits_of_a_lost_projector_are_counted_by_the_next(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::Open);
    world.tracking.open(&token, &world.person()).await.unwrap();
    world.advance(60);
    let before = world.person().at;
    let mut lost = world.store.begin().await.unwrap();
    let taken = lost.tracking().take_uncounted(before, 10).await.unwrap();
    assert_eq!(taken.len(), 1);
    let settled: Vec<_> = taken
        .into_iter()
        .map(|hit| crate::tracking::Settled {
            hit,
            reasons: Vec::new(),
        })
        .collect();
    lost.tracking().settle(&settled).await.unwrap();
    drop(lost);
    // The database ends a dropped transaction in its own time, and until then its rows are passed over.
    let mut opened = Split::default();
    for _ in 0..1_000 {
        world.project().await;
        opened = report(&world, &email).await.opened;
        if opened == ONE {
            break;
        }
    }
    assert_eq!(opened, ONE);
}

/// A link counts as followed by somebody once, also after the hits of it were forgotten.
///
/// # Panics
/// If the store does not do so.
pub async fn a_followed_link_stays_known(store: Arc<dyn MessagingStore>) {
    let world = World::new(store.clone());
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    for (number, link) in [(1, 1), (2, 1), (3, 2)] {
        world.advance(3_600);
        let token = world.token(delivery, email.current.id, click(link));
        world.tracking.click(&token, &world.person()).await.unwrap();
        world.advance(60);
        world.project().await;
        let forgotten = store.tracking().forget_hits(world.person().at, 10).await;
        assert_eq!(forgotten.unwrap(), 1, "hit {number}");
    }
    let links = report(&world, &email).await.links;
    let clicked: Vec<_> = links
        .iter()
        .map(|link| (link.link, link.clicks.human, link.clicked.human))
        .collect();
    assert_eq!(clicked, [(1, 2, 1), (2, 1, 1)]);
}
