use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{run, types};

pub(super) struct Tracking;

impl MigrationName for Tracking {
    fn name(&self) -> &'static str {
        "m0030_tracking"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Tracking {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let _ = types(manager);
        let statements = [];
        run(manager, &statements).await
    }
}
