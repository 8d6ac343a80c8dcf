use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// When it is a send's turn to be planned; and what is still to be sent to a segment is found by it.
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
        let statements = [
            "ALTER TABLE send_job ADD COLUMN plan_at BIGINT NOT NULL DEFAULT 0",
            "CREATE INDEX send_job_segment ON send_job (organization_id, segment_id)
             WHERE finished_at IS NULL",
        ];
        run(manager, &statements.map(str::to_owned)).await
    }
}
