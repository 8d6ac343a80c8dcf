use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{run, types};

pub(super) struct Emails;

impl MigrationName for Emails {
    fn name(&self) -> &'static str {
        "m0010_emails"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Emails {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let types = types(manager);
        let statements = [];
        run(manager, &statements).await
    }
}
