//! What every outbox, inbox and [`RelayStore`] must do, alone and under a [`Relay`].
//! [`event_store_conformance!`](crate::event_store_conformance) runs all of it on one back end.
#![expect(
    clippy::unwrap_used,
    reason = "a case panics when the store does not do what it must"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Cause, Clock, DomainEvent, Envelope, EventHandler, EventId, HandlerError, IdSource,
    OrganizationId, Relay, RelayProgress, RelayStore,
    testing::{CountingIds, ManualClock},
};

/// The outbox and inbox of one context, as the suite sees them.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// The relay's side of the outbox.
    fn relay(&self) -> Arc<dyn RelayStore>;

    /// Appends events in a transaction, which is committed, or dropped without a commit.
    async fn append(&self, envelopes: &[Envelope], commit: bool);

    /// Asks the inbox at the Unix epoch, in a transaction which is committed, or dropped without a commit.
    async fn first_time(&self, handler: &'static str, event: EventId, commit: bool) -> bool;
}

/// Runs every case of the suite on stores that an async function makes:
/// `event_store_conformance!(new_store)`, where `new_store()` returns an `Arc<dyn EventStore>` and
/// whatever must live as long as it.
#[macro_export]
macro_rules! event_store_conformance {
    ($new_store:path) => {
        $crate::conformance_cases!(
            $new_store,
            [$crate::conformance],
            [
                an_event_is_seen_after_the_commit_alone,
                an_event_reaches_every_handler_that_wants_its_type,
                an_event_that_nobody_wants_is_gone,
                a_failing_handler_is_retried_alone_and_later,
                a_delivery_is_given_up_and_driven_again,
                dead_letters_stay_within_their_organization,
                two_relays_share_the_work,
                a_claim_ends_with_its_lease,
                a_late_failure_does_not_disturb_the_next_try,
                what_was_not_tried_is_given_back,
                an_event_that_ends_the_process_is_given_up,
                an_inbox_says_once_that_it_is_the_first_time,
                of_many_at_once_one_is_the_first,
                an_inbox_forgets_what_is_long_past,
            ]
        );
    };
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rang {
    number: u32,
}

impl DomainEvent for Rang {
    const TYPE: &'static str = "testing.rang.v1";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Closed {}

impl DomainEvent for Closed {
    const TYPE: &'static str = "testing.closed.v1";
}

/// Counts what it handles, and fails while told to.
struct Bell {
    name: &'static str,
    failing: AtomicBool,
    heard: Mutex<BTreeMap<EventId, u32>>,
}

impl Bell {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            failing: AtomicBool::new(false),
            heard: Mutex::default(),
        })
    }

    fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    fn heard(&self) -> BTreeMap<EventId, u32> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventHandler for Bell {
    fn name(&self) -> &'static str {
        self.name
    }

    fn handles(&self) -> &'static [&'static str] {
        &[Rang::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        assert!(envelope.open::<Rang>()?.is_some());
        *self.heard.lock().unwrap().entry(envelope.id).or_default() += 1;
        // Lets another relay come in between.
        tokio::task::yield_now().await;
        if self.failing.load(Ordering::Relaxed) {
            return Err(HandlerError::new("the bell is broken"));
        }
        Ok(())
    }
}

struct Fixture {
    store: Arc<dyn EventStore>,
    clock: Arc<ManualClock>,
    ids: CountingIds,
}

const ROUTES: &[(&str, &str)] = &[(Rang::TYPE, "a"), (Rang::TYPE, "b")];

impl Fixture {
    fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            clock: Arc::default(),
            ids: CountingIds::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn envelope<E: DomainEvent>(&self, organization: u128, event: &E) -> Envelope {
        let organization = OrganizationId::from_uuid(uuid::Uuid::from_u128(organization));
        let cause = Cause::root(&self.ids);
        Envelope::seal(organization, event, self.now(), &self.ids, cause).unwrap()
    }

    fn rings(&self, count: u32) -> Vec<Envelope> {
        (0..count)
            .map(|number| self.envelope(1, &Rang { number }))
            .collect()
    }

    fn relay(&self, bells: &[&Arc<Bell>]) -> Relay {
        let handlers = bells
            .iter()
            .map(|bell| Arc::clone(bell) as Arc<dyn EventHandler>);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Relay::new(self.store.relay(), handlers.collect(), clock)
    }

    async fn claim(&self) -> Vec<crate::PendingDelivery> {
        let lease = self.now() + TimeDelta::minutes(5);
        self.store
            .relay()
            .claim(self.now(), lease, 100)
            .await
            .unwrap()
    }
}

fn progress(fanned_out: u64, handled: u64, failed: u64) -> RelayProgress {
    RelayProgress {
        fanned_out,
        handled,
        failed,
    }
}

/// A transaction that is dropped tells nobody anything.
pub async fn an_event_is_seen_after_the_commit_alone(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let bell = Bell::new("a");
    let relay = fixture.relay(&[&bell]);
    fixture.store.append(&fixture.rings(3), false).await;
    assert_eq!(relay.run_once().await.unwrap(), RelayProgress::default());
    fixture.store.append(&fixture.rings(2), true).await;
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 2);
    assert_eq!(relay.run_once().await.unwrap(), progress(2, 2, 0));
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 0);
    assert!(!relay.run_once().await.unwrap().did_work());
    assert_eq!(bell.heard().len(), 2);
}

/// The event arrives whole, once at each handler.
pub async fn an_event_reaches_every_handler_that_wants_its_type(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let rings = fixture.rings(2);
    fixture.store.append(&rings, true).await;
    let turned = fixture
        .store
        .relay()
        .fan_out(ROUTES, fixture.now(), 1)
        .await
        .unwrap();
    assert_eq!(turned, 1, "no more than the limit");
    fixture
        .store
        .relay()
        .fan_out(ROUTES, fixture.now(), 10)
        .await
        .unwrap();
    let claimed = fixture.claim().await;
    let mut arrived: Vec<_> = claimed
        .iter()
        .map(|delivery| (delivery.envelope.id, delivery.handler.as_str()))
        .collect();
    arrived.sort_unstable();
    let (first, second) = (rings[0].id, rings[1].id);
    assert_eq!(
        arrived,
        [(first, "a"), (first, "b"), (second, "a"), (second, "b")]
    );
    assert!(
        claimed
            .iter()
            .all(|delivery| rings.contains(&delivery.envelope))
    );
    fixture.store.relay().done(&claimed[..1]).await.unwrap();
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 3);
}

/// What nobody listens to does not pile up.
pub async fn an_event_that_nobody_wants_is_gone(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let bell = Bell::new("a");
    fixture
        .store
        .append(&[fixture.envelope(1, &Closed {})], true)
        .await;
    let relay = fixture.relay(&[&bell]);
    assert_eq!(relay.run_once().await.unwrap(), progress(1, 0, 0));
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 0);
    assert!(bell.heard().is_empty());
}

/// A handler that fails holds up nobody else, and is tried again after a while.
pub async fn a_failing_handler_is_retried_alone_and_later(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let (good, bad) = (Bell::new("a"), Bell::new("b"));
    let relay = fixture.relay(&[&good, &bad]);
    bad.fail(true);
    fixture.store.append(&fixture.rings(1), true).await;
    assert_eq!(relay.run_once().await.unwrap(), progress(1, 1, 1));
    assert!(
        !relay.run_once().await.unwrap().did_work(),
        "it is not due yet"
    );
    fixture.clock.advance(TimeDelta::seconds(1));
    assert_eq!(relay.run_once().await.unwrap(), progress(0, 0, 1));
    fixture.clock.advance(TimeDelta::seconds(1));
    assert!(
        !relay.run_once().await.unwrap().did_work(),
        "it waits longer each time"
    );
    fixture.clock.advance(TimeDelta::seconds(1));
    bad.fail(false);
    assert_eq!(relay.run_once().await.unwrap(), progress(0, 1, 0));
    assert_eq!(good.heard().into_values().collect::<Vec<_>>(), [1]);
    assert_eq!(bad.heard().into_values().collect::<Vec<_>>(), [3]);
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 0);
}

/// After enough tries a delivery is a dead letter, until somebody has it tried again.
pub async fn a_delivery_is_given_up_and_driven_again(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let bell = Bell::new("a");
    let relay = fixture.relay(&[&bell]);
    bell.fail(true);
    let rings = fixture.rings(1);
    fixture.store.append(&rings, true).await;
    for _ in 0..100 {
        relay.run_once().await.unwrap();
        fixture.clock.advance(TimeDelta::hours(3));
    }
    let letters = fixture
        .store
        .relay()
        .dead_letters(rings[0].organization_id, 10)
        .await
        .unwrap();
    let [letter] = letters.as_slice() else {
        panic!("expected one dead letter, found {letters:?}");
    };
    assert_eq!(
        (letter.event_id, letter.handler.as_str()),
        (rings[0].id, "a")
    );
    assert_eq!(
        (letter.event_type.as_str(), letter.last_error.as_str()),
        (Rang::TYPE, "the bell is broken")
    );
    assert_eq!(bell.heard()[&rings[0].id], letter.attempts);
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 0);

    bell.fail(false);
    let driven = fixture
        .store
        .relay()
        .redrive(rings[0].organization_id, fixture.now())
        .await;
    assert_eq!(driven.unwrap(), 1);
    assert_eq!(relay.run_once().await.unwrap(), progress(0, 1, 0));
    let letters = fixture
        .store
        .relay()
        .dead_letters(rings[0].organization_id, 10)
        .await
        .unwrap();
    assert_eq!(letters, []);
}

/// One organisation neither sees nor drives another's dead letters.
pub async fn dead_letters_stay_within_their_organization(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let rings = [
        fixture.envelope(1, &Rang { number: 1 }),
        fixture.envelope(2, &Rang { number: 2 }),
    ];
    fixture.store.append(&rings, true).await;
    let relay = fixture.store.relay();
    relay
        .fan_out(&ROUTES[..1], fixture.now(), 10)
        .await
        .unwrap();
    for delivery in fixture.claim().await {
        relay.failed(&delivery, "broken", None).await.unwrap();
    }
    for ring in &rings {
        let letters = relay.dead_letters(ring.organization_id, 10).await.unwrap();
        assert_eq!(
            letters
                .iter()
                .map(|letter| letter.event_id)
                .collect::<Vec<_>>(),
            [ring.id]
        );
    }
    assert_eq!(
        relay
            .redrive(rings[0].organization_id, fixture.now())
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        relay
            .dead_letters(rings[1].organization_id, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

/// Two relays at once handle everything, and nothing twice.
pub async fn two_relays_share_the_work(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let bell = Bell::new("a");
    fixture.store.append(&fixture.rings(500), true).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let relay = fixture.relay(&[&bell]);
        tasks.spawn(async move { while relay.run_once().await.unwrap().did_work() {} });
    }
    tasks.join_all().await;
    // One may have stopped while the other still had the rest in hand.
    let relay = fixture.relay(&[&bell]);
    while relay.run_once().await.unwrap().did_work() {}
    let heard = bell.heard();
    assert_eq!(heard.len(), 500);
    assert!(heard.values().all(|times| *times == 1));
    assert_eq!(fixture.store.relay().backlog().await.unwrap(), 0);
}

/// Until the lease ends nobody else gets a delivery; afterwards somebody does.
pub async fn a_claim_ends_with_its_lease(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    fixture.store.append(&fixture.rings(1), true).await;
    fixture
        .store
        .relay()
        .fan_out(&ROUTES[..1], fixture.now(), 10)
        .await
        .unwrap();
    assert_eq!(fixture.claim().await[0].attempts, 1);
    fixture
        .clock
        .advance(TimeDelta::minutes(5) - TimeDelta::microseconds(1));
    assert_eq!(fixture.claim().await, []);
    fixture.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(fixture.claim().await[0].attempts, 2);
}

/// A relay that was too slow reports a failure of a delivery that another one now has in hand.
pub async fn a_late_failure_does_not_disturb_the_next_try(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    fixture.store.append(&fixture.rings(1), true).await;
    let relay = fixture.store.relay();
    relay
        .fan_out(&ROUTES[..1], fixture.now(), 10)
        .await
        .unwrap();
    let slow = fixture.claim().await;
    fixture.clock.advance(TimeDelta::minutes(5));
    let next = fixture.claim().await;
    relay
        .failed(&slow[0], "late", Some(fixture.now()))
        .await
        .unwrap();
    relay.release(&slow, fixture.now()).await.unwrap();
    assert_eq!(
        fixture.claim().await,
        [],
        "the lease of the second claim holds"
    );
    relay.done(&next).await.unwrap();
    assert_eq!(relay.backlog().await.unwrap(), 0);
}

/// A claim that came to nothing does not count as a try.
pub async fn what_was_not_tried_is_given_back(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    fixture.store.append(&fixture.rings(2), true).await;
    let relay = fixture.store.relay();
    relay
        .fan_out(&ROUTES[..1], fixture.now(), 10)
        .await
        .unwrap();
    let claimed = fixture.claim().await;
    relay.release(&claimed[1..], fixture.now()).await.unwrap();
    let again = fixture.claim().await;
    assert_eq!(again, claimed[1..]);
}

/// Claims count even if nobody lives to report them.
pub async fn an_event_that_ends_the_process_is_given_up(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let rings = fixture.rings(1);
    fixture.store.append(&rings, true).await;
    let relay = fixture.store.relay();
    relay
        .fan_out(&ROUTES[..1], fixture.now(), 10)
        .await
        .unwrap();
    for _ in 0..100 {
        fixture.claim().await;
        fixture.clock.advance(TimeDelta::minutes(5));
    }
    let bell = Bell::new("a");
    assert_eq!(
        fixture.relay(&[&bell]).run_once().await.unwrap(),
        progress(0, 0, 1)
    );
    assert!(bell.heard().is_empty());
    assert_eq!(
        relay
            .dead_letters(rings[0].organization_id, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

/// Only what is committed counts, each handler for itself.
pub async fn an_inbox_says_once_that_it_is_the_first_time(store: Arc<dyn EventStore>) {
    let event = EventId::from_uuid(CountingIds::default().next());
    assert!(store.first_time("a", event, false).await);
    assert!(store.first_time("a", event, true).await);
    assert!(!store.first_time("a", event, true).await);
    assert!(store.first_time("b", event, true).await);
}

/// The same event at several workers at once is dealt with by one.
pub async fn of_many_at_once_one_is_the_first(store: Arc<dyn EventStore>) {
    let event = EventId::from_uuid(CountingIds::default().next());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.first_time("a", event, true).await });
    }
    let first = tasks.join_all().await.into_iter().filter(|first| *first);
    assert_eq!(first.count(), 1);
}

/// The inbox does not grow for ever.
pub async fn an_inbox_forgets_what_is_long_past(store: Arc<dyn EventStore>) {
    let fixture = Fixture::new(store);
    let event = EventId::generate(&fixture.ids);
    assert!(fixture.store.first_time("a", event, true).await);
    let relay = fixture.relay(&[]);
    fixture
        .clock
        .set(DateTime::UNIX_EPOCH + TimeDelta::days(30));
    relay.run_once().await.unwrap();
    assert!(!fixture.store.first_time("a", event, true).await);
    fixture.clock.advance(TimeDelta::hours(1));
    relay.run_once().await.unwrap();
    assert!(fixture.store.first_time("a", event, true).await);
}
