use std::sync::Arc;

use async_trait::async_trait;

use super::{IdentityStore, Organization};
use crate::{OrganizationId, Standing, StoreError};

/// The standing of the organisations of a store, as of the moment that it is asked for.
pub struct IdentityStanding(Arc<dyn IdentityStore>);

impl IdentityStanding {
    /// The standing of those in that store.
    #[must_use]
    pub fn new(store: Arc<dyn IdentityStore>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Standing for IdentityStanding {
    async fn is_active(&self, organization: OrganizationId) -> Result<bool, StoreError> {
        let found = self.0.organizations().find(organization).await?;
        Ok(found.as_ref().is_some_and(Organization::is_active))
    }
}
