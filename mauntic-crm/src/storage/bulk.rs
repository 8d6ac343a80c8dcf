//! Changes of many.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, OrganizationId, Page, PageSize, StoreError, WorkerId,
    storage::{Column, SqlType, from_micros, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use uuid::Uuid;

use super::{
    SeaOrmCrmStore,
    contacts::from_json,
    long_work::{LongWork, number},
    unit_of_work::SeaOrmCrmUnitOfWork,
};
use crate::{
    BulkQueries, BulkRepository,
    bulk::{BulkChange, BulkChangeId, BulkEntry, BulkState},
};

const COLUMNS: &str = "organization_id, id, state, plan, total, done, refused, problem, cursor_id, \
     worker_id, lease_until, created_at, finished_at";

const CHANGES: LongWork<BulkChange> = LongWork {
    table: "bulk_change",
    columns: COLUMNS,
    read,
};

/// The same without whom they are about, who may be a thousand each.
const ENTRIES: LongWork<BulkEntry> = LongWork {
    table: "bulk_change",
    columns: "id, state, plan -> 'action' AS action, plan -> 'actor' AS actor, total, done, refused, \
         created_at, finished_at",
    read: entry,
};

#[async_trait]
impl BulkQueries for SeaOrmCrmStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: BulkChangeId,
    ) -> Result<Option<BulkChange>, StoreError> {
        CHANGES.find(&self.db, organization, id.as_uuid()).await
    }

    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<BulkChangeId>,
        size: PageSize,
    ) -> Result<Page<BulkEntry, BulkChangeId>, StoreError> {
        let after = after.map(|id| id.as_uuid());
        let id = |entry: &BulkEntry| entry.id;
        ENTRIES.list(&self.db, organization, after, size, id).await
    }

    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<BulkEntry>, StoreError> {
        ENTRIES.unfinished(&self.db, organization, size).await
    }

    async fn has_waiting(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        CHANGES.has_waiting(&self.db, now).await
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
        let also = ", problem = CASE WHEN refused > 0 THEN problem END";
        CHANGES
            .claim(self, None, worker, [now, lease_until], also)
            .await
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

    async fn change_state(
        &mut self,
        organization: OrganizationId,
        id: BulkChangeId,
        from: &[BulkState],
        to: BulkState,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let from: Vec<_> = from.iter().map(|state| state.as_str()).collect();
        let which = (organization, id.as_uuid());
        let finished = to.is_final().then_some(now);
        CHANGES
            .change_state(self, which, &from, to.as_str(), finished)
            .await
    }
}

fn count(row: &QueryResult, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get("", column)?;
    u64::try_from(number).map_err(|_| StoreError::corrupt("bulk change", column))
}

fn instant(row: &QueryResult, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
    let micros: Option<i64> = row.try_get("", column)?;
    micros.map(|at| from_micros("bulk change", at)).transpose()
}

fn state(row: &QueryResult) -> Result<BulkState, StoreError> {
    let state: String = row.try_get("", "state")?;
    state
        .parse()
        .map_err(|_| StoreError::corrupt("bulk change", "state"))
}

fn read(row: &QueryResult) -> Result<BulkChange, StoreError> {
    let cursor: Option<Uuid> = row.try_get("", "cursor_id")?;
    let worker: Option<Uuid> = row.try_get("", "worker_id")?;
    let lease_until = instant(row, "lease_until")?;
    Ok(BulkChange {
        id: BulkChangeId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        plan: from_json(row, "bulk change", "plan")?,
        state: state(row)?,
        total: count(row, "total")?,
        done: count(row, "done")?,
        refused: count(row, "refused")?,
        problem: row.try_get("", "problem")?,
        cursor: cursor.map(ContactId::from_uuid),
        lease: worker.map(WorkerId::from_uuid).zip(lease_until),
        created_at: from_micros("bulk change", row.try_get("", "created_at")?)?,
        finished_at: instant(row, "finished_at")?,
    })
}

fn entry(row: &QueryResult) -> Result<BulkEntry, StoreError> {
    Ok(BulkEntry {
        id: BulkChangeId::from_uuid(row.try_get("", "id")?),
        action: from_json(row, "bulk change", "action")?,
        actor: from_json(row, "bulk change", "actor")?,
        state: state(row)?,
        total: count(row, "total")?,
        done: count(row, "done")?,
        refused: count(row, "refused")?,
        created_at: from_micros("bulk change", row.try_get("", "created_at")?)?,
        finished_at: instant(row, "finished_at")?,
    })
}
