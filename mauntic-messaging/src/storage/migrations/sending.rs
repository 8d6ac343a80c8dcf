use mauntic_core::storage::Dialect;
use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

pub(super) struct Sending;

impl MigrationName for Sending {
    fn name(&self) -> &'static str {
        "m0020_sending"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Sending {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, bytes, json } = types(manager);
        let statements = [
            format!(
                "CREATE TABLE send_job (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    email_id {uuid} NOT NULL, email_version_id {uuid} NOT NULL, segment_id {uuid} NOT NULL,
                    lane TEXT NOT NULL, state TEXT NOT NULL, scheduled_at BIGINT NOT NULL,
                    plan_cursor {uuid}, planned BOOLEAN NOT NULL, planner {uuid},
                    started_at BIGINT, finished_at BIGINT, note TEXT, created_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id))"
            ),
            "CREATE INDEX send_job_email ON send_job (organization_id, email_id, id)".to_owned(),
            // Workers look for work in all organisations.
            "CREATE INDEX send_job_open ON send_job (state, scheduled_at) WHERE finished_at IS NULL"
                .to_owned(),
            format!(
                "CREATE TABLE send_count (
                    organization_id {uuid} NOT NULL, job_id {uuid} NOT NULL, shard SMALLINT NOT NULL,
                    name TEXT NOT NULL, n BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, job_id, shard, name))"
            ),
            format!(
                "CREATE TABLE delivery (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL, job_id {uuid} NOT NULL,
                    email_id {uuid} NOT NULL, email_version_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                    channel TEXT NOT NULL, occurrence TEXT NOT NULL, lane TEXT NOT NULL,
                    address TEXT, address_hash TEXT, state TEXT NOT NULL, skip_reason TEXT,
                    worker_id {uuid}, deferrals BIGINT NOT NULL, first_attempt_at BIGINT,
                    next_attempt_at BIGINT NOT NULL, bounce_class TEXT, reply TEXT, updated_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id)){}",
                // Each row is updated three times; room on its page keeps the updates there.
                Dialect::of(manager).storage_options("fillfactor = 60")
            ),
            // Nobody is mailed twice. It leads with the contact, so that it serves timelines too.
            "CREATE UNIQUE INDEX delivery_once ON delivery
                (organization_id, contact_id, email_id, channel, occurrence) WHERE state <> 'skipped'"
                .to_owned(),
            "CREATE UNIQUE INDEX delivery_address ON delivery (organization_id, job_id, address_hash)
                WHERE state <> 'skipped'"
                .to_owned(),
            "CREATE INDEX delivery_due ON delivery (organization_id, job_id, next_attempt_at, id)
                WHERE state IN ('planned', 'deferred')"
                .to_owned(),
            "CREATE INDEX delivery_state ON delivery (organization_id, job_id, state, id)".to_owned(),
            // What a worker holds, over all organisations.
            "CREATE INDEX delivery_held ON delivery (worker_id) WHERE state IN ('leased', 'handed_over')"
                .to_owned(),
            format!(
                "CREATE TABLE worker (id {uuid} NOT NULL PRIMARY KEY,
                    started_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)"
            ),
            format!(
                "CREATE TABLE rate (organization_id {uuid} NOT NULL, key TEXT NOT NULL,
                    due_at BIGINT NOT NULL, level BIGINT NOT NULL, settled_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, key))"
            ),
            format!(
                "CREATE TABLE transport (organization_id {uuid} NOT NULL PRIMARY KEY, id {uuid} NOT NULL,
                    settings {json} NOT NULL, sealed_password {bytes},
                    version BIGINT NOT NULL, updated_at BIGINT NOT NULL)"
            ),
            format!(
                "CREATE TABLE captured_mail (organization_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    delivery_id {uuid}, envelope_from TEXT NOT NULL, envelope_to TEXT NOT NULL,
                    sender TEXT NOT NULL, subject TEXT NOT NULL, size BIGINT NOT NULL,
                    source {bytes} NOT NULL, captured_at BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, id))"
            ),
        ];
        run(manager, &statements).await
    }
}
