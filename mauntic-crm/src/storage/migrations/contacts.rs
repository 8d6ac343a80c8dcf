use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Creates contacts with their keys, history and do-not-contact marks, fields and tags.
pub(super) struct ContactsMigration;

impl MigrationName for ContactsMigration {
    fn name(&self) -> &'static str {
        "m0002_contacts"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for ContactsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let dialect = Dialect::of(manager);
        execute(manager, &contact_tables(dialect)).await?;
        execute(manager, &contact_indexes(dialect)).await?;
        execute(manager, &definition_tables(dialect)).await
    }
}

fn contact_tables(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    // Addresses sort and compare byte by byte on both back ends, so that a range finds a prefix.
    let bytewise = dialect.collated_bytewise();
    vec![
        format!(
            "CREATE TABLE contact (
                organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                email TEXT, email_key TEXT {bytewise},
                fields {json} NOT NULL DEFAULT '{{}}', tags {json} NOT NULL DEFAULT '[]',
                owner_id {uuid}, stage TEXT, points BIGINT NOT NULL DEFAULT 0,
                last_active_at BIGINT, identified_at BIGINT,
                created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
                version BIGINT NOT NULL, origin TEXT NOT NULL,
                PRIMARY KEY (organization_id, id))"
        ),
        format!(
            "CREATE TABLE do_not_contact (
                organization_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                channel TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL,
                comment TEXT NOT NULL, created_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, contact_id, channel))"
        ),
        format!(
            "CREATE TABLE contact_key (
                organization_id {uuid} NOT NULL, field TEXT NOT NULL,
                value_key TEXT {bytewise} NOT NULL, contact_id {uuid} NOT NULL,
                PRIMARY KEY (organization_id, field, value_key))"
        ),
        format!(
            "CREATE TABLE contact_change (
                organization_id {uuid} NOT NULL, id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                at BIGINT NOT NULL, actor {json} NOT NULL, source TEXT NOT NULL,
                changes {json} NOT NULL,
                PRIMARY KEY (organization_id, contact_id, id))"
        ),
    ]
}

fn contact_indexes(dialect: Dialect) -> Vec<String> {
    let firstname = dialect.ascii_lower("fields ->> 'firstname'");
    let lastname = dialect.ascii_lower("fields ->> 'lastname'");
    let mut indexes = vec![
        "CREATE UNIQUE INDEX contact_email ON contact (organization_id, email_key)".to_owned(),
        "CREATE INDEX contact_without_email ON contact (organization_id, id) WHERE email_key IS NULL"
            .to_owned(),
        "CREATE INDEX contact_updated ON contact (organization_id, updated_at, id)".to_owned(),
        "CREATE INDEX contact_active ON contact (organization_id, last_active_at, id)
         WHERE last_active_at IS NOT NULL"
            .to_owned(),
        format!("CREATE INDEX contact_firstname ON contact (organization_id, {firstname})"),
        format!("CREATE INDEX contact_lastname ON contact (organization_id, {lastname})"),
        "CREATE INDEX contact_key_contact ON contact_key (organization_id, contact_id)".to_owned(),
    ];
    if dialect == Dialect::Postgres {
        // Rare tags among many contacts; SQLite has no index into JSON arrays.
        indexes.push(
            "CREATE INDEX contact_tags ON contact USING gin (tags jsonb_path_ops)".to_owned(),
        );
    }
    indexes
}

fn definition_tables(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    let bytewise = dialect.collated_bytewise();
    vec![
        format!(
            "CREATE TABLE tag (
                organization_id {uuid} NOT NULL, name TEXT {bytewise} NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, name))"
        ),
        format!(
            "CREATE TABLE field (
                organization_id {uuid} NOT NULL, alias TEXT NOT NULL, field_type TEXT NOT NULL,
                indexed BOOLEAN NOT NULL, position BIGINT NOT NULL, definition {json} NOT NULL,
                PRIMARY KEY (organization_id, alias))"
        ),
    ]
}
