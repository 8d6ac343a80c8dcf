use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    OrganizationId, StoreError, WorkerId,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use crate::{
    sending::{Rate, RateRepository, WorkerRegistry},
    storage::{SeaOrmUnitOfWork, sql::Row as _},
};

#[async_trait]
impl WorkerRegistry for SeaOrmUnitOfWork {
    async fn enlist(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "INSERT INTO worker (id, started_at, expires_at) VALUES ($1, $2, $3)",
            [
                worker.as_uuid().into(),
                to_micros(now).into(),
                to_micros(expires_at).into(),
            ],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn beat(
        &mut self,
        worker: WorkerId,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "UPDATE worker SET expires_at = $2 WHERE id = $1",
            [worker.as_uuid().into(), to_micros(expires_at).into()],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }

    async fn claim_expired(&mut self, now: DateTime<Utc>) -> Result<Option<WorkerId>, StoreError> {
        let sql = format!(
            "SELECT id FROM worker WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1{}",
            self.dialect.skip_locked()
        );
        let statement = self.dialect.statement(sql, [to_micros(now).into()]);
        let row = self.txn.query_one_raw(statement).await?;
        row.map(|row| Ok(WorkerId::from_uuid(row.try_get("", "id")?)))
            .transpose()
    }

    async fn dismiss(&mut self, worker: WorkerId) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM worker WHERE id = $1",
            [worker.as_uuid().into()],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}

const RATE: &[Column] = &[
    ("key", SqlType::Text),
    ("due_at", SqlType::BigInt),
    ("level", SqlType::BigInt),
    ("settled_at", SqlType::BigInt),
];

#[async_trait]
impl RateRepository for SeaOrmUnitOfWork {
    async fn ensure_rates(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let rows = keys.iter().map(|key| json!({"key": key}));
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            "INSERT INTO rate (organization_id, key, due_at, level, settled_at)
             SELECT $2, r.key, 0, 0, 0 FROM {} WHERE TRUE ORDER BY r.key ON CONFLICT DO NOTHING",
            self.dialect.rows(1, "r", &[("key", SqlType::Text)])
        );
        let values = [rows.into(), organization.as_uuid().into()];
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn rates_for_update(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Rate>, StoreError> {
        const WHAT: &str = "rate";
        // In the order of the keys, so that two workers do not wait for each other.
        let sql = format!(
            "SELECT key, due_at, level, settled_at FROM rate
             WHERE {} ORDER BY key{}",
            self.dialect.own_texts("key", 2),
            self.dialect.for_update()
        );
        let values = [
            organization.as_uuid().into(),
            json!(keys).to_string().into(),
        ];
        let statement = self.dialect.statement(sql, values);
        let rows = self.txn.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Rate {
                    key: row.try_get("", "key")?,
                    due_at: row.instant("due_at")?,
                    level: u32::try_from(row.try_get::<i64>("", "level")?)
                        .map_err(|error| StoreError::corrupt(WHAT, error))?,
                    settled_at: row.instant("settled_at")?,
                })
            })
            .collect()
    }

    async fn save_rates(
        &mut self,
        organization: OrganizationId,
        rates: &[Rate],
    ) -> Result<(), StoreError> {
        if rates.is_empty() {
            return Ok(());
        }
        let rows = rates.iter().map(|rate| {
            json!({"key": rate.key, "due_at": to_micros(rate.due_at), "level": rate.level,
                "settled_at": to_micros(rate.settled_at)})
        });
        let rows = rows.collect::<serde_json::Value>().to_string();
        let sql = format!(
            "INSERT INTO rate (organization_id, key, due_at, level, settled_at)
             SELECT $2, r.key, r.due_at, r.level, r.settled_at FROM {} WHERE TRUE ORDER BY r.key
             ON CONFLICT (organization_id, key) DO UPDATE
             SET due_at = excluded.due_at, level = excluded.level, settled_at = excluded.settled_at",
            self.dialect.rows(1, "r", RATE)
        );
        let values = [rows.into(), organization.as_uuid().into()];
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }
}
