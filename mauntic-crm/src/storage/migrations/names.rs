use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

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
        // Of long names the beginning: PostgreSQL keeps no more than 2,704 bytes of a row in an index.
        let name = |alias: &str| {
            let name = Dialect::of(manager).ascii_lower(&format!("fields ->> '{alias}'"));
            format!("substr({name}, 1, 100)")
        };
        let (first, last) = (
            format!("COALESCE({}, '')", name("firstname")),
            name("lastname"),
        );
        let statements = [
            format!(
                "CREATE INDEX contact_name ON contact (organization_id, ({last}), ({first}), id)"
            ),
            format!("CREATE INDEX contact_first_name ON contact (organization_id, ({first}))"),
            // The new ones serve all that these did.
            "DROP INDEX contact_lastname".to_owned(),
            "DROP INDEX contact_firstname".to_owned(),
        ];
        execute(manager, &statements).await
    }
}
