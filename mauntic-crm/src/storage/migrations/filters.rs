use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Lists contacts by who is in charge of them, by their stage, and by who may not be contacted.
pub(super) struct FiltersMigration;

impl MigrationName for FiltersMigration {
    fn name(&self) -> &'static str {
        "m0015_filters"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for FiltersMigration {
    fn use_transaction(&self) -> Option<bool> {
        // Nobody is to wait until large lists have their indexes.
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        // Many lists have neither owners nor stages, and are not to pay for them.
        let indexes = [
            (
                "contact_owner",
                "contact (organization_id, owner_id, id) WHERE owner_id IS NOT NULL",
            ),
            (
                "contact_stage",
                "contact (organization_id, stage, id) WHERE stage IS NOT NULL",
            ),
            (
                "do_not_contact_channel",
                "do_not_contact (organization_id, channel, contact_id)",
            ),
        ];
        let dialect = Dialect::of(manager);
        for (name, on) in indexes {
            execute(manager, &dialect.index_anew(name, on)).await?;
        }
        Ok(())
    }
}
