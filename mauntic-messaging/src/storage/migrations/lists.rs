use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

/// Which addresses left which mailing lists.
pub(super) struct Lists;

impl MigrationName for Lists {
    fn name(&self) -> &'static str {
        "m0050_lists"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Lists {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, .. } = types(manager);
        // By address, not by contact, for the same reasons as suppressions.
        let statement = format!(
            "CREATE TABLE list_exit (
                organization_id {uuid} NOT NULL, address_hash TEXT NOT NULL, segment_id {uuid} NOT NULL,
                at BIGINT NOT NULL, PRIMARY KEY (organization_id, address_hash, segment_id))"
        );
        run(manager, &[statement]).await
    }
}
