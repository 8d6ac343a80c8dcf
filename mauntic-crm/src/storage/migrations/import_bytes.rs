use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Knows how much of its file an import has read, also where the bytes of the file are not those of the text.
pub(super) struct ImportBytesMigration;

impl MigrationName for ImportBytesMigration {
    fn name(&self) -> &'static str {
        "m0014_import_bytes"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ImportBytesMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let add = "ALTER TABLE import ADD COLUMN raw_position BIGINT NOT NULL DEFAULT 0".to_owned();
        execute(manager, &[add]).await
    }
}
