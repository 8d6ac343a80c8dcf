//! Changes of many.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, OrganizationId, Page, PageSize, StoreError, WorkerId,
    storage::{Column, SqlType, from_micros, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use uuid::Uuid;

use super::{SeaOrmCrmStore, contacts::from_json, unit_of_work::SeaOrmCrmUnitOfWork};
use crate::{
    BulkQueries, BulkRepository,
    bulk::{BulkChange, BulkChangeId},
};

const COLUMNS: &str = "organization_id, id, state, plan, total, done, refused, problem, cursor_id, \
     worker_id, lease_until, created_at, finished_at";

/// Those that a worker may take at the instant `$1`.
const WAITING: &str = "(state = 'pending' OR (state = 'running' AND lease_until < $1))";

#[async_trait]
impl BulkQueries for SeaOrmCrmStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: BulkChangeId,
    ) -> Result<Option<BulkChange>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM bulk_change WHERE organization_id = $1 AND id = $2");
        let parameters = [organization.as_uuid().into(), id.as_uuid().into()];
        let statement = self.db.dialect().statement(sql, parameters);
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(read).transpose()
    }

    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<BulkChangeId>,
        size: PageSize,
    ) -> Result<Page<BulkChange, BulkChangeId>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM bulk_change WHERE organization_id = $1 AND id < $2
             ORDER BY id DESC LIMIT {}",
            size.overfetched()
        );
        let after = after.map_or(Uuid::max(), |id| id.as_uuid());
        let parameters = [organization.as_uuid().into(), after.into()];
        let statement = self.db.dialect().statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let changes = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(changes, size, |change| change.id))
    }

    async fn has_waiting(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1 FROM bulk_change WHERE state IN ('pending', 'running') AND {WAITING} LIMIT 1"
        );
        let statement = self.db.dialect().statement(sql, [to_micros(now).into()]);
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }
}

#[async_trait]
impl BulkRepository for SeaOrmCrmUnitOfWork {
    async fn insert(&mut self, change: &BulkChange) -> Result<(), StoreError> {
        let plan = serde_json::to_string(&change.plan)
            .map_err(|_| StoreError::corrupt("bulk change", "plan"))?;
        let plan_column: &[Column] = &[("plan", SqlType::Json)];
        let sql = format!(
            "INSERT INTO bulk_change (organization_id, id, state, plan, total, done, refused, created_at)
             SELECT $1, $2, $3, plan, CAST($5 AS BIGINT), 0, 0, CAST($6 AS BIGINT) FROM {}",
            self.dialect.rows(4, "r", plan_column)
        );
        let parameters = [
            change.organization_id.as_uuid().into(),
            change.id.as_uuid().into(),
            change.state.as_str().into(),
            format!("[{{\"plan\":{plan}}}]").into(),
            number(change.total).into(),
            to_micros(change.created_at).into(),
        ];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn claim(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<BulkChange>, StoreError> {
        let sql = format!(
            "UPDATE bulk_change SET state = 'running', worker_id = $2, lease_until = $3
             WHERE (organization_id, id) IN (
                 SELECT organization_id, id FROM bulk_change
                 WHERE state IN ('pending', 'running') AND {WAITING}
                 ORDER BY created_at LIMIT 1{})
             RETURNING {COLUMNS}",
            self.dialect.skip_locked()
        );
        let parameters = [
            to_micros(now).into(),
            worker.as_uuid().into(),
            to_micros(lease_until).into(),
        ];
        let row = self
            .txn
            .query_one_raw(self.dialect.statement(sql, parameters))
            .await?;
        row.as_ref().map(read).transpose()
    }

    async fn save_progress(
        &mut self,
        change: &BulkChange,
        worker: WorkerId,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE bulk_change SET state = $4, done = $5, refused = $6, problem = $7,
                       cursor_id = $8, lease_until = $9, finished_at = $10
                   WHERE organization_id = $1 AND id = $2 AND worker_id = $3 AND state = 'running'";
        let parameters = [
            change.organization_id.as_uuid().into(),
            change.id.as_uuid().into(),
            worker.as_uuid().into(),
            change.state.as_str().into(),
            number(change.done).into(),
            number(change.refused).into(),
            change.problem.clone().into(),
            change.cursor.map(|id| id.as_uuid()).into(),
            change.lease.map(|(_, until)| to_micros(until)).into(),
            change.finished_at.map(to_micros).into(),
        ];
        let statement = self.dialect.statement(sql, parameters);
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }

    async fn cancel(
        &mut self,
        organization: OrganizationId,
        id: BulkChangeId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "UPDATE bulk_change SET state = 'cancelled', worker_id = NULL, lease_until = NULL,
                 finished_at = $3
             WHERE organization_id = $1 AND id = $2 AND state IN ('pending', 'running')",
            [
                organization.as_uuid().into(),
                id.as_uuid().into(),
                to_micros(now).into(),
            ],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn read(row: &QueryResult) -> Result<BulkChange, StoreError> {
    let count = |column| -> Result<u64, StoreError> {
        let number: i64 = row.try_get("", column)?;
        u64::try_from(number).map_err(|_| StoreError::corrupt("bulk change", column))
    };
    let instant = |column| -> Result<Option<DateTime<Utc>>, StoreError> {
        let micros: Option<i64> = row.try_get("", column)?;
        micros.map(|at| from_micros("bulk change", at)).transpose()
    };
    let state: String = row.try_get("", "state")?;
    let cursor: Option<Uuid> = row.try_get("", "cursor_id")?;
    let worker: Option<Uuid> = row.try_get("", "worker_id")?;
    Ok(BulkChange {
        id: BulkChangeId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        plan: from_json(row, "bulk change", "plan")?,
        state: state
            .parse()
            .map_err(|_| StoreError::corrupt("bulk change", "state"))?,
        total: count("total")?,
        done: count("done")?,
        refused: count("refused")?,
        problem: row.try_get("", "problem")?,
        cursor: cursor.map(ContactId::from_uuid),
        lease: worker.map(WorkerId::from_uuid).zip(instant("lease_until")?),
        created_at: from_micros("bulk change", row.try_get("", "created_at")?)?,
        finished_at: instant("finished_at")?,
    })
}
