use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// Who left a mailing list is shown to the organisation.
pub(super) struct Exits;

impl MigrationName for Exits {
    fn name(&self) -> &'static str {
        "m0120_exits"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Exits {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "ALTER TABLE list_exit ADD COLUMN address_key TEXT",
            "CREATE INDEX list_exit_at ON list_exit (organization_id, at, address_hash, segment_id)",
        ];
        run(manager, &statements.map(str::to_owned)).await
    }
}
