use async_trait::async_trait;
use mauntic_core::{Inbox, Outbox, StoreError};

use crate::{
    domain::{SendingDomainQueries, SendingDomainRepository},
    suppression::{SuppressionQueries, SuppressionRepository},
};

/// Keeps everything messaging knows.
#[async_trait]
pub trait MessagingStore: Send + Sync {
    /// The suppression list, for reading.
    fn suppressions(&self) -> &dyn SuppressionQueries;

    /// The sending domains, for reading.
    fn sending_domains(&self) -> &dyn SendingDomainQueries;

    /// Begins a transaction, for writing.
    async fn begin(&self) -> Result<Box<dyn MessagingUnitOfWork>, StoreError>;
}

/// One transaction over everything messaging stores. Dropping it rolls back.
#[async_trait]
pub trait MessagingUnitOfWork: Send {
    /// The suppression list, within this transaction.
    fn suppressions(&mut self) -> &mut dyn SuppressionRepository;

    /// The sending domains, within this transaction.
    fn sending_domains(&mut self) -> &mut dyn SendingDomainRepository;

    /// The outbox, within this transaction.
    fn outbox(&mut self) -> &mut dyn Outbox;

    /// The inbox, within this transaction.
    fn inbox(&mut self) -> &mut dyn Inbox;

    /// Makes all changes permanent at once.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
