use async_trait::async_trait;

use crate::{OrganizationId, StoreError};

/// Knows whether work is to be done for an organisation: no worker sends, runs or publishes anything for one that is
/// blocked, or that waits to be deleted. Asked before each piece of work, so that a block takes effect at once.
#[async_trait]
pub trait Standing: Send + Sync {
    /// Whether the organisation is there, not blocked, and not to be deleted.
    async fn is_active(&self, organization: OrganizationId) -> Result<bool, StoreError>;
}

/// What long work says that was paused because its organisation is not at work. Somebody has to resume it: what was wanted
/// weeks ago is not wanted by itself once an organisation is back.
pub const CLOSED: &str = "the organisation was blocked, or was to be deleted";

/// Every organisation is at work: for programs that have only their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysActive;

#[async_trait]
impl Standing for AlwaysActive {
    async fn is_active(&self, _: OrganizationId) -> Result<bool, StoreError> {
        Ok(true)
    }
}
