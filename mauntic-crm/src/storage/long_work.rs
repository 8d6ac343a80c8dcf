//! What imports and changes of many have in common: rows with a plan, a state and a lease, worked on by anybody.

use chrono::{DateTime, Utc};
use mauntic_core::{
    OrganizationId, Page, PageSize, StoreError, WorkerId,
    storage::{Db, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use uuid::Uuid;

use super::unit_of_work::SeaOrmCrmUnitOfWork;

/// Those that a worker may take at the instant `$1`; it names the states so that their index serves it.
const WAITING: &str = "state IN ('pending', 'running')
     AND (state = 'pending' OR (state = 'running' AND lease_until < $1))";

/// Those that have not ended; it names the states so that an index of each table serves it.
pub(super) const UNFINISHED: &str = "state IN ('pending', 'running', 'paused')";

/// A table of long work, and how its rows are read.
pub(super) struct LongWork<T> {
    pub(super) table: &'static str,
    pub(super) columns: &'static str,
    pub(super) read: fn(&QueryResult) -> Result<T, StoreError>,
}

impl<T> LongWork<T> {
    /// The one with that id.
    pub(super) async fn find(
        &self,
        db: &Db,
        organization: OrganizationId,
        id: Uuid,
    ) -> Result<Option<T>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE organization_id = $1 AND id = $2",
            self.columns, self.table
        );
        let parameters = [organization.as_uuid().into(), id.into()];
        let statement = db.dialect().statement(sql, parameters);
        let row = db.reader().query_one_raw(statement).await?;
        row.as_ref().map(self.read).transpose()
    }

    /// One page of them, the latest first.
    pub(super) async fn list<I>(
        &self,
        db: &Db,
        organization: OrganizationId,
        after: Option<Uuid>,
        size: PageSize,
        id: impl Fn(&T) -> I,
    ) -> Result<Page<T, I>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE organization_id = $1 AND id < $2 ORDER BY id DESC LIMIT {}",
            self.columns,
            self.table,
            size.overfetched()
        );
        let after = after.unwrap_or(Uuid::max());
        let parameters = [organization.as_uuid().into(), after.into()];
        let statement = db.dialect().statement(sql, parameters);
        let rows = db.reader().query_all_raw(statement).await?;
        let rows = rows.iter().map(self.read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, id))
    }

    /// Up to a page of those that have not ended, the latest first.
    pub(super) async fn unfinished(
        &self,
        db: &Db,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<T>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE organization_id = $1 AND {UNFINISHED} ORDER BY id DESC LIMIT {}",
            self.columns,
            self.table,
            size.get()
        );
        let statement = db.dialect().statement(sql, [organization.as_uuid().into()]);
        let rows = db.reader().query_all_raw(statement).await?;
        rows.iter().map(self.read).collect()
    }

    /// Whether one, of any organisation, waits for a worker.
    pub(super) async fn has_waiting(
        &self,
        db: &Db,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT 1 AS found FROM {} WHERE {WAITING} LIMIT 1",
            self.table
        );
        let statement = db.dialect().statement(sql, [to_micros(now).into()]);
        Ok(db.reader().query_one_raw(statement).await?.is_some())
    }

    /// Takes the oldest that waits, or that one if it does; `also` is set with it.
    pub(super) async fn claim(
        &self,
        uow: &SeaOrmCrmUnitOfWork,
        only: Option<(OrganizationId, Uuid)>,
        worker: WorkerId,
        [now, lease_until]: [DateTime<Utc>; 2],
        also: &str,
    ) -> Result<Option<T>, StoreError> {
        let which = if only.is_some() {
            " AND organization_id = $4 AND id = $5"
        } else {
            ""
        };
        let (table, columns) = (self.table, self.columns);
        let sql = format!(
            "UPDATE {table} SET state = 'running', worker_id = $2, lease_until = $3{also}
             WHERE (organization_id, id) IN (
                 SELECT organization_id, id FROM {table} WHERE {WAITING}{which}
                 ORDER BY created_at LIMIT 1{})
             RETURNING {columns}",
            uow.dialect.skip_locked()
        );
        let mut parameters = vec![
            to_micros(now).into(),
            worker.as_uuid().into(),
            to_micros(lease_until).into(),
        ];
        if let Some((organization, id)) = only {
            parameters.extend([organization.as_uuid().into(), id.into()]);
        }
        let statement = uow.dialect.statement(sql, parameters);
        let row = uow.txn.query_one_raw(statement).await?;
        row.as_ref().map(self.read).transpose()
    }

    /// Brings one from one of some states to another, after which no worker has it; `false` if it is in none of them.
    pub(super) async fn change_state(
        &self,
        uow: &SeaOrmCrmUnitOfWork,
        (organization, id): (OrganizationId, Uuid),
        from: &[&str],
        to: &str,
        finished_at: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        let from: Vec<_> = from.iter().map(|state| format!("'{state}'")).collect();
        let sql = format!(
            "UPDATE {} SET state = $3, worker_id = NULL, lease_until = NULL, finished_at = $4
             WHERE organization_id = $1 AND id = $2 AND state IN ({})",
            self.table,
            from.join(", ")
        );
        let parameters = [
            organization.as_uuid().into(),
            id.into(),
            to.into(),
            finished_at.map(to_micros).into(),
        ];
        let statement = uow.dialect.statement(sql, parameters);
        Ok(uow.txn.execute_raw(statement).await?.rows_affected() == 1)
    }
}

/// A count as the database keeps it.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
