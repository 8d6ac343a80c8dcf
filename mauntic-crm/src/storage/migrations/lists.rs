use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Lets segments be mailing lists.
pub(super) struct ListsMigration;

impl MigrationName for ListsMigration {
    fn name(&self) -> &'static str {
        "m0006_lists"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ListsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let statement = "ALTER TABLE segment ADD COLUMN list_name TEXT";
        execute(manager, &[statement.to_owned()]).await
    }
}
