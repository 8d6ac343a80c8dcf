use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

/// Which link of which delivery was followed, begun with the clicks that are not forgotten yet.
pub(super) struct Followed;

impl MigrationName for Followed {
    fn name(&self) -> &'static str {
        "m0140_followed"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Followed {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, .. } = types(manager);
        let statements = [
            format!(
                "CREATE TABLE followed_link (
                    organization_id {uuid} NOT NULL, delivery_id {uuid} NOT NULL, link INTEGER NOT NULL,
                    machine BOOLEAN NOT NULL, version_id {uuid} NOT NULL, at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, delivery_id, link, machine))"
            ),
            "CREATE INDEX followed_link_people
                ON followed_link (organization_id, version_id, link, machine, delivery_id)"
                .to_owned(),
            // Kind 1 is a click.
            "INSERT INTO followed_link (organization_id, delivery_id, link, machine, version_id, at)
             SELECT organization_id, delivery_id, link, machine, version_id, MIN(at) FROM hit
             WHERE counted AND kind = 1 AND link IS NOT NULL
             GROUP BY organization_id, delivery_id, link, machine, version_id
             ON CONFLICT DO NOTHING"
                .to_owned(),
        ];
        run(manager, &statements).await
    }
}
