use async_trait::async_trait;
use mauntic_core::{Inbox, Outbox, StoreError};

use crate::{
    domain::{SendingDomainQueries, SendingDomainRepository},
    email::{EmailQueries, EmailRepository},
    sending::{Ledger, RateRepository, SendQueries, SendRepository, WorkerRegistry},
    suppression::{SuppressionQueries, SuppressionRepository},
    tracking::{TrackingQueries, TrackingRepository},
    transport::{
        TransportQueries, TransportRepository,
        capture::{CapturedMailQueries, CapturedMailRepository},
    },
};

/// Keeps everything messaging knows.
#[async_trait]
pub trait MessagingStore: Send + Sync {
    /// The emails, for reading.
    fn emails(&self) -> &dyn EmailQueries;

    /// The suppression list, for reading.
    fn suppressions(&self) -> &dyn SuppressionQueries;

    /// The sending domains, for reading.
    fn sending_domains(&self) -> &dyn SendingDomainQueries;

    /// The sends and their deliveries, for reading.
    fn sends(&self) -> &dyn SendQueries;

    /// Hits, counters and timelines.
    fn tracking(&self) -> &dyn TrackingQueries;

    /// The transports, for reading.
    fn transports(&self) -> &dyn TransportQueries;

    /// The captured mail, for reading.
    fn captured(&self) -> &dyn CapturedMailQueries;

    /// Begins a transaction, for writing.
    async fn begin(&self) -> Result<Box<dyn MessagingUnitOfWork>, StoreError>;
}

/// One transaction over everything messaging stores. Dropping it rolls back.
#[async_trait]
pub trait MessagingUnitOfWork: Send {
    /// The emails, within this transaction.
    fn emails(&mut self) -> &mut dyn EmailRepository;

    /// The suppression list, within this transaction.
    fn suppressions(&mut self) -> &mut dyn SuppressionRepository;

    /// The sending domains, within this transaction.
    fn sending_domains(&mut self) -> &mut dyn SendingDomainRepository;

    /// The sends, within this transaction.
    fn sends(&mut self) -> &mut dyn SendRepository;

    /// The ledger, within this transaction.
    fn ledger(&mut self) -> &mut dyn Ledger;

    /// The workers, within this transaction.
    fn workers(&mut self) -> &mut dyn WorkerRegistry;

    /// How fast mail may go, within this transaction.
    fn rates(&mut self) -> &mut dyn RateRepository;

    /// Hits and counters, within this transaction.
    fn tracking(&mut self) -> &mut dyn TrackingRepository;

    /// The transports, within this transaction.
    fn transports(&mut self) -> &mut dyn TransportRepository;

    /// The captured mail, within this transaction.
    fn captured(&mut self) -> &mut dyn CapturedMailRepository;

    /// The outbox, within this transaction.
    fn outbox(&mut self) -> &mut dyn Outbox;

    /// The inbox, within this transaction.
    fn inbox(&mut self) -> &mut dyn Inbox;

    /// Makes all changes permanent at once.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
