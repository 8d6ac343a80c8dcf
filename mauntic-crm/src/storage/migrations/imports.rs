use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Creates imports, what they read and what they report.
pub(super) struct ImportsMigration;

impl MigrationName for ImportsMigration {
    fn name(&self) -> &'static str {
        "m0004_imports"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ImportsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let dialect = Dialect::of(manager);
        let uuid = dialect.type_name(SqlType::Uuid);
        let json = dialect.type_name(SqlType::Json);
        let bytes = dialect.type_name(SqlType::Bytes);
        let statements = [
            format!(
                "CREATE TABLE import (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    state TEXT NOT NULL, fingerprint TEXT NOT NULL, plan {json} NOT NULL,
                    rows_read BIGINT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL,
                    unchanged BIGINT NOT NULL, failed BIGINT NOT NULL, duplicates BIGINT NOT NULL,
                    position BIGINT NOT NULL, line BIGINT NOT NULL, busy_micros BIGINT NOT NULL,
                    worker_id {uuid}, lease_until BIGINT, error TEXT,
                    created_at BIGINT NOT NULL, finished_at BIGINT,
                    PRIMARY KEY (organization_id, id))"
            ),
            "CREATE INDEX import_open ON import (created_at) WHERE state IN ('pending', 'running')"
                .to_owned(),
            format!(
                "CREATE TABLE import_data (
                    organization_id {uuid} NOT NULL, import_id {uuid} NOT NULL,
                    number BIGINT NOT NULL, created_at BIGINT NOT NULL, bytes {bytes} NOT NULL,
                    PRIMARY KEY (organization_id, import_id, number))"
            ),
            format!(
                "CREATE TABLE import_problem (
                    organization_id {uuid} NOT NULL, import_id {uuid} NOT NULL,
                    kind TEXT NOT NULL, line BIGINT NOT NULL, column_name TEXT, value TEXT,
                    reason TEXT NOT NULL, raw TEXT NOT NULL, other_line BIGINT,
                    PRIMARY KEY (organization_id, import_id, kind, line))"
            ),
        ];
        execute(manager, &statements).await
    }
}
