use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, Page, PageSize, StoreError};

use crate::Tag;

/// Reads tags.
#[async_trait]
pub trait TagQueries: Send + Sync {
    /// One page of the tags of an organisation, by name.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<&Tag>,
        size: PageSize,
    ) -> Result<Page<Tag, Tag>, StoreError>;

    /// Whether there is such a tag.
    async fn exists(&self, organization: OrganizationId, tag: &Tag) -> Result<bool, StoreError>;

    /// How many contacts have the tag.
    async fn count(&self, organization: OrganizationId, tag: &Tag) -> Result<u64, StoreError>;
}

/// Changes tags.
#[async_trait]
pub trait TagRepository: Send {
    /// Adds those tags that are not there yet.
    async fn add(
        &mut self,
        organization: OrganizationId,
        tags: &[Tag],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Up to `limit` contacts with the tag, by id, behind one of them.
    async fn contacts_with(
        &mut self,
        organization: OrganizationId,
        tag: &Tag,
        after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Forgets a tag; `false` if there is none. Contacts keep theirs.
    async fn delete(&mut self, organization: OrganizationId, tag: &Tag)
    -> Result<bool, StoreError>;
}
