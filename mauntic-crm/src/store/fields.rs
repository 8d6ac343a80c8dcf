use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError};

use crate::{Field, FieldAlias, FieldType};

/// Reads custom fields.
#[async_trait]
pub trait FieldQueries: Send + Sync {
    /// The organisation's own fields, by position and alias.
    async fn list_custom(&self, organization: OrganizationId) -> Result<Vec<Field>, StoreError>;

    /// The names of the segments whose rules read a field, in order.
    async fn segments_reading(
        &self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<Vec<String>, StoreError>;
}

/// Changes custom fields.
#[async_trait]
pub trait FieldRepository: Send {
    /// The organisation's own fields, by position and alias.
    async fn list_custom(&mut self, organization: OrganizationId)
    -> Result<Vec<Field>, StoreError>;

    /// The names of the segments whose rules read a field, in order.
    async fn segments_reading(
        &mut self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<Vec<String>, StoreError>;

    /// Adds a field. A taken alias is [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(
        &mut self,
        organization: OrganizationId,
        field: &Field,
    ) -> Result<(), StoreError>;

    /// Replaces a field; an unknown one is [`StoreError::Missing`].
    async fn update(
        &mut self,
        organization: OrganizationId,
        field: &Field,
    ) -> Result<(), StoreError>;

    /// Deletes a field, and its value and keys on every contact. An unknown one is
    /// [`StoreError::Missing`].
    async fn delete(
        &mut self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<(), StoreError>;
}

/// The indexes that make rules on a field fast. One serves every organisation that has a field of
/// that alias and type. Not part of a transaction, since it can take long on large tables.
#[async_trait]
pub trait FieldIndexes: Send + Sync {
    /// Makes the index, unless it is there.
    async fn create(&self, alias: &FieldAlias, field_type: FieldType) -> Result<(), StoreError>;

    /// Drops the index, unless a field of any organisation still wants it.
    async fn drop_unused(
        &self,
        alias: &FieldAlias,
        field_type: FieldType,
    ) -> Result<(), StoreError>;
}
