use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

/// Which links of a delivery were followed stays known when the hits are forgotten.
pub(super) struct Followed;

impl MigrationName for Followed {
    fn name(&self) -> &'static str {
        "m0110_followed"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Followed {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { json, .. } = types(manager);
        let array = match Dialect::of(manager) {
            Dialect::Postgres => "jsonb_agg",
            Dialect::Sqlite => "json_group_array",
        };
        let statements = [
            format!(
                "ALTER TABLE delivery_engagement ADD COLUMN followed {json} NOT NULL DEFAULT '[]'"
            ),
            format!(
                "UPDATE delivery_engagement SET followed = q.links FROM (
                     SELECT organization_id, delivery_id,
                         {array}(DISTINCT link * 2 + CASE WHEN machine THEN 1 ELSE 0 END) AS links
                     FROM hit WHERE counted AND kind = 1 AND link IS NOT NULL
                     GROUP BY organization_id, delivery_id) q
                 WHERE q.organization_id = delivery_engagement.organization_id
                 AND q.delivery_id = delivery_engagement.delivery_id"
            ),
        ];
        run(manager, &statements).await
    }
}
