use mauntic_core::storage::{Dialect, SqlType};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};

use super::execute;

/// Creates segments, their members, and the engagement facts that rules read.
pub(super) struct SegmentsMigration;

impl MigrationName for SegmentsMigration {
    fn name(&self) -> &'static str {
        "m0003_segments"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for SegmentsMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let dialect = Dialect::of(manager);
        execute(manager, &segment_tables(dialect)).await?;
        execute(manager, &work_tables(dialect)).await
    }
}

fn segment_tables(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    vec![
        format!(
            "CREATE TABLE segment (
                organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                name TEXT NOT NULL, name_key TEXT NOT NULL, description TEXT NOT NULL,
                kind TEXT NOT NULL, rule {json}, uses_time BOOLEAN NOT NULL,
                version BIGINT NOT NULL, member_count BIGINT NOT NULL,
                built_at BIGINT, next_rebuild_at BIGINT,
                build_started_at BIGINT, build_cursor {uuid},
                build_added BIGINT NOT NULL, build_removed BIGINT NOT NULL,
                lease_owner {uuid}, lease_until BIGINT,
                created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, id))"
        ),
        "CREATE UNIQUE INDEX segment_name ON segment (organization_id, name_key)".to_owned(),
        "CREATE INDEX segment_due ON segment (next_rebuild_at) WHERE next_rebuild_at IS NOT NULL"
            .to_owned(),
        "CREATE INDEX segment_building ON segment (lease_until) WHERE build_started_at IS NOT NULL"
            .to_owned(),
        format!(
            "CREATE TABLE segment_member (
                organization_id {uuid} NOT NULL, segment_id {uuid} NOT NULL,
                contact_id {uuid} NOT NULL, origin SMALLINT NOT NULL, added_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, segment_id, contact_id))"
        ),
        "CREATE INDEX segment_member_contact ON segment_member (organization_id, contact_id)"
            .to_owned(),
    ]
}

fn work_tables(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let sequence = dialect.numbered_key();
    vec![
        format!(
            "CREATE TABLE engagement (
                organization_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                kind TEXT NOT NULL, subject_id {uuid} NOT NULL, machine BOOLEAN NOT NULL,
                day INTEGER NOT NULL, count BIGINT NOT NULL,
                PRIMARY KEY (organization_id, contact_id, kind, subject_id, machine, day))"
        ),
        // A queue: each change adds a row, so that writers never wait for whoever works it off, and
        // a change that comes while its contact is being checked is not lost.
        format!(
            "CREATE TABLE segment_dirty (
                organization_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                since BIGINT NOT NULL, position {sequence})"
        ),
        "CREATE INDEX segment_dirty_contact ON segment_dirty (organization_id, contact_id)"
            .to_owned(),
        // Whoever changes memberships by rule locks the organisation's row here.
        format!("CREATE TABLE segment_gate (organization_id {uuid} NOT NULL PRIMARY KEY)"),
    ]
}
