use async_trait::async_trait;

use crate::{OrganizationId, StoreError};

/// Erases what a context has of an organisation that is deleted.
#[async_trait]
pub trait Eraser: Send + Sync {
    /// Deletes some of the rows; returns how many, 0 once none is left. `limit` bounds a transaction. Whoever is cut off
    /// in between calls it again.
    async fn erase_some(&self, organization: OrganizationId, limit: u64)
    -> Result<u64, StoreError>;
}
