use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

/// Counters by the hour, begun with what the ledger and the flags of deliveries say.
pub(super) struct Hours;

impl MigrationName for Hours {
    fn name(&self) -> &'static str {
        "m0060_hours"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Hours {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, .. } = types(manager);
        let mut statements = vec![format!(
            "CREATE TABLE hour_count (
                organization_id {uuid} NOT NULL, hour BIGINT NOT NULL, name TEXT NOT NULL,
                machine BOOLEAN NOT NULL, shard SMALLINT NOT NULL, n BIGINT NOT NULL,
                PRIMARY KEY (organization_id, hour, name, machine, shard))"
        )];
        let sent = [("accepted", "'accepted'"), ("refused", "'refused'")];
        statements.extend(sent.map(|(name, state)| {
            let from = format!("delivery WHERE state = {state}");
            begin("updated_at", name, "FALSE", &from)
        }));
        let firsts = [
            ("opened", "FALSE", "human_open_at"),
            ("opened", "TRUE", "machine_open_at"),
            ("clicked", "FALSE", "human_click_at"),
            ("clicked", "TRUE", "machine_click_at"),
            ("unsubscribed", "FALSE", "unsubscribed_at"),
        ];
        statements.extend(firsts.map(|(name, machine, at)| {
            let from = format!("delivery_engagement WHERE {at} IS NOT NULL");
            begin(at, name, machine, &from)
        }));
        run(manager, &statements).await
    }
}

/// Counts rows by the hour of an instant, in microseconds.
fn begin(at: &str, name: &str, machine: &str, from: &str) -> String {
    format!(
        "INSERT INTO hour_count (organization_id, hour, name, machine, shard, n)
         SELECT organization_id, {at} / 3600000000, '{name}', {machine}, 0, COUNT(*) FROM {from}
         GROUP BY 1, 2"
    )
}
