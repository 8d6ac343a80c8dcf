use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// The people behind the numbers of an email are found by the email.
pub(super) struct Engaged;

impl MigrationName for Engaged {
    fn name(&self) -> &'static str {
        "m0070_engaged"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Engaged {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "CREATE INDEX delivery_engagement_email
            ON delivery_engagement (organization_id, email_id, delivery_id)";
        run(manager, &[statement.to_owned()]).await
    }
}
