use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// What was sent to a contact is found when the contact is deleted.
pub(super) struct Erasure;

impl MigrationName for Erasure {
    fn name(&self) -> &'static str {
        "m0100_erasure"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Erasure {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            // The other states have `delivery_once`.
            "CREATE INDEX delivery_left_out ON delivery (organization_id, contact_id)
             WHERE state = 'skipped'",
            "CREATE INDEX captured_mail_delivery ON captured_mail (organization_id, delivery_id)",
        ];
        run(manager, &statements.map(str::to_owned)).await
    }
}
