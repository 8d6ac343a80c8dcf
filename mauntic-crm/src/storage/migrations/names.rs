use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::{dialect, execute};

/// Lists contacts by their names, and finds them by both at once.
pub(super) struct NamesMigration;

impl MigrationName for NamesMigration {
    fn name(&self) -> &'static str {
        "m0013_names"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for NamesMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let name = |alias: &str| dialect(manager).ascii_lower(&format!("fields ->> '{alias}'"));
        let (first, last) = (name("firstname"), name("lastname"));
        let statements = [
            format!(
                "CREATE INDEX contact_name ON contact (organization_id, {last}, (COALESCE({first}, '')), id)"
            ),
            // The new one serves all that it did.
            "DROP INDEX contact_lastname".to_owned(),
        ];
        execute(manager, &statements).await
    }
}
