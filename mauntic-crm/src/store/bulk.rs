use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{OrganizationId, Page, PageSize, StoreError, WorkerId};

use crate::bulk::{BulkChange, BulkChangeId};

/// Reads changes of many. Ids of another organisation are as good as unknown.
#[async_trait]
pub trait BulkQueries: Send + Sync {
    /// One change.
    async fn find(
        &self,
        organization: OrganizationId,
        id: BulkChangeId,
    ) -> Result<Option<BulkChange>, StoreError>;

    /// One page of the changes, the latest first.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<BulkChangeId>,
        size: PageSize,
    ) -> Result<Page<BulkChange, BulkChangeId>, StoreError>;

    /// Whether a change, of any organisation, waits for a worker.
    async fn has_waiting(&self, now: DateTime<Utc>) -> Result<bool, StoreError>;
}

/// Changes changes of many.
#[async_trait]
pub trait BulkRepository: Send {
    /// Adds one.
    async fn insert(&mut self, change: &BulkChange) -> Result<(), StoreError>;

    /// Takes the oldest that waits, or whose worker is gone, of any organisation, until `lease_until`.
    async fn claim(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<BulkChange>, StoreError>;

    /// Saves how far one is; `false`, and nothing is saved, if it is not the worker's any more.
    async fn save_progress(
        &mut self,
        change: &BulkChange,
        worker: WorkerId,
    ) -> Result<bool, StoreError>;

    /// Stops one that has not ended; `false` if there is no such.
    async fn cancel(
        &mut self,
        organization: OrganizationId,
        id: BulkChangeId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
}
