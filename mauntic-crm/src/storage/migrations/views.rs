use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Creates saved views of the list of contacts.
pub(super) struct ViewsMigration;

impl MigrationName for ViewsMigration {
    fn name(&self) -> &'static str {
        "m0009_saved_views"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ViewsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let uuid = Dialect::of(manager).type_name(SqlType::Uuid);
        let statements = [
            format!(
                "CREATE TABLE saved_view (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    name TEXT NOT NULL, name_key TEXT NOT NULL, query TEXT NOT NULL,
                    owner_id {uuid}, created_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id))"
            ),
            "CREATE INDEX saved_view_name ON saved_view (organization_id, name_key)".to_owned(),
        ];
        execute(manager, &statements).await
    }
}
