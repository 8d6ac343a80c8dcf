use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Finds the imports and changes of many of an organisation that have not ended, however many there were since.
pub(super) struct UnfinishedMigration;

impl MigrationName for UnfinishedMigration {
    fn name(&self) -> &'static str {
        "m0016_unfinished"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for UnfinishedMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let indexes = ["import", "bulk_change"].map(|table| {
            format!(
                "CREATE INDEX {table}_unfinished ON {table} (organization_id, id)
                 WHERE state IN ('pending', 'running', 'paused')"
            )
        });
        execute(manager, &indexes).await
    }
}
