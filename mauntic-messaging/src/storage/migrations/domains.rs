use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

/// Counters of emails by recipient domain, begun with what the ledger says.
pub(super) struct Domains;

impl MigrationName for Domains {
    fn name(&self) -> &'static str {
        "m0150_domains"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Domains {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, .. } = types(manager);
        let dialect = Dialect::of(manager);
        let count = |condition: &str| format!("SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)");
        let counts = [
            "d.state = 'accepted'",
            "d.state = 'refused'",
            "d.deferrals > 0 AND d.state IN ('planned', 'deferred', 'leased', 'handed_over')",
            "e.human_open_at IS NOT NULL",
            "e.human_click_at IS NOT NULL",
        ];
        let statements = [
            format!(
                "CREATE TABLE domain_count (
                    organization_id {uuid} NOT NULL, email_id {uuid} NOT NULL, domain TEXT NOT NULL,
                    shard SMALLINT NOT NULL, planned BIGINT NOT NULL, accepted BIGINT NOT NULL,
                    refused BIGINT NOT NULL, deferred BIGINT NOT NULL, opened BIGINT NOT NULL,
                    clicked BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, email_id, domain, shard))"
            ),
            format!(
                "INSERT INTO domain_count (organization_id, email_id, domain, shard,
                    planned, accepted, refused, deferred, opened, clicked)
                 SELECT d.organization_id, d.email_id, {} AS domain, 0, COUNT(*), {}
                 FROM delivery d LEFT JOIN delivery_engagement e
                 ON e.organization_id = d.organization_id AND e.delivery_id = d.id
                 WHERE d.state <> 'skipped' GROUP BY 1, 2, 3",
                dialect.after_last("COALESCE(d.address, '')", '@'),
                counts.map(count).join(", ")
            ),
        ];
        run(manager, &statements).await
    }
}
