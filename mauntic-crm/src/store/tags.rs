use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, Page, PageSize, StoreError};
use serde::{Deserialize, Serialize};

use crate::Tag;

/// A tag and how many contacts have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagCount {
    /// The tag.
    pub tag: Tag,
    /// How many contacts have it.
    pub contacts: u64,
}

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

    /// Whether there is such a tag.
    async fn exists(&mut self, organization: OrganizationId, tag: &Tag)
    -> Result<bool, StoreError>;

    /// Takes a tag off up to `limit` contacts, puts another on instead if one is given, and returns
    /// the contacts, by id; none means that no contact has it any more.
    async fn replace_on_contacts(
        &mut self,
        organization: OrganizationId,
        tag: &Tag,
        by: Option<&Tag>,
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Forgets a tag that no contact has any more.
    async fn delete(&mut self, organization: OrganizationId, tag: &Tag) -> Result<(), StoreError>;
}
