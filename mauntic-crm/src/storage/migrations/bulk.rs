use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Creates changes of many contacts.
pub(super) struct BulkMigration;

impl MigrationName for BulkMigration {
    fn name(&self) -> &'static str {
        "m0008_bulk_changes"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for BulkMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let dialect = Dialect::of(manager);
        let uuid = dialect.type_name(SqlType::Uuid);
        let json = dialect.type_name(SqlType::Json);
        let statements = [
            format!(
                "CREATE TABLE bulk_change (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    state TEXT NOT NULL, plan {json} NOT NULL,
                    total BIGINT NOT NULL, done BIGINT NOT NULL, refused BIGINT NOT NULL,
                    problem TEXT, cursor_id {uuid}, worker_id {uuid}, lease_until BIGINT,
                    created_at BIGINT NOT NULL, finished_at BIGINT,
                    PRIMARY KEY (organization_id, id))"
            ),
            "CREATE INDEX bulk_change_open ON bulk_change (created_at)
             WHERE state IN ('pending', 'running')"
                .to_owned(),
        ];
        execute(manager, &statements).await
    }
}
