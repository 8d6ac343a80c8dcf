use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult};
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, prelude::async_trait as migration_async_trait,
};
use serde_json::json;

use tracing::error;

use super::{Column, Db, Dialect, SqlType, Txn, to_micros};
use crate::{
    DeadLetter, Envelope, EventId, OrganizationId, PendingDelivery, RelayStore, StoreError,
};

const KEY: &[Column] = &[
    ("event_id", SqlType::Uuid),
    ("handler", SqlType::Text),
    ("attempts", SqlType::BigInt),
];
const EVENT: &[Column] = &[
    ("id", SqlType::Uuid),
    ("organization_id", SqlType::Uuid),
    ("event_type", SqlType::Text),
    ("envelope", SqlType::Json),
    ("created_at", SqlType::BigInt),
];

/// How many memories of handled events go in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 10_000;

/// Creates the outbox, its deliveries and the inbox. Every context's migrator starts with it.
pub struct OutboxMigration;

impl MigrationName for OutboxMigration {
    fn name(&self) -> &'static str {
        "m0001_outbox"
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for OutboxMigration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), sea_orm::DbErr> {
        let dialect = Dialect::of(manager);
        let uuid = dialect.type_name(SqlType::Uuid);
        let json = dialect.type_name(SqlType::Json);
        let statements = [
            format!(
                "CREATE TABLE outbox (
                    organization_id {uuid} NOT NULL, id {uuid} NOT NULL PRIMARY KEY,
                    event_type TEXT NOT NULL, envelope {json} NOT NULL,
                    created_at BIGINT NOT NULL, fanned_out BOOLEAN NOT NULL)"
            ),
            "CREATE INDEX outbox_new ON outbox (created_at, id) WHERE NOT fanned_out".to_owned(),
            format!(
                "CREATE TABLE outbox_delivery (
                    organization_id {uuid} NOT NULL, event_id {uuid} NOT NULL, handler TEXT NOT NULL,
                    due_at BIGINT, attempts INTEGER NOT NULL, last_error TEXT,
                    PRIMARY KEY (event_id, handler))"
            ),
            "CREATE INDEX outbox_delivery_dead ON outbox_delivery (organization_id, event_id) WHERE due_at IS NULL".to_owned(),
            "CREATE INDEX outbox_delivery_due ON outbox_delivery (due_at) WHERE due_at IS NOT NULL".to_owned(),
            format!(
                "CREATE TABLE inbox (handler TEXT NOT NULL, event_id {uuid} NOT NULL,
                    handled_at BIGINT NOT NULL, PRIMARY KEY (handler, event_id))"
            ),
            "CREATE INDEX inbox_old ON inbox (handled_at)".to_owned(),
        ];
        for statement in statements {
            manager
                .get_connection()
                .execute_unprepared(&statement)
                .await?;
        }
        Ok(())
    }
}

/// Adds events to the outbox of the transaction's context.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn append_to_outbox<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    envelopes: &[Envelope],
) -> Result<(), StoreError> {
    if envelopes.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = envelopes
        .iter()
        .map(|envelope| {
            json!({
                "id": envelope.id,
                "organization_id": envelope.organization_id,
                "event_type": envelope.event_type,
                "envelope": envelope,
                "created_at": to_micros(envelope.metadata.timestamp),
            })
        })
        .collect();
    let sql = format!(
        "INSERT INTO outbox (id, organization_id, event_type, envelope, created_at, fanned_out)
         SELECT id, organization_id, event_type, envelope, created_at, FALSE FROM {}",
        dialect.rows(1, "r", EVENT)
    );
    let rows = serde_json::Value::from(rows).to_string();
    connection
        .execute_raw(dialect.statement(sql, [rows.into()]))
        .await?;
    Ok(())
}

/// Notes in the inbox that a handler deals with an event; `false` if it did so before.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn first_time<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    handler: &str,
    event: EventId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let statement = dialect.statement(
        "INSERT INTO inbox (handler, event_id, handled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [handler.into(), event.as_uuid().into(), to_micros(now).into()],
    );
    Ok(connection.execute_raw(statement).await?.rows_affected() == 1)
}

/// The outbox of one context, as its [`Relay`](crate::Relay) sees it.
pub struct SeaOrmRelayStore {
    db: Db,
}

impl SeaOrmRelayStore {
    /// The outbox in that database.
    #[must_use]
    pub fn new(db: Db) -> Arc<Self> {
        Arc::new(Self { db })
    }
}

#[async_trait]
impl RelayStore for SeaOrmRelayStore {
    async fn fan_out(
        &self,
        routes: &[(&'static str, &'static str)],
        now: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let dialect = self.db.dialect();
        let any = "SELECT 1 FROM outbox WHERE NOT fanned_out LIMIT 1";
        if self
            .db
            .reader()
            .query_one_raw(dialect.statement(any, []))
            .await?
            .is_none()
        {
            return Ok(0);
        }
        let txn = self.db.begin().await?;
        let pick = format!(
            "SELECT id FROM outbox WHERE NOT fanned_out ORDER BY created_at, id LIMIT {limit}{}",
            dialect.skip_locked()
        );
        let picked = txn
            .query_all_raw(dialect.statement(
                format!(
                    "WITH picked AS MATERIALIZED ({pick})
                     UPDATE outbox SET fanned_out = TRUE WHERE {} RETURNING id",
                    dialect.among("id", "SELECT id FROM picked")
                ),
                [],
            ))
            .await?;
        let ids = picked
            .iter()
            .map(|row| row.try_get::<uuid::Uuid>("", "id"))
            .collect::<Result<Vec<_>, _>>()?;
        let ids = json!(ids).to_string();
        let routes: Vec<_> = routes
            .iter()
            .map(|(event, handler)| json!({"event_type": event, "handler": handler}))
            .collect();
        let routes = serde_json::Value::from(routes).to_string();
        let route_columns: &[Column] = &[("event_type", SqlType::Text), ("handler", SqlType::Text)];
        let sql = format!(
            "INSERT INTO outbox_delivery (organization_id, event_id, handler, due_at, attempts)
             SELECT o.organization_id, o.id, r.handler, $3, 0
             FROM {} JOIN outbox o ON o.id = picked.id JOIN {} ON r.event_type = o.event_type",
            dialect.ids(1, "picked"),
            dialect.rows(2, "r", route_columns),
        );
        txn.execute_raw(dialect.statement(
            sql,
            [ids.clone().into(), routes.into(), to_micros(now).into()],
        ))
        .await?;
        // Nobody wants it: it is done.
        let unwanted = format!(
            "DELETE FROM outbox WHERE {}
             AND NOT EXISTS (SELECT 1 FROM outbox_delivery d WHERE d.event_id = outbox.id)",
            dialect.among(
                "id",
                &format!("SELECT id FROM {}", dialect.ids(1, "picked"))
            )
        );
        txn.execute_raw(dialect.statement(unwanted, [ids.into()]))
            .await?;
        txn.commit().await?;
        Ok(picked.len() as u64)
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let dialect = self.db.dialect();
        let due = "SELECT 1 FROM outbox_delivery WHERE due_at <= $1 LIMIT 1";
        let due = dialect.statement(due, [to_micros(now).into()]);
        if self.db.reader().query_one_raw(due).await?.is_none() {
            return Ok(Vec::new());
        }
        let txn = self.db.begin().await?;
        // Materialised, so that it is run once: run again, it would claim more.
        let sql = format!(
            "WITH picked AS MATERIALIZED (
                 SELECT event_id, handler FROM outbox_delivery WHERE due_at <= $1
                 ORDER BY due_at, event_id LIMIT {limit}{})
             UPDATE outbox_delivery SET due_at = $2, attempts = attempts + 1
             WHERE (event_id, handler) IN (SELECT event_id, handler FROM picked)
             RETURNING event_id, handler, attempts,
                 (SELECT o.envelope FROM outbox o WHERE o.id = event_id) AS envelope",
            dialect.skip_locked()
        );
        let parameters = [to_micros(now).into(), to_micros(lease_until).into()];
        let rows = txn
            .query_all_raw(dialect.statement(sql, parameters))
            .await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in &rows {
            match pending(row) {
                Ok(delivery) => claimed.push(delivery),
                Err(error) => give_up(&txn, dialect, row, &error).await?,
            }
        }
        txn.commit().await?;
        claimed.sort_by_key(|delivery| delivery.envelope.id);
        Ok(claimed)
    }

    async fn done(&self, deliveries: &[PendingDelivery]) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let dialect = self.db.dialect();
        let rows = keys(deliveries);
        let handled = dialect.rows(1, "handled", KEY);
        let statements = [
            // Two handlers of one event may finish at once: the row of the event puts them in order.
            format!(
                "SELECT id FROM outbox WHERE id IN (SELECT event_id FROM {handled}) ORDER BY id{}",
                dialect.for_update()
            ),
            format!(
                "DELETE FROM outbox_delivery WHERE (event_id, handler) IN (SELECT event_id, handler FROM {handled})"
            ),
            format!(
                "DELETE FROM outbox WHERE id IN (SELECT event_id FROM {handled})
                 AND NOT EXISTS (SELECT 1 FROM outbox_delivery d WHERE d.event_id = outbox.id)"
            ),
        ];
        let txn = self.db.begin().await?;
        for sql in statements {
            txn.execute_raw(dialect.statement(sql, [rows.clone().into()]))
                .await?;
        }
        txn.commit().await
    }

    async fn failed(
        &self,
        delivery: &PendingDelivery,
        error: &str,
        retry_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        txn.execute_raw(self.db.dialect().statement(
            "UPDATE outbox_delivery SET last_error = $4, due_at = $5
             WHERE event_id = $1 AND handler = $2 AND attempts = $3",
            [
                delivery.envelope.id.as_uuid().into(),
                delivery.handler.as_str().into(),
                i64::from(delivery.attempts).into(),
                error.replace('\0', "").into(),
                retry_at.map(to_micros).into(),
            ],
        ))
        .await?;
        txn.commit().await
    }

    async fn release(
        &self,
        deliveries: &[PendingDelivery],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let dialect = self.db.dialect();
        let sql = format!(
            "UPDATE outbox_delivery SET attempts = attempts - 1, due_at = $2
             WHERE (event_id, handler, attempts) IN (SELECT event_id, handler, attempts FROM {})",
            dialect.rows(1, "untried", KEY)
        );
        let parameters = [keys(deliveries).into(), to_micros(now).into()];
        let txn = self.db.begin().await?;
        txn.execute_raw(dialect.statement(sql, parameters)).await?;
        txn.commit().await
    }

    async fn dead_letters(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT d.event_id, o.event_type, d.handler, d.attempts, d.last_error
                 FROM outbox_delivery d JOIN outbox o ON o.id = d.event_id
                 WHERE d.organization_id = $1 AND d.due_at IS NULL ORDER BY d.event_id LIMIT {limit}"
            ),
            [organization.as_uuid().into()],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    event_id: EventId::from_uuid(row.try_get("", "event_id")?),
                    organization_id: organization,
                    event_type: row.try_get("", "event_type")?,
                    handler: row.try_get("", "handler")?,
                    attempts: attempts(row)?,
                    last_error: row
                        .try_get::<Option<String>>("", "last_error")?
                        .unwrap_or_default(),
                })
            })
            .collect()
    }

    async fn redrive(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let txn = self.db.begin().await?;
        let done = txn
            .execute_raw(self.db.dialect().statement(
                "UPDATE outbox_delivery SET due_at = $2, attempts = 0
                 WHERE organization_id = $1 AND due_at IS NULL",
                [organization.as_uuid().into(), to_micros(now).into()],
            ))
            .await?;
        txn.commit().await?;
        Ok(done.rows_affected())
    }

    async fn forget_handled(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let txn = self.db.begin().await?;
            let done = txn
                .execute_raw(self.db.dialect().statement(
                    "DELETE FROM inbox WHERE (handler, event_id) IN
                     (SELECT handler, event_id FROM inbox WHERE handled_at < $1 LIMIT $2)",
                    [to_micros(before).into(), FORGOTTEN_AT_ONCE.into()],
                ))
                .await?;
            txn.commit().await?;
            forgotten += done.rows_affected();
            if done.rows_affected() < FORGOTTEN_AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }

    async fn backlog(&self) -> Result<u64, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT (SELECT COUNT(*) FROM outbox WHERE NOT fanned_out)
                  + (SELECT COUNT(*) FROM outbox_delivery WHERE due_at IS NOT NULL) AS waiting",
            [],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        let waiting = row
            .map(|row| row.try_get::<i64>("", "waiting"))
            .transpose()?
            .unwrap_or_default();
        Ok(u64::try_from(waiting).unwrap_or_default())
    }
}

fn keys(deliveries: &[PendingDelivery]) -> String {
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            json!({
                "event_id": delivery.envelope.id,
                "handler": delivery.handler,
                "attempts": delivery.attempts,
            })
        })
        .collect();
    serde_json::Value::from(rows).to_string()
}

/// Sets a delivery aside whose event cannot be read, so that it does not hold up the others.
async fn give_up(
    txn: &Txn,
    dialect: Dialect,
    row: &QueryResult,
    error: &StoreError,
) -> Result<(), StoreError> {
    let event: uuid::Uuid = row.try_get("", "event_id")?;
    let handler: String = row.try_get("", "handler")?;
    error!(event.id = %event, handler, error = error as &dyn std::error::Error, "an event cannot be read");
    txn.execute_raw(dialect.statement(
        "UPDATE outbox_delivery SET due_at = NULL, last_error = $3 WHERE event_id = $1 AND handler = $2",
        [event.into(), handler.into(), error.to_string().into()],
    ))
    .await?;
    Ok(())
}

fn attempts(row: &QueryResult) -> Result<u32, StoreError> {
    let attempts: i32 = row.try_get("", "attempts")?;
    u32::try_from(attempts).map_err(|error| StoreError::corrupt("event delivery", error))
}

fn pending(row: &QueryResult) -> Result<PendingDelivery, StoreError> {
    let envelope: serde_json::Value = row.try_get("", "envelope")?;
    Ok(PendingDelivery {
        envelope: serde_json::from_value::<Envelope>(envelope)
            .map_err(|error| StoreError::corrupt("event", error))?,
        handler: row.try_get("", "handler")?,
        attempts: attempts(row)?,
    })
}
