use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::run;

/// What is forgotten goes by age.
pub(super) struct Retention;

impl MigrationName for Retention {
    fn name(&self) -> &'static str {
        "m0040_retention"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Retention {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Workers look at all organisations.
        let statement = "CREATE INDEX captured_mail_age ON captured_mail (captured_at)";
        run(manager, &[statement.to_owned()]).await
    }
}
