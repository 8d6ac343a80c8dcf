use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// That somebody unsubscribed stays known when a stronger reason for the suppression comes.
pub(super) struct Wishes;

impl MigrationName for Wishes {
    fn name(&self) -> &'static str {
        "m0090_wishes"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Wishes {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "ALTER TABLE suppression ADD COLUMN unsubscribed_at BIGINT",
            "UPDATE suppression SET unsubscribed_at = created_at WHERE reason = 'unsubscribed'",
        ];
        run(manager, &statements.map(str::to_owned)).await
    }
}
