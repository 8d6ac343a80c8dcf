use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Notes in the queue of changed contacts what changed; nothing stands for anything.
pub(super) struct FacetsMigration;

impl MigrationName for FacetsMigration {
    fn name(&self) -> &'static str {
        "m0005_facets"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for FacetsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let column = "ALTER TABLE segment_dirty ADD COLUMN facets TEXT".to_owned();
        execute(manager, &[column]).await
    }
}
