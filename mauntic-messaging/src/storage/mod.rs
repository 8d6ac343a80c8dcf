//! The storage of messaging on SQLite and PostgreSQL.

mod capture;
mod domain;
mod domains;
mod email;
mod hours;
mod migrations;
mod sending;
pub(crate) mod sql;
mod suppression;
mod tracking;
mod transport;
mod unit_of_work;

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{
    StoreError,
    storage::{Db, DbOptions, DbTarget, SeaOrmRelayStore, is_migrated, migrate},
};

pub use migrations::MessagingMigrator;
pub(crate) use unit_of_work::SeaOrmUnitOfWork;

use crate::{
    MessagingStore, MessagingUnitOfWork,
    domain::SendingDomainQueries,
    email::EmailQueries,
    sending::SendQueries,
    suppression::SuppressionQueries,
    tracking::TrackingQueries,
    transport::{TransportQueries, capture::CapturedMailQueries},
};

/// The name of the context's schema or file.
const CONTEXT: &str = "messaging";

/// Everything messaging knows, in one database.
pub struct SeaOrmMessagingStore {
    pub(crate) db: Db,
}

impl SeaOrmMessagingStore {
    /// Connects to the context's database; [`migrate`](Self::migrate) makes its tables.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the database cannot be reached.
    pub async fn connect(target: &DbTarget, options: DbOptions) -> Result<Arc<Self>, StoreError> {
        let db = Db::connect(target, CONTEXT, options).await?;
        Ok(Arc::new(Self { db }))
    }

    /// Brings the tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrate::<MessagingMigrator>(&self.db).await
    }

    /// Whether the tables are up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        is_migrated::<MessagingMigrator>(&self.db).await
    }

    /// The outbox as its relay sees it.
    #[must_use]
    pub fn relay(&self) -> Arc<SeaOrmRelayStore> {
        SeaOrmRelayStore::new(self.db.clone())
    }

    /// The connection, for programs that look after the database itself.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}

#[async_trait]
impl MessagingStore for SeaOrmMessagingStore {
    fn emails(&self) -> &dyn EmailQueries {
        self
    }

    fn suppressions(&self) -> &dyn SuppressionQueries {
        self
    }

    fn sending_domains(&self) -> &dyn SendingDomainQueries {
        self
    }

    fn sends(&self) -> &dyn SendQueries {
        self
    }

    fn tracking(&self) -> &dyn TrackingQueries {
        self
    }

    fn transports(&self) -> &dyn TransportQueries {
        self
    }

    fn captured(&self) -> &dyn CapturedMailQueries {
        self
    }

    async fn begin(&self) -> Result<Box<dyn MessagingUnitOfWork>, StoreError> {
        Ok(Box::new(SeaOrmUnitOfWork {
            txn: self.db.begin().await?,
            dialect: self.db.dialect(),
        }))
    }
}
