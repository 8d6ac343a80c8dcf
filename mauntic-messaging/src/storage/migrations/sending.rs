use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{run, types};

pub(super) struct Sending;

impl MigrationName for Sending {
    fn name(&self) -> &'static str {
        "m0020_sending"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Sending {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let _ = types(manager);
        let statements = [];
        run(manager, &statements).await
    }
}
