//! Hits, verdicts, counters, unsubscribing and timelines.

use std::{collections::HashSet, sync::Arc};

use mauntic_core::{
    CapturedMailId, Clock as _, ContactId, DeliveryId, EmailId, EmailVersionId, OrganizationId,
    PageSize, SegmentId, SendJobId, TimeZoneName, UuidV7Source,
};

use super::fixture::{World, address_of};
use crate::{
    MailingList, MessagingError, MessagingStore,
    email::SavedEmail,
    sending::{Counts, DeliveryState, SendJobRef, SkipReason, Tally},
    suppression::{Suppression, SuppressionReason, address_hash},
    token::Purpose,
    tracking::{
        Behind, HitContext, Person, Reason, Split, SummaryListing, SummarySort, TimelineEvent,
    },
    transport::capture::CapturedMail,
};

const ONE: Split = Split {
    human: 1,
    machine: 0,
};

fn click(link: u16) -> Purpose {
    Purpose::Click { link, target: None }
}

async fn report(world: &World, email: &SavedEmail) -> crate::tracking::EmailReport {
    world
        .tracking
        .report(&world.owner, email.email.id)
        .await
        .unwrap()
}

async fn contact_of(world: &World, delivery: DeliveryId) -> ContactId {
    let found = world
        .store
        .sends()
        .find_delivery(world.organization(), delivery)
        .await
        .unwrap();
    found.unwrap().contact_id
}

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
        let (mut listing, mut found) = (listing, Vec::new());
        listing.size = PageSize::clamped(1);
        loop {
            let page = world.tracking.summaries(&world.owner, &listing).await;
            let page = page.unwrap();
            found.extend(page.items);
            listing.after = page.next;
            if listing.after.is_none() {
                return found;
            }
        }
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
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let size = PageSize::clamped(2);
            let page = world
                .tracking
                .people(&world.owner, email.email.id, &behind, after, size)
                .await
                .unwrap();
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
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

/// One click suppresses the address at once, counts once, and can be taken back.
///
/// # Panics
/// If the store does not do so.
pub async fn one_click_unsubscribes(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    let address = address_of(contact_of(&world, delivery).await)
        .parse()
        .unwrap();
    let suppressions = world.store.suppressions();
    let page = world.tracking.unsubscribe_page(&token).await.unwrap();
    assert_eq!(
        (
            page.organization.as_str(),
            page.address.as_str(),
            page.unsubscribed
        ),
        ("Acme", "c…@example.com", false)
    );
    assert_eq!(
        suppressions
            .find(world.organization(), &address)
            .await
            .unwrap(),
        None,
        "looking changes nothing"
    );
    for _ in 0..2 {
        world
            .tracking
            .unsubscribe(&token, &world.person())
            .await
            .unwrap();
        let entry = suppressions
            .find(world.organization(), &address)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(entry.reason, SuppressionReason::Unsubscribed);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    assert!(
        world
            .tracking
            .unsubscribe_page(&token)
            .await
            .unwrap()
            .unsubscribed
    );
    world
        .tracking
        .resubscribe(&token, &world.person())
        .await
        .unwrap();
    assert_eq!(
        suppressions
            .find(world.organization(), &address)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        world.project().await,
        0,
        "what acts at once is counted at once"
    );
}

/// A message to a mailing list is about that list: one click leaves it alone, at once, and can be taken back.
///
/// # Panics
/// If the store does not do so.
pub async fn one_click_leaves_the_list_of_the_message(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("News").await;
    let [news, offers] = [1, 2].map(|id| SegmentId::from_uuid(uuid::Uuid::from_u128(id)));
    let list = |id, name: &str, member| MailingList {
        id,
        name: name.to_owned(),
        member,
    };
    let lists = vec![list(news, "News", true), list(offers, "Offers", false)];
    *world.everybody.lists.lock().unwrap() = lists;
    let delivery = world.deliver_to(news, &email, 1).await[0];
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    let (tracking, person) = (&world.tracking, world.person());
    let members = async || {
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(!page.unsubscribed, "other mail still comes");
        assert_eq!(page.list, Some(news));
        let members = page.lists.iter().filter(|list| list.member);
        members.map(|list| list.id).collect::<Vec<_>>()
    };
    assert_eq!(members().await, [news]);
    for _ in 0..2 {
        tracking.unsubscribe(&token, &person).await.unwrap();
        assert_eq!(members().await, []);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    tracking.resubscribe(&token, &person).await.unwrap();
    assert_eq!(members().await, [news]);
    let stranger = SegmentId::from_uuid(uuid::Uuid::from_u128(3));
    let kept = [offers, stranger];
    tracking.choose_lists(&token, &person, &kept).await.unwrap();
    let address = address_of(contact_of(&world, delivery).await);
    let hash = address_hash(&address);
    let left = world
        .store
        .suppressions()
        .left_lists(world.organization(), &hash);
    assert_eq!(left.await.unwrap(), [news]);
    tracking
        .unsubscribe_from_all(&token, &person)
        .await
        .unwrap();
    let page = tracking.unsubscribe_page(&token).await.unwrap();
    assert!(page.unsubscribed);
}

/// The link that leaves all mail does so from a mailing list too, and looking at it changes nothing.
///
/// # Panics
/// If the store does not do so.
pub async fn a_link_for_all_mail_leaves_more_than_the_list(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("News").await;
    let news = SegmentId::from_uuid(uuid::Uuid::from_u128(1));
    *world.everybody.lists.lock().unwrap() = vec![MailingList {
        id: news,
        name: "News".to_owned(),
        member: true,
    }];
    let delivery = world.deliver_to(news, &email, 1).await[0];
    let token = world.token(delivery, email.current.id, Purpose::UnsubscribeAll);
    let (tracking, person) = (&world.tracking, world.person());
    for _ in 0..2 {
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(page.all && !page.unsubscribed);
        assert_eq!((page.list, page.lists.len()), (None, 1));
    }
    for _ in 0..2 {
        tracking.unsubscribe(&token, &person).await.unwrap();
        let page = tracking.unsubscribe_page(&token).await.unwrap();
        assert!(page.unsubscribed);
        assert_eq!(report(&world, &email).await.unsubscribed, ONE);
    }
    tracking.resubscribe(&token, &person).await.unwrap();
    let page = tracking.unsubscribe_page(&token).await.unwrap();
    assert!(!page.unsubscribed && page.lists[0].member);
}

/// Only an unsubscription is taken back by its own page.
///
/// # Panics
/// If the store does not do so.
pub async fn a_bounce_is_not_taken_back(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    let address: mauntic_core::EmailAddress = address_of(contact_of(&world, delivery).await)
        .parse()
        .unwrap();
    let bounce = Suppression::new(
        address.key(),
        SuppressionReason::HardBounce,
        "test",
        world.person().at,
    );
    let mut uow = world.store.begin().await.unwrap();
    uow.suppressions()
        .add(world.organization(), &[bounce])
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let token = world.token(delivery, email.current.id, Purpose::Unsubscribe);
    world
        .tracking
        .unsubscribe(&token, &world.person())
        .await
        .unwrap();
    world
        .tracking
        .resubscribe(&token, &world.person())
        .await
        .unwrap();
    let entry = world
        .store
        .suppressions()
        .find(world.organization(), &address)
        .await
        .unwrap();
    assert_eq!(
        entry.map(|entry| entry.reason),
        Some(SuppressionReason::HardBounce)
    );
}

/// What was sent to a deleted contact tells no more who it was, and whoever has the message can still leave.
///
/// # Panics
/// If the store does not do so.
pub async fn who_a_deleted_contact_was_is_forgotten(store: Arc<dyn MessagingStore>) {
    let world = World::new(store.clone());
    let organization = world.organization();
    let email = world.email("Welcome").await;
    let deliveries = world.deliver(&email, 2).await;
    world.advance(60);
    let mut mails = Vec::new();
    for delivery in &deliveries {
        let token = world.token(*delivery, email.current.id, Purpose::Open);
        world.tracking.open(&token, &world.person()).await.unwrap();
        let mail = CapturedMail {
            id: CapturedMailId::generate(&UuidV7Source),
            organization_id: organization,
            delivery_id: Some(*delivery),
            envelope_from: "b@example.net".to_owned(),
            envelope_to: address_of(contact_of(&world, *delivery).await),
            sender: "shop@example.net".to_owned(),
            subject: "Hello".to_owned(),
            size: 2,
            captured_at: world.person().at,
        };
        mails.push((mail, b"Hi".to_vec()));
    }
    let gone = contact_of(&world, deliveries[0]).await;
    let mut uow = store.begin().await.unwrap();
    uow.captured().insert_captured(&mails).await.unwrap();
    let theirs = OrganizationId::generate(&UuidV7Source);
    let now = world.person().at;
    uow.ledger().forget(theirs, &[gone], now).await.unwrap();
    let untouched = uow.tracking().addressee_of(organization, deliveries[0]);
    assert!(untouched.await.unwrap().unwrap().address.is_some());
    uow.ledger()
        .forget(organization, &[gone], now)
        .await
        .unwrap();
    uow.commit().await.unwrap();

    for (delivery, kept) in [(deliveries[0], false), (deliveries[1], true)] {
        let found = store.sends().find_delivery(organization, delivery).await;
        let found = found.unwrap().unwrap();
        let known = (found.address.is_some(), found.reply.is_some());
        assert_eq!(known, (kept, kept), "address and reply");
        assert!(found.address_hash.is_some());
    }
    let captured = store.captured();
    assert_eq!(captured.count_captured(organization).await.unwrap(), 1);
    let mut uow = store.begin().await.unwrap();
    world.advance(60);
    let hits = uow.tracking().take_uncounted(world.person().at, 10).await;
    for hit in hits.unwrap() {
        let known = (hit.network.is_some(), hit.user_agent.is_some());
        let kept = hit.delivery_id == deliveries[1];
        assert_eq!(known, (kept, kept), "network and agent");
    }
    drop(uow);

    let token = world.token(deliveries[0], email.current.id, Purpose::Unsubscribe);
    let page = async || world.tracking.unsubscribe_page(&token).await.unwrap();
    assert_eq!(page().await.address, "your address");
    let tracking = &world.tracking;
    tracking.unsubscribe(&token, &world.person()).await.unwrap();
    assert!(page().await.unsubscribed);
    let address = address_of(gone).parse().unwrap();
    let entry = store.suppressions().find(organization, &address).await;
    let entry = entry.unwrap().unwrap();
    assert_eq!(entry.reason, SuppressionReason::Unsubscribed);
    assert_eq!(entry.address_key, None);
    tracking.resubscribe(&token, &world.person()).await.unwrap();
    assert!(!page().await.unsubscribed);
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

/// A token does what it was made for, and nothing that was not made here does anything.
///
/// # Panics
/// If the service does not do so.
pub async fn forged_and_misused_tokens_are_refused(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let version = email.current.id;
    let delivery = world.deliver(&email, 1).await[0];
    let person = world.person();
    let open = world.token(delivery, version, Purpose::Open);
    let mut forged = open.clone().into_bytes();
    forged[10] ^= 1;
    let forged = String::from_utf8_lossy(&forged).into_owned();
    let unknown = world.token(delivery, EmailVersionId::generate(&UuidV7Source), click(0));
    let beyond = world.token(delivery, version, click(99));
    assert!(world.tracking.is_ours(&open) && !world.tracking.is_ours(&forged));
    let refused = [
        world.tracking.open(&forged, &person).await.err(),
        world.tracking.click(&open, &person).await.err(),
        world.tracking.click(&unknown, &person).await.err(),
        world.tracking.click(&beyond, &person).await.err(),
        world.tracking.unsubscribe(&open, &person).await.err(),
        world
            .tracking
            .resubscribe(&open, &world.person())
            .await
            .err(),
        world.tracking.unsubscribe_page(&open).await.err(),
        world.tracking.web_view(&open, &person).await.err(),
    ];
    for error in refused {
        assert!(
            matches!(error, Some(MessagingError::InvalidToken)),
            "{error:?}"
        );
    }
    let gone = DeliveryId::generate(&UuidV7Source);
    let token = world.token(gone, version, Purpose::Unsubscribe);
    let error = world
        .tracking
        .unsubscribe(&token, &person)
        .await
        .unwrap_err();
    assert!(
        matches!(error, MessagingError::NotFound { .. }),
        "{error:?}"
    );
    let own = Purpose::Click {
        link: 0,
        target: Some("https://example.com/ann".to_owned()),
    };
    let target = world
        .tracking
        .click(&world.token(delivery, version, own), &person)
        .await
        .unwrap();
    assert_eq!(target.url, "https://example.com/ann");
}

/// The web view is the message again, without the pixel, and counts as an open.
///
/// # Panics
/// If the service does not do so.
pub async fn the_web_view_shows_the_message(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::WebView);
    let view = world
        .tracking
        .web_view(&token, &world.person())
        .await
        .unwrap();
    assert_eq!(view.subject, "Hello");
    assert!(
        view.html.contains("Hi Ann") && view.html.contains("/t/c/"),
        "{}",
        view.html
    );
    assert!(!view.html.contains("/t/o/"), "{}", view.html);
    world.advance(10);
    world.project().await;
    assert_eq!(report(&world, &email).await.opened, ONE);
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
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let size = PageSize::clamped(4);
        let page = world
            .tracking
            .timeline(&world.owner, contact, after, size)
            .await
            .unwrap();
        seen.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
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

/// Old hits go, counters stay, and what is not counted yet is kept.
///
/// # Panics
/// If the store does not do so.
pub async fn old_hits_are_forgotten(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let delivery = world.deliver(&email, 1).await[0];
    world.advance(60);
    let token = world.token(delivery, email.current.id, Purpose::Open);
    world.tracking.open(&token, &world.person()).await.unwrap();
    world.advance(60);
    let later = world.person().at;
    assert!(!world.projector.forget_before(later).await.unwrap());
    world.project().await;
    assert!(world.projector.forget_before(later).await.unwrap());
    assert!(!world.projector.forget_before(later).await.unwrap());
    assert_eq!(report(&world, &email).await.opened, ONE);
}
