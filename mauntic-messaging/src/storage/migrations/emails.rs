use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

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
        let Types { uuid, json, .. } = types(manager);
        let statements = [
            format!(
                "CREATE TABLE email (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    name TEXT NOT NULL, name_key TEXT NOT NULL,
                    version BIGINT NOT NULL, current_version_id {uuid} NOT NULL,
                    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT,
                    PRIMARY KEY (organization_id, id))"
            ),
            "CREATE UNIQUE INDEX email_name ON email (organization_id, name_key) WHERE deleted_at IS NULL"
                .to_owned(),
            "CREATE INDEX email_updated ON email (organization_id, updated_at, id)".to_owned(),
            format!(
                "CREATE TABLE email_version (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL, email_id {uuid} NOT NULL,
                    number BIGINT NOT NULL, source {json} NOT NULL, compiled {json} NOT NULL,
                    created_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id), UNIQUE (organization_id, email_id, number))"
            ),
            format!(
                "CREATE TABLE suppression (
                    organization_id {uuid} NOT NULL, address_hash TEXT NOT NULL, address_key TEXT,
                    reason TEXT NOT NULL, source TEXT NOT NULL, note TEXT, created_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, address_hash))"
            ),
            "CREATE INDEX suppression_created ON suppression (organization_id, created_at, address_hash)"
                .to_owned(),
            format!(
                "CREATE TABLE sending_domain (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL, domain TEXT NOT NULL,
                    return_path TEXT NOT NULL, keys {json} NOT NULL,
                    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id), UNIQUE (organization_id, domain))"
            ),
        ];
        run(manager, &statements).await
    }
}
