//! The storage ports: queries read what is committed, a unit of work writes.

mod bulk;
mod contacts;
mod fields;
mod tags;
mod views;

use async_trait::async_trait;
use mauntic_core::{Inbox, Outbox, StoreError};

use crate::import::{ImportQueries, ImportRepository};
use crate::{
    engagement::EngagementRepository,
    segment::{SegmentQueries, SegmentRepository},
};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::contacts::NAME_ORDER;
pub use self::{
    bulk::{BulkQueries, BulkRepository},
    contacts::{
        ContactCursor, ContactFilter, ContactGrowth, ContactListing, ContactQueries,
        ContactRepository, ContactSort, DayGrowth, InvalidCursor, PreparedContacts, UniqueKey,
    },
    fields::{FieldIndexes, FieldQueries, FieldRepository},
    tags::{TagQueries, TagRepository},
    views::{ViewQueries, ViewRepository},
};

/// Keeps everything the CRM knows.
#[async_trait]
pub trait CrmStore: Send + Sync {
    /// The committed contacts, for reading.
    fn contacts(&self) -> &dyn ContactQueries;

    /// The committed custom fields, for reading.
    fn fields(&self) -> &dyn FieldQueries;

    /// The indexes behind custom fields.
    fn field_indexes(&self) -> &dyn FieldIndexes;

    /// The committed tags, for reading.
    fn tags(&self) -> &dyn TagQueries;

    /// The committed segments, for reading.
    fn segments(&self) -> &dyn SegmentQueries;
    /// The committed imports, for reading.
    fn imports(&self) -> &dyn ImportQueries;

    /// The committed changes of many, for reading.
    fn bulk(&self) -> &dyn BulkQueries;

    /// The saved views, for reading.
    fn views(&self) -> &dyn ViewQueries;

    /// Begins a transaction, for writing.
    async fn begin(&self) -> Result<Box<dyn CrmUnitOfWork>, StoreError>;
}

/// One transaction over everything the CRM stores. Dropping it rolls back.
#[async_trait]
pub trait CrmUnitOfWork: Send {
    /// The contacts, within this transaction.
    fn contacts(&mut self) -> &mut dyn ContactRepository;

    /// The custom fields, within this transaction.
    fn fields(&mut self) -> &mut dyn FieldRepository;

    /// The tags, within this transaction.
    fn tags(&mut self) -> &mut dyn TagRepository;

    /// The segments, within this transaction.
    fn segments(&mut self) -> &mut dyn SegmentRepository;

    /// What happened between contacts and emails, within this transaction.
    fn engagement(&mut self) -> &mut dyn EngagementRepository;
    /// The imports, within this transaction.
    fn imports(&mut self) -> &mut dyn ImportRepository;

    /// The changes of many, within this transaction.
    fn bulk(&mut self) -> &mut dyn BulkRepository;

    /// The saved views, within this transaction.
    fn views(&mut self) -> &mut dyn ViewRepository;

    /// The outbox, within this transaction.
    fn outbox(&mut self) -> &mut dyn Outbox;

    /// The inbox, within this transaction.
    fn inbox(&mut self) -> &mut dyn Inbox;

    /// Makes all changes permanent at once.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
