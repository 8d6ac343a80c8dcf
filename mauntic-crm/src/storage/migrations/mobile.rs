use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Finds contacts by the number of their mobile phone.
pub(super) struct MobileMigration;

impl MigrationName for MobileMigration {
    fn name(&self) -> &'static str {
        "m0012_mobile"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for MobileMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let mobile = Dialect::of(manager).ascii_lower("fields ->> 'mobile'");
        // Many lists have none, and are not to pay for it.
        let index = format!(
            "CREATE INDEX contact_mobile ON contact (organization_id, {mobile}) WHERE {mobile} IS NOT NULL"
        );
        execute(manager, &[index]).await
    }
}
