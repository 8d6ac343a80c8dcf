//! The CRM on SQLite and PostgreSQL.

mod bulk;
mod contacts;
mod engagement;
mod expression;
mod fields;
mod imports;
mod long_work;
mod migrations;
mod parameters;
mod segment;
mod tags;
mod unit_of_work;
mod views;

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{
    StoreError,
    storage::{Db, DbOptions, DbTarget, is_migrated, migrate},
};

pub use self::migrations::CrmMigrator;
use self::unit_of_work::SeaOrmCrmUnitOfWork;
use crate::import::ImportQueries;
use crate::{
    BulkQueries, ContactQueries, CrmStore, CrmUnitOfWork, FieldIndexes, FieldQueries, TagQueries,
    ViewQueries, segment::SegmentQueries,
};

/// The [`CrmStore`] on either back end.
#[derive(Clone)]
pub struct SeaOrmCrmStore {
    db: Db,
}

impl SeaOrmCrmStore {
    /// The CRM in that database.
    #[must_use]
    pub fn new(db: Db) -> Arc<Self> {
        Arc::new(Self { db })
    }

    /// Connects to the database of the CRM, whose schema or file is called `crm`.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn connect(target: &DbTarget, options: DbOptions) -> Result<Arc<Self>, StoreError> {
        Ok(Self::new(Db::connect(target, "crm", options).await?))
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrate::<CrmMigrator>(&self.db).await
    }

    /// Whether the schema is up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        is_migrated::<CrmMigrator>(&self.db).await
    }

    /// The database, for the relay.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}

#[async_trait]
impl CrmStore for SeaOrmCrmStore {
    fn contacts(&self) -> &dyn ContactQueries {
        self
    }

    fn fields(&self) -> &dyn FieldQueries {
        self
    }

    fn field_indexes(&self) -> &dyn FieldIndexes {
        self
    }

    fn tags(&self) -> &dyn TagQueries {
        self
    }

    fn segments(&self) -> &dyn SegmentQueries {
        self
    }

    fn imports(&self) -> &dyn ImportQueries {
        self
    }

    fn bulk(&self) -> &dyn BulkQueries {
        self
    }

    fn views(&self) -> &dyn ViewQueries {
        self
    }

    async fn begin(&self) -> Result<Box<dyn CrmUnitOfWork>, StoreError> {
        Ok(Box::new(SeaOrmCrmUnitOfWork {
            txn: self.db.begin().await?,
            dialect: self.db.dialect(),
        }))
    }
}
