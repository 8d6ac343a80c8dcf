use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Remembers which contacts were merged into which.
pub(super) struct MergesMigration;

impl MigrationName for MergesMigration {
    fn name(&self) -> &'static str {
        "m0005_merges"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for MergesMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let uuid = Dialect::of(manager).type_name(SqlType::Uuid);
        let statements = [
            format!(
                "CREATE TABLE contact_merge (
                    organization_id {uuid} NOT NULL, merged_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                    at BIGINT NOT NULL, PRIMARY KEY (organization_id, merged_id))"
            ),
            // Chains are shortened when the one who stayed is merged in turn.
            "CREATE INDEX contact_merge_contact ON contact_merge (organization_id, contact_id)"
                .to_owned(),
        ];
        execute(manager, &statements).await
    }
}
