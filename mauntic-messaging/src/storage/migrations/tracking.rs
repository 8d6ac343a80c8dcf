use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use super::{Types, run, types};

pub(super) struct Tracking;

impl MigrationName for Tracking {
    fn name(&self) -> &'static str {
        "m0030_tracking"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Tracking {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Types { uuid, json, .. } = types(manager);
        let statements = [
            format!(
                "CREATE TABLE hit (
                    organization_id {uuid} NOT NULL, delivery_id {uuid} NOT NULL, id {uuid} NOT NULL,
                    version_id {uuid} NOT NULL, kind INTEGER NOT NULL, link INTEGER, at BIGINT NOT NULL,
                    network TEXT, user_agent TEXT, machine BOOLEAN NOT NULL, reasons {json} NOT NULL,
                    counted BOOLEAN NOT NULL,
                    PRIMARY KEY (organization_id, delivery_id, id))"
            ),
            // Projectors look at all organisations.
            "CREATE INDEX hit_uncounted ON hit (at) WHERE NOT counted".to_owned(),
            // What is forgotten goes by age; written when a hit is counted, not when it comes.
            "CREATE INDEX hit_counted ON hit (at) WHERE counted".to_owned(),
            format!(
                "CREATE TABLE delivery_engagement (
                    organization_id {uuid} NOT NULL, delivery_id {uuid} NOT NULL,
                    email_id {uuid} NOT NULL, contact_id {uuid} NOT NULL,
                    machine_open_at BIGINT, human_open_at BIGINT,
                    machine_click_at BIGINT, human_click_at BIGINT, unsubscribed_at BIGINT,
                    PRIMARY KEY (organization_id, delivery_id))"
            ),
            format!(
                "CREATE TABLE email_stat (
                    organization_id {uuid} NOT NULL, email_id {uuid} NOT NULL, metric TEXT NOT NULL,
                    machine BOOLEAN NOT NULL, n BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, email_id, metric, machine))"
            ),
            format!(
                "CREATE TABLE link_stat (
                    organization_id {uuid} NOT NULL, email_id {uuid} NOT NULL, version_id {uuid} NOT NULL,
                    link INTEGER NOT NULL, machine BOOLEAN NOT NULL,
                    clicks BIGINT NOT NULL, clicked BIGINT NOT NULL,
                    PRIMARY KEY (organization_id, email_id, version_id, link, machine))"
            ),
        ];
        run(manager, &statements).await
    }
}
