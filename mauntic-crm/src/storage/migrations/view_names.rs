use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Lets nobody have two saved views of one name.
pub(super) struct ViewNamesMigration;

impl MigrationName for ViewNamesMigration {
    fn name(&self) -> &'static str {
        "m0011_view_names"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ViewNamesMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let statements = [
            // Of those that two tabs kept at the same moment, the later one stays.
            "DELETE FROM saved_view WHERE EXISTS (
                 SELECT 1 FROM saved_view later
                 WHERE later.organization_id = saved_view.organization_id
                   AND later.name_key = saved_view.name_key AND later.id > saved_view.id
                   AND (later.owner_id = saved_view.owner_id
                        OR (later.owner_id IS NULL AND saved_view.owner_id IS NULL)))",
            "CREATE UNIQUE INDEX saved_view_own ON saved_view (organization_id, owner_id, name_key)
             WHERE owner_id IS NOT NULL",
            "CREATE UNIQUE INDEX saved_view_shared ON saved_view (organization_id, name_key)
             WHERE owner_id IS NULL",
            "DROP INDEX saved_view_name",
        ];
        execute(manager, &statements.map(str::to_owned)).await
    }
}
