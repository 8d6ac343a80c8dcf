//! A storage of one's own: events kept in memory instead of in a database, and held to the contract of their ports.
//!
//! Every port of Mauntic has a conformance suite, which is run on Mauntic's own storage too. The last lines of this
//! file run the one for events on this one: `cargo test -p mauntic-examples --bin own_storage`.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    Cause, Clock, DeadLetter, DomainEvent, Envelope, EventHandler, EventId, HandlerError, Inbox,
    OrganizationId, Outbox, PendingDelivery, Relay, RelayStore, StoreError, UuidV7Source,
    testing::ManualClock,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Events that are gone when the program ends.
#[derive(Clone, Default)]
struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    /// Events whose handlers are not yet known.
    new: BTreeMap<EventId, Envelope>,
    /// One for each event and handler.
    deliveries: BTreeMap<Key, Delivery>,
    /// What handlers dealt with, and when.
    handled: BTreeMap<(&'static str, EventId), DateTime<Utc>>,
}

type Key = (EventId, String);

#[derive(Clone)]
struct Delivery {
    envelope: Envelope,
    attempts: u32,
    /// When it may be claimed; `None` once it is given up.
    due_at: Option<DateTime<Utc>>,
    last_error: String,
}

impl State {
    /// The delivery, if nobody has claimed it since.
    fn still_claimed(&mut self, claim: &PendingDelivery) -> Option<&mut Delivery> {
        let delivery = self.deliveries.get_mut(&key(claim))?;
        (delivery.attempts == claim.attempts).then_some(delivery)
    }

    fn given_up(&self, organization: OrganizationId) -> impl Iterator<Item = (&Key, &Delivery)> {
        let all = self.deliveries.iter();
        all.filter(move |(_, delivery)| {
            delivery.due_at.is_none() && delivery.envelope.organization_id == organization
        })
    }
}

fn key(claim: &PendingDelivery) -> Key {
    (claim.envelope.id, claim.handler.clone())
}

/// A transaction works on a draft and has everybody else wait; dropping it leaves all as it was.
struct Transaction {
    committed: OwnedMutexGuard<State>,
    draft: State,
}

impl MemoryStore {
    async fn begin(&self) -> Transaction {
        let committed = Arc::clone(&self.state).lock_owned().await;
        let draft = committed.clone();
        Transaction { committed, draft }
    }
}

impl Transaction {
    fn commit(mut self) {
        *self.committed = self.draft;
    }
}

#[async_trait]
impl Outbox for Transaction {
    async fn append(&mut self, envelopes: &[Envelope]) -> Result<(), StoreError> {
        let events = envelopes
            .iter()
            .map(|envelope| (envelope.id, envelope.clone()));
        self.draft.new.extend(events);
        Ok(())
    }
}

#[async_trait]
impl Inbox for Transaction {
    async fn first_time(
        &mut self,
        handler: &'static str,
        event: EventId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        Ok(self.draft.handled.insert((handler, event), now).is_none())
    }
}

#[async_trait]
impl RelayStore for MemoryStore {
    async fn fan_out(
        &self,
        routes: &[(&'static str, &'static str)],
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let mut state = self.state.lock().await;
        let mut turned = 0;
        while turned < limit
            && let Some((id, envelope)) = state.new.pop_first()
        {
            let wanted = routes
                .iter()
                .filter(|(event_type, _)| *event_type == envelope.event_type);
            for (_, handler) in wanted {
                let delivery = Delivery {
                    envelope: envelope.clone(),
                    attempts: 0,
                    due_at: Some(now),
                    last_error: String::new(),
                };
                state
                    .deliveries
                    .insert((id, (*handler).to_owned()), delivery);
            }
            turned += 1;
        }
        Ok(turned)
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let mut state = self.state.lock().await;
        let is_due = |delivery: &Delivery| delivery.due_at.is_some_and(|due_at| due_at <= now);
        let due = state
            .deliveries
            .iter_mut()
            .filter(|(_, delivery)| is_due(delivery));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, delivery)| delivery.due_at);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let claims = due.into_iter().map(|((_, handler), delivery)| {
            delivery.attempts += 1;
            delivery.due_at = Some(lease_until);
            PendingDelivery {
                envelope: delivery.envelope.clone(),
                handler: handler.clone(),
                attempts: delivery.attempts,
            }
        });
        Ok(claims.collect())
    }

    async fn done(&self, deliveries: &[PendingDelivery]) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        for claim in deliveries {
            state.deliveries.remove(&key(claim));
        }
        Ok(())
    }

    async fn failed(
        &self,
        delivery: &PendingDelivery,
        error: &str,
        retry_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        if let Some(delivery) = self.state.lock().await.still_claimed(delivery) {
            delivery.due_at = retry_at;
            error.clone_into(&mut delivery.last_error);
        }
        Ok(())
    }

    async fn release(
        &self,
        deliveries: &[PendingDelivery],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        for claim in deliveries {
            if let Some(delivery) = state.still_claimed(claim) {
                delivery.attempts -= 1;
                delivery.due_at = Some(now);
            }
        }
        Ok(())
    }

    async fn dead_letters(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let state = self.state.lock().await;
        let letters = state
            .given_up(organization)
            .map(|((event_id, handler), delivery)| DeadLetter {
                event_id: *event_id,
                organization_id: organization,
                event_type: delivery.envelope.event_type.clone(),
                handler: handler.clone(),
                attempts: delivery.attempts,
                last_error: delivery.last_error.clone(),
            });
        Ok(letters
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect())
    }

    async fn redrive(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut state = self.state.lock().await;
        let keys: Vec<_> = state
            .given_up(organization)
            .map(|(key, _)| key.clone())
            .collect();
        let mut redriven = 0;
        for key in keys {
            if let Some(delivery) = state.deliveries.get_mut(&key) {
                delivery.attempts = 0;
                delivery.due_at = Some(now);
                redriven += 1;
            }
        }
        Ok(redriven)
    }

    async fn forget_handled(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut state = self.state.lock().await;
        let known = state.handled.len();
        state.handled.retain(|_, at| *at >= before);
        Ok((known - state.handled.len()) as u64)
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        let state = self.state.lock().await;
        let waiting = state
            .deliveries
            .values()
            .filter(|delivery| delivery.due_at.is_some());
        Ok((state.new.len() + waiting.count()) as u64)
    }
}

/// What the shop around this storage tells others.
#[derive(Serialize, Deserialize)]
struct OrderShipped {
    order: u32,
}

impl DomainEvent for OrderShipped {
    const TYPE: &'static str = "shop.order_shipped.v1";
}

/// Writes a thank-you note, once for each order, as soon as there is paper.
struct ThankYou {
    store: MemoryStore,
    paper_since: DateTime<Utc>,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl EventHandler for ThankYou {
    fn name(&self) -> &'static str {
        "notes.thank_you"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[OrderShipped::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let Some(event) = envelope.open::<OrderShipped>()? else {
            return Ok(());
        };
        if self.clock.now() < self.paper_since {
            return Err(HandlerError::new("no paper"));
        }
        let mut transaction = self.store.begin().await;
        if transaction
            .first_time(self.name(), envelope.id, self.clock.now())
            .await?
        {
            println!("thank you for order {}", event.order);
        }
        transaction.commit();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (store, clock, ids) = (
        MemoryStore::default(),
        Arc::new(ManualClock::default()),
        UuidV7Source,
    );
    let shop = OrganizationId::generate(&ids);

    let mut transaction = store.begin().await;
    for order in 1..=3 {
        let shipped = OrderShipped { order };
        let envelope = Envelope::seal(shop, &shipped, clock.now(), &ids, Cause::root(&ids))?;
        transaction.append(&[envelope]).await?;
    }
    transaction.commit();

    let notes = ThankYou {
        store: store.clone(),
        paper_since: clock.now() + TimeDelta::minutes(1),
        clock: Arc::clone(&clock),
    };
    let relay = Relay::new(
        Arc::new(store.clone()),
        vec![Arc::new(notes)],
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    while store.backlog().await? > 0 {
        let progress = relay.run_once().await?;
        println!(
            "{}: {} notes written, {} must wait",
            clock.now(),
            progress.handled,
            progress.failed
        );
        clock.advance(TimeDelta::seconds(30));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mauntic_core::conformance::EventStore;

    use super::*;

    #[async_trait]
    impl EventStore for MemoryStore {
        fn relay(&self) -> Arc<dyn RelayStore> {
            Arc::new(self.clone())
        }

        async fn append(&self, envelopes: &[Envelope], commit: bool) {
            let mut transaction = self.begin().await;
            Outbox::append(&mut transaction, envelopes).await.unwrap();
            if commit {
                transaction.commit();
            }
        }

        async fn first_time(&self, handler: &'static str, event: EventId, commit: bool) -> bool {
            let mut transaction = self.begin().await;
            let first = transaction
                .first_time(handler, event, DateTime::UNIX_EPOCH)
                .await
                .unwrap();
            if commit {
                transaction.commit();
            }
            first
        }
    }

    #[expect(clippy::unused_async, reason = "the suite makes its stores so")]
    async fn new_store() -> (Arc<dyn EventStore>, ()) {
        (Arc::new(MemoryStore::default()), ())
    }

    mauntic_core::event_store_conformance!(new_store);
}
