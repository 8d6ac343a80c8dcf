use std::{sync::Arc, time::Duration};

use mauntic_core::{EmailVersionId, OrganizationId, StoreError};
use moka::future::Cache;

use super::EmailVersion;
use crate::MessagingStore;

/// Most versions that are kept ready.
const CAPACITY: u64 = 500;
/// A version that nobody asks for is dropped after this time.
const IDLE: Duration = Duration::from_hours(1);

/// Versions of emails, kept ready to render. They never change, so they are never out of date.
#[derive(Clone)]
pub struct EmailVersions {
    store: Arc<dyn MessagingStore>,
    ready: Cache<(OrganizationId, EmailVersionId), Arc<EmailVersion>>,
}

impl EmailVersions {
    /// The versions in a store.
    #[must_use]
    pub fn new(store: Arc<dyn MessagingStore>) -> Self {
        let ready = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_idle(IDLE)
            .build();
        Self { store, ready }
    }

    /// The version with that id; `None` if the organisation has none.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn get(
        &self,
        organization: OrganizationId,
        id: EmailVersionId,
    ) -> Result<Option<Arc<EmailVersion>>, StoreError> {
        let key = (organization, id);
        if let Some(ready) = self.ready.get(&key).await {
            return Ok(Some(ready));
        }
        let Some(version) = self.store.emails().find_version(organization, id).await? else {
            return Ok(None);
        };
        let version = Arc::new(version);
        self.ready.insert(key, Arc::clone(&version)).await;
        Ok(Some(version))
    }
}
