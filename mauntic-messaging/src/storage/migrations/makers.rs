use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// Who made a send, who is told what becomes of it.
pub(super) struct Makers;

impl MigrationName for Makers {
    fn name(&self) -> &'static str {
        "m0160_makers"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Makers {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = ["ALTER TABLE send_job ADD COLUMN made_by TEXT"];
        run(manager, &statements.map(str::to_owned)).await
    }
}
