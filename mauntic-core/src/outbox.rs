use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Envelope, EventId, OrganizationId, StoreError};

/// Takes the events of a change, in the transaction of the change.
#[async_trait]
pub trait Outbox: Send {
    /// Adds events. They are seen by handlers only once the transaction is committed.
    async fn append(&mut self, envelopes: &[Envelope]) -> Result<(), StoreError>;
}

/// Remembers which events a handler has dealt with, in the transaction of the effect.
#[async_trait]
pub trait Inbox: Send {
    /// Notes that a handler deals with an event now; `false` if it did so before.
    async fn first_time(
        &mut self,
        handler: &'static str,
        event: EventId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
}

/// An event that one handler is to deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDelivery {
    /// The event.
    pub envelope: Envelope,
    /// [`EventHandler::name`](crate::EventHandler::name) of the handler.
    pub handler: String,
    /// How often it was claimed, this time included. It tells this claim from a later one.
    pub attempts: u32,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The event.
    pub event_id: EventId,
    /// Whose event it is.
    pub organization_id: OrganizationId,
    /// The event's type.
    pub event_type: String,
    /// The handler that failed.
    pub handler: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure.
    pub last_error: String,
}

/// What the relay needs of the storage of one context.
#[async_trait]
pub trait RelayStore: Send + Sync {
    /// Turns up to `limit` new events into one delivery for each handler that wants their type;
    /// returns how many events were turned. `routes` pairs an event type with a handler's name.
    async fn fan_out(
        &self,
        routes: &[(&'static str, &'static str)],
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError>;

    /// Claims up to `limit` deliveries that are due, oldest first, until `lease_until`. No other
    /// relay gets them before then. Claiming counts as a try, so that an event which ends the
    /// process is not tried for ever. A damaged event is given up, and the others are claimed.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<PendingDelivery>, StoreError>;

    /// Notes that handlers did their work; an event goes with its last delivery.
    async fn done(&self, deliveries: &[PendingDelivery]) -> Result<(), StoreError>;

    /// Notes a failure: to be tried again at `retry_at`, or never if that is `None`. Nothing happens
    /// if the delivery was claimed again since.
    async fn failed(
        &self,
        delivery: &PendingDelivery,
        error: &str,
        retry_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError>;

    /// Gives deliveries back that were claimed and not tried: they are due now, and the claim does
    /// not count. Nothing happens to those that were claimed again since.
    async fn release(
        &self,
        deliveries: &[PendingDelivery],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// The deliveries of an organisation that were given up, oldest first.
    async fn dead_letters(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Makes the organisation's given-up deliveries due again; returns how many.
    async fn redrive(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError>;

    /// Forgets which events the context's own handlers dealt with before an instant; returns how many.
    async fn forget_handled(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;

    /// How many deliveries wait or are in work.
    async fn backlog(&self) -> Result<u64, StoreError>;
}
