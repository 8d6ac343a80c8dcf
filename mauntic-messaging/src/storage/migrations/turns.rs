use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// When it is a send's turn to be planned.
pub(super) struct Turns;

impl MigrationName for Turns {
    fn name(&self) -> &'static str {
        "m0080_turns"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Turns {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "ALTER TABLE send_job ADD COLUMN plan_at BIGINT NOT NULL DEFAULT 0";
        run(manager, &[statement.to_owned()]).await
    }
}
