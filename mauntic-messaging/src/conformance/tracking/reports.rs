//! Reports: emails side by side, days, the people behind a number, and timelines.

use std::{collections::HashSet, sync::Arc};

use mauntic_core::{Clock as _, EmailId, PageSize, SendJobId, TimeZoneName, UuidV7Source};

use super::{click, contact_of, report};
use crate::{
    MessagingStore,
    conformance::fixture::{World, every_page},
    sending::{Counts, DeliveryState, SendJobRef, SkipReason, Tally},
    token::Purpose,
    tracking::{Behind, Person, Split, SummaryListing, SummarySort, TimelineEvent},
};

/// Emails stand side by side with what came of them, in every order, page by page; those that were never sent, deleted or
/// are another organisation's do not.
///
/// # Panics
/// If the store does not do so.
pub async fn emails_are_held_against_each_other(store: Arc<dyn MessagingStore>) {
    let world = World::new(store.clone());
    let (read, ignored) = (world.email("Read").await, world.email("Ignored").await);
    world.email("Unsent").await;
    let gone = world.email("Gone").await;
    world.deliver(&gone, 1).await;
    let mut uow = store.begin().await.unwrap();
    let deleted = uow
        .emails()
        .delete(world.organization(), gone.email.id, world.clock.now());
    deleted.await.unwrap();
    uow.commit().await.unwrap();
    let deliveries = world.deliver(&read, 2).await;
    world.advance(60);
    let later = world.clock.now();
    world.deliver(&ignored, 3).await;
    world.advance(60);
    let latest = world.clock.now();
    world.deliver(&read, 2).await;
    world.advance(60);
    for delivery in &deliveries {
        let token = world.token(*delivery, read.current.id, click(1));
        world.tracking.click(&token, &world.person()).await.unwrap();
        world.advance(10);
    }
    let token = world.token(deliveries[0], read.current.id, Purpose::Unsubscribe);
    let context = world.person();
    world.tracking.unsubscribe(&token, &context).await.unwrap();
    world.project().await;
    let all = async |listing: SummaryListing| {
        every_page(async |after| {
            let size = PageSize::clamped(1);
            let listing = SummaryListing {
                after,
                size,
                ..listing
            };
            let page = world.tracking.summaries(&world.owner, &listing).await;
            page.unwrap()
        })
        .await
    };
    for (sort, first) in [
        (SummarySort::LastSent, Some("Read")),
        (SummarySort::Accepted, Some("Read")),
        (SummarySort::Opened, Some("Read")),
        (SummarySort::Clicked, Some("Read")),
        (SummarySort::Unsubscribed, Some("Read")),
        (SummarySort::Refused, None),
    ] {
        let listing = SummaryListing {
            sort,
            ..SummaryListing::default()
        };
        let found = all(listing).await;
        let mut names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        if let Some(first) = first {
            assert_eq!(names[0], first, "{sort:?}");
        }
        names.sort_unstable();
        assert_eq!(names, ["Ignored", "Read"], "{sort:?}");
        // Cut into pages or not, in whatever order: the sums are the same.
        let listing = SummaryListing::default();
        let whole = world.tracking.summaries(&world.owner, &listing).await;
        let mut whole = whole.unwrap().items;
        assert_eq!(whole.len(), 2);
        let mut found = found;
        found.sort_by_key(|one| one.id);
        whole.sort_by_key(|one| one.id);
        assert_eq!(found, whole, "{sort:?}");
    }
    let found = all(SummaryListing::default()).await;
    let read = found
        .iter()
        .find(|one| one.name.as_str() == "Read")
        .unwrap();
    assert_eq!((read.planned, read.accepted, read.refused), (4, 4, 0));
    let two = Split {
        human: 2,
        machine: 0,
    };
    assert_eq!((read.opened, read.clicked), (two, two));
    assert_eq!((read.unsubscribed, read.last_sent_at), (1, latest));
    let since = |since| SummaryListing {
        since: Some(since),
        ..SummaryListing::default()
    };
    assert_eq!(all(since(later)).await.len(), 2);
    assert_eq!(all(since(latest)).await.len(), 1);
    assert_eq!(all(since(world.clock.now())).await, []);
    let stranger = World::new(store);
    let listing = SummaryListing::default();
    let theirs = stranger.tracking.summaries(&stranger.owner, &listing).await;
    assert_eq!(theirs.unwrap().items, []);
}

/// Days add up what was accepted, opened and clicked, whoever counted it, each delivery once; in the zone asked for.
///
/// # Panics
/// If the store does not do so.
pub async fn what_happens_is_counted_by_the_day(store: Arc<dyn MessagingStore>) {
    let world = World::new(store.clone());
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let deliveries = world.deliver(&email, 2).await;
    let job = SendJobRef {
        organization_id: world.organization(),
        id: SendJobId::generate(&UuidV7Source),
    };
    let mut uow = store.begin().await.unwrap();
    for (shard, accepted, refused) in [(1, 3, 0), (2, 4, 1), (1, -1, 1)] {
        let tally = Tally {
            accepted,
            refused,
            ..Tally::default()
        };
        let counts = Counts {
            sends: [(job, tally)].into(),
            ..Counts::default()
        };
        let now = world.clock.now();
        uow.sends().count(shard, &counts, now).await.unwrap();
    }
    uow.commit().await.unwrap();
    world.advance(60);
    for _ in 0..2 {
        for delivery in &deliveries {
            let token = world.token(*delivery, version, click(1));
            world.tracking.click(&token, &world.person()).await.unwrap();
        }
        world.advance(86_400);
    }
    let token = world.token(deliveries[0], version, Purpose::Unsubscribe);
    world
        .tracking
        .unsubscribe(&token, &world.person())
        .await
        .unwrap();
    world.advance(60);
    world.project().await;
    let utc = TimeZoneName::utc();
    let days = world
        .tracking
        .activity(&world.owner, &utc, 4)
        .await
        .unwrap();
    let two = Split {
        human: 2,
        machine: 0,
    };
    assert_eq!(days.len(), 4);
    assert_eq!(
        (
            days[1].accepted,
            days[1].refused,
            days[1].opened,
            days[1].clicked
        ),
        (8, 2, two, two)
    );
    assert_eq!((days[2].clicked, days[3].accepted), (Split::default(), 0));
    assert_eq!(days[3].unsubscribed.human, 1);
    // Noon there is early on the next day.
    let east = "Pacific/Kiritimati".parse().unwrap();
    let shifted = world
        .tracking
        .activity(&world.owner, &east, 4)
        .await
        .unwrap();
    let accepted: Vec<_> = shifted.iter().map(|day| day.accepted).collect();
    assert_eq!(accepted, [0, 8, 0, 0]);
    assert_eq!(Some(shifted[1].date), days[1].date.succ_opt());
    let stranger = World::new(store);
    let days = stranger
        .tracking
        .activity(&stranger.owner, &utc, 400)
        .await
        .unwrap();
    assert!(days.iter().all(|day| day.accepted == 0));
}

/// Who opened, clicked and left, who got the message, and at which domains they are.
///
/// # Panics
/// If the store does not do so.
pub async fn people_stand_behind_the_numbers(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let mut deliveries = world.deliver(&email, 3).await;
    let second = world.deliver(&email, 2).await;
    let other = world.email("Other").await;
    let others = world.deliver(&other, 1).await;
    world.advance(60);
    let open = world.token(deliveries[0], version, Purpose::Open);
    world.tracking.open(&open, &world.person()).await.unwrap();
    for delivery in [deliveries[1], second[0]] {
        let token = world.token(delivery, version, click(1));
        world.tracking.click(&token, &world.person()).await.unwrap();
    }
    let token = world.token(others[0], other.current.id, click(0));
    world.tracking.click(&token, &world.person()).await.unwrap();
    let token = world.token(deliveries[2], version, Purpose::Unsubscribe);
    let left = world.tracking.unsubscribe(&token, &world.person()).await;
    left.unwrap();
    world.advance(10);
    world.project().await;
    let people = async |behind: Behind| {
        every_page(async |after| {
            let (tracking, size) = (&world.tracking, PageSize::clamped(2));
            let page = tracking.people(&world.owner, email.email.id, &behind, after, size);
            page.await.unwrap()
        })
        .await
    };
    let ids = |people: &[Person]| {
        let ids = people.iter().map(|person| person.delivery_id);
        ids.collect::<HashSet<_>>()
    };
    let clicked = people(Behind::Clicked { machine: false }).await;
    assert_eq!(ids(&clicked), HashSet::from([deliveries[1], second[0]]));
    assert!(clicked.iter().all(|person| person.clicked_at.is_some()));
    assert_eq!(people(Behind::Clicked { machine: true }).await, []);
    let opened = people(Behind::Opened { machine: false }).await;
    assert!(ids(&opened).contains(&deliveries[0]), "{opened:?}");
    let left = people(Behind::Unsubscribed).await;
    assert_eq!(ids(&left), HashSet::from([deliveries[2]]));
    let accepted = people(Behind::State(DeliveryState::Accepted)).await;
    deliveries.extend(second);
    assert_eq!(accepted.len(), 5, "each once");
    assert_eq!(ids(&accepted), deliveries.iter().copied().collect());
    assert!(accepted.is_sorted_by_key(|person| person.delivery_id));
    assert_eq!(people(Behind::InPlan).await, accepted);
    assert_eq!(people(Behind::Bounced("hard".to_owned())).await, []);
    assert_eq!(people(Behind::Skipped(SkipReason::Suppressed)).await, []);
    let domains = world.tracking.domains(&world.owner, email.email.id).await;
    let domains = domains.unwrap();
    assert_eq!(domains.len(), 1, "{domains:?}");
    assert_eq!(domains[0].domain, "example.com");
    assert_eq!((domains[0].planned, domains[0].accepted), (5, 5));
    assert_eq!(
        (domains[0].opened, domains[0].clicked),
        (opened.len() as u64, 2)
    );
    let link = |link, machine| Behind::Link {
        version,
        link,
        machine,
    };
    let followed = people(link(1, false)).await;
    assert_eq!(ids(&followed), ids(&clicked));
    assert_eq!(people(link(1, true)).await, []);
    assert_eq!(people(link(0, false)).await, []);
    let foreign = Behind::Link {
        version: other.current.id,
        link: 0,
        machine: false,
    };
    assert_eq!(people(foreign).await, [], "another email's link");
    // Who followed a link stays known when the hits are forgotten, and is not counted again.
    world.advance(60);
    let now = world.clock.now();
    while world.projector.forget_before(now).await.unwrap() {}
    let token = world.token(deliveries[1], version, click(1));
    world.tracking.click(&token, &world.person()).await.unwrap();
    world.advance(10);
    world.project().await;
    assert_eq!(people(link(1, false)).await, followed);
    let links = report(&world, &email).await.links;
    assert_eq!((links[0].clicked.human, links[0].clicks.human), (2, 3));
    nobody_stands_behind_numbers_of_others(&world, email.email.id, link(1, false)).await;
}

async fn nobody_stands_behind_numbers_of_others(world: &World, email: EmailId, behind: Behind) {
    let theirs = mauntic_core::OrganizationId::generate(&UuidV7Source);
    let tracking = world.store.tracking();
    let page = tracking.people(theirs, email, &behind, None, PageSize::default());
    assert_eq!(page.await.unwrap().items, []);
    for behind in [Behind::State(DeliveryState::Accepted), Behind::InPlan] {
        let page = tracking.people(theirs, email, &behind, None, PageSize::default());
        assert_eq!(page.await.unwrap().items, []);
    }
    let domains = tracking.domains(theirs, email, 10).await;
    assert_eq!(domains.unwrap(), []);
}

/// A timeline holds deliveries and hits of one contact, newest first, page after page.
///
/// # Panics
/// If the store does not do so.
pub async fn a_timeline_pages_newest_first(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let deliveries = world.deliver(&email, 2).await;
    for _ in 0..5 {
        world.advance(60);
        for delivery in &deliveries {
            let token = world.token(*delivery, email.current.id, Purpose::Open);
            world.tracking.open(&token, &world.person()).await.unwrap();
        }
    }
    let contact = contact_of(&world, deliveries[0]).await;
    let seen = every_page(async |after| {
        let (tracking, size) = (&world.tracking, PageSize::clamped(4));
        let page = tracking.timeline(&world.owner, contact, after, size);
        page.await.unwrap()
    })
    .await;
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|a, b| a.at >= b.at));
    assert!(seen.iter().all(|entry| entry.delivery_id == deliveries[0]));
    assert_eq!(
        seen[5].event,
        TimelineEvent::Delivery {
            state: "accepted".to_owned()
        }
    );
    let theirs = mauntic_core::Actor::system(mauntic_core::OrganizationId::generate(&UuidV7Source));
    let page = world
        .tracking
        .timeline(&theirs, contact, None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(page.items, []);
}
