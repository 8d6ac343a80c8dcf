use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Counts contacts by the hour they were added, from those that are there.
pub(super) struct ContactHoursMigration;

impl MigrationName for ContactHoursMigration {
    fn name(&self) -> &'static str {
        "m0010_contact_hours"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ContactHoursMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let uuid = Dialect::of(manager).type_name(SqlType::Uuid);
        let table = format!(
            "CREATE TABLE contact_hour (
                organization_id {uuid} NOT NULL, hour BIGINT NOT NULL, shard SMALLINT NOT NULL,
                n BIGINT NOT NULL,
                PRIMARY KEY (organization_id, hour, shard))"
        );
        let begin = "INSERT INTO contact_hour (organization_id, hour, shard, n)
             SELECT organization_id, created_at / 3600000000, 0, COUNT(*) FROM contact GROUP BY 1, 2"
            .to_owned();
        execute(manager, &[table, begin]).await
    }
}
