use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// Sends that go by the clocks of their recipients.
pub(super) struct LocalTime;

impl MigrationName for LocalTime {
    fn name(&self) -> &'static str {
        "m0130_local_time"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for LocalTime {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            // What the clocks show, as if it were UTC, and the zone of those whose own is not known.
            "ALTER TABLE send_job ADD COLUMN local_time BIGINT",
            "ALTER TABLE send_job ADD COLUMN local_zone TEXT",
        ];
        run(manager, &statements.map(str::to_owned)).await
    }
}
