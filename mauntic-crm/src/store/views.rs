use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError, UserId};

use crate::view::{SavedView, SavedViewId};

/// Reads saved views.
#[async_trait]
pub trait ViewQueries: Send + Sync {
    /// Those of everybody and of a user, by name.
    async fn list(
        &self,
        organization: OrganizationId,
        user: Option<UserId>,
    ) -> Result<Vec<SavedView>, StoreError>;
}

/// Changes saved views.
#[async_trait]
pub trait ViewRepository: Send {
    /// Adds one; or gives the one that its owner has under that name what it shows. Returns it as it is kept.
    async fn put(&mut self, view: &SavedView) -> Result<SavedView, StoreError>;

    /// Forgets one; `false` if there is none.
    async fn forget(
        &mut self,
        organization: OrganizationId,
        id: SavedViewId,
    ) -> Result<bool, StoreError>;
}
