use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Keeps how many members segments had, by day.
pub(super) struct GrowthMigration;

impl MigrationName for GrowthMigration {
    fn name(&self) -> &'static str {
        "m0007_growth"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for GrowthMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let uuid = Dialect::of(manager).type_name(SqlType::Uuid);
        let table = format!(
            "CREATE TABLE segment_day (
                organization_id {uuid} NOT NULL, segment_id {uuid} NOT NULL, day INTEGER NOT NULL,
                members BIGINT NOT NULL, PRIMARY KEY (organization_id, segment_id, day))"
        );
        execute(manager, &[table]).await
    }
}
