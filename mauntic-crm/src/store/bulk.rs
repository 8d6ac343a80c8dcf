use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{OrganizationId, Page, PageSize, StoreError, WorkerId};

use crate::bulk::{BulkChange, BulkChangeId, BulkEntry, BulkState};

/// Reads changes of many. Ids of another organisation are as good as unknown.
#[async_trait]
pub trait BulkQueries: Send + Sync {
    /// One change.
    async fn find(
        &self,
        organization: OrganizationId,
        id: BulkChangeId,
    ) -> Result<Option<BulkChange>, StoreError>;

    /// One page of the changes, the latest first, without whom they are about.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<BulkChangeId>,
        size: PageSize,
    ) -> Result<Page<BulkEntry, BulkChangeId>, StoreError>;

    /// Up to a page of the changes that have not ended, the latest first, without whom they are about.
    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<BulkEntry>, StoreError>;

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

    /// Brings one from one of some states to another, after which no worker has it; `false`, and nothing is
    /// changed, if it is in none of them.
    async fn change_state(
        &mut self,
        organization: OrganizationId,
        id: BulkChangeId,
        from: &[BulkState],
        to: BulkState,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
}
