//! Imports and what they read and report.

mod row;

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, ImportId, OrganizationId, Page, PageSize, StoreError, WorkerId,
    storage::{Column, Dialect, SqlType, to_micros},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use self::row::{COLUMNS, PROBLEM, import, problem, problem_rows, progress};
use super::{
    SeaOrmCrmStore,
    long_work::{LongWork, UNFINISHED, number},
    unit_of_work::SeaOrmCrmUnitOfWork,
};
use crate::{
    FieldAlias,
    import::{Import, ImportProblem, ImportQueries, ImportRepository, ImportState, ProblemKind},
};

const IMPORTS: LongWork<Import> = LongWork {
    table: "import",
    columns: COLUMNS,
    read: import,
};

const KEY: &[Column] = &[("value_key", SqlType::Text)];

#[async_trait]
impl ImportQueries for SeaOrmCrmStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<Option<Import>, StoreError> {
        IMPORTS.find(&self.db, organization, id.as_uuid()).await
    }

    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<ImportId>,
        size: PageSize,
    ) -> Result<Page<Import, ImportId>, StoreError> {
        let after = after.map(|id| id.as_uuid());
        let id = |import: &Import| import.id;
        IMPORTS.list(&self.db, organization, after, size, id).await
    }

    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<Import>, StoreError> {
        IMPORTS.unfinished(&self.db, organization, size).await
    }

    async fn find_unfinished(
        &self,
        organization: OrganizationId,
        fingerprint: &str,
    ) -> Result<Option<Import>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM import WHERE organization_id = $1 AND fingerprint = $2
             AND {UNFINISHED} ORDER BY id DESC LIMIT 1"
        );
        let parameters = [organization.as_uuid().into(), fingerprint.into()];
        let statement = self.db.dialect().statement(sql, parameters);
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(import).transpose()
    }

    async fn has_waiting(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        IMPORTS.has_waiting(&self.db, now).await
    }

    async fn problems(
        &self,
        organization: OrganizationId,
        id: ImportId,
        kind: ProblemKind,
        after: Option<u64>,
        size: PageSize,
    ) -> Result<Page<ImportProblem, u64>, StoreError> {
        let sql = format!(
            "SELECT line, kind, column_name, value, reason, raw, other_line FROM import_problem
             WHERE organization_id = $1 AND import_id = $2 AND kind = $3 AND line > $4
             ORDER BY line LIMIT {}",
            size.overfetched()
        );
        let parameters = [
            organization.as_uuid().into(),
            id.as_uuid().into(),
            kind.as_str().into(),
            i64::try_from(after.unwrap_or_default())
                .unwrap_or(i64::MAX)
                .into(),
        ];
        let statement = self.db.dialect().statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let problems = rows.iter().map(problem).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(problems, size, |problem| {
            problem.line
        }))
    }

    async fn chunk(
        &self,
        organization: OrganizationId,
        id: ImportId,
        number: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT bytes FROM import_data WHERE organization_id = $1 AND import_id = $2 AND number = $3",
            [organization.as_uuid().into(), id.as_uuid().into(), i64::from(number).into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get("", "bytes")).transpose()?)
    }

    async fn stored_bytes(
        &self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<u64, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT) AS bytes FROM import_data
             WHERE organization_id = $1 AND import_id = $2",
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        let bytes = row.map(|row| row.try_get::<i64>("", "bytes")).transpose()?;
        Ok(u64::try_from(bytes.unwrap_or_default()).unwrap_or_default())
    }

    async fn find_by_keys(
        &self,
        organization: OrganizationId,
        field: Option<&FieldAlias>,
        keys: &[String],
    ) -> Result<BTreeMap<String, ContactId>, StoreError> {
        find_by_keys(
            self.db.reader(),
            self.db.dialect(),
            organization,
            field,
            keys,
        )
        .await
    }
}

#[async_trait]
impl ImportRepository for SeaOrmCrmUnitOfWork {
    async fn insert(&mut self, import: &Import) -> Result<(), StoreError> {
        let plan = serde_json::to_string(&import.plan)
            .map_err(|_| StoreError::corrupt("import", "plan"))?;
        let sql = "INSERT INTO import (organization_id, id, state, fingerprint, plan, created_at,
                       rows_read, created, updated, unchanged, failed, duplicates,
                       position, line, raw_position, busy_micros)
                   SELECT $1, $2, $3, $4, plan, CAST($6 AS BIGINT), 0, 0, 0, 0, 0, 0,
                       CAST($7 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS BIGINT), 0";
        let plan_column: &[Column] = &[("plan", SqlType::Json)];
        let sql = format!("{sql} FROM {}", self.dialect.rows(5, "r", plan_column));
        let [position, line, raw] = import.place().map(number);
        let parameters = [
            import.organization_id.as_uuid().into(),
            import.id.as_uuid().into(),
            import.state.as_str().into(),
            import.plan.fingerprint.as_str().into(),
            format!("[{{\"plan\":{plan}}}]").into(),
            to_micros(import.created_at).into(),
            position.into(),
            line.into(),
            raw.into(),
        ];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn claim(
        &mut self,
        only: Option<(OrganizationId, ImportId)>,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Import>, StoreError> {
        let only = only.map(|(organization, id)| (organization, id.as_uuid()));
        let also = ", error = NULL";
        IMPORTS
            .claim(self, only, worker, [now, lease_until], also)
            .await
    }

    async fn save_progress(
        &mut self,
        import: &Import,
        worker: WorkerId,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE import SET state = $4, rows_read = $5, created = $6, updated = $7,
                       unchanged = $8, failed = $9, duplicates = $10, position = $11, line = $12,
                       busy_micros = $13, worker_id = $14, lease_until = $15, error = $16,
                       finished_at = $17, raw_position = $18
                   WHERE organization_id = $1 AND id = $2 AND worker_id = $3 AND state = 'running'";
        let statement = self.dialect.statement(sql, progress(import, worker));
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }

    async fn change_state(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        from: &[ImportState],
        to: ImportState,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let from: Vec<_> = from.iter().map(|state| state.as_str()).collect();
        let which = (organization, id.as_uuid());
        let finished = to.is_final().then_some(now);
        IMPORTS
            .change_state(self, which, &from, to.as_str(), finished)
            .await
    }

    async fn add_chunk(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        number: u32,
        bytes: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "INSERT INTO import_data (organization_id, import_id, number, created_at, bytes)
             VALUES ($1, $2, $3, $4, $5)",
            [
                organization.as_uuid().into(),
                id.as_uuid().into(),
                i64::from(number).into(),
                to_micros(now).into(),
                bytes.into(),
            ],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn delete_chunks(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM import_data WHERE organization_id = $1 AND import_id = $2",
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn delete_orphans(&mut self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM import_data WHERE created_at < $1
             AND NOT EXISTS (SELECT 1 FROM import
                             WHERE import.organization_id = import_data.organization_id
                             AND import.id = import_data.import_id)",
            [to_micros(before).into()],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn add_problems(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        problems: &[ImportProblem],
    ) -> Result<(), StoreError> {
        if problems.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO import_problem (organization_id, import_id, line, kind, column_name, value,
                 reason, raw, other_line)
             SELECT $1, $2, line, kind, column_name, value, reason, raw, other_line FROM {} WHERE TRUE
             ON CONFLICT DO NOTHING",
            self.dialect.rows(3, "r", PROBLEM)
        );
        let parameters = [
            organization.as_uuid().into(),
            id.as_uuid().into(),
            problem_rows(problems).into(),
        ];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn find_by_keys(
        &mut self,
        organization: OrganizationId,
        field: &FieldAlias,
        keys: &[String],
    ) -> Result<BTreeMap<String, ContactId>, StoreError> {
        find_by_keys(&*self.txn, self.dialect, organization, Some(field), keys).await
    }
}

async fn find_by_keys<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    field: Option<&FieldAlias>,
    keys: &[String],
) -> Result<BTreeMap<String, ContactId>, StoreError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = dialect.rows(2, "r", KEY);
    let organization_id = dialect.unseen("$1");
    let sql = match field {
        None => format!(
            "SELECT c.email_key AS value_key, c.id FROM {rows} CROSS JOIN contact c
             WHERE c.organization_id = {organization_id} AND c.email_key = r.value_key"
        ),
        Some(_) => format!(
            "SELECT k.value_key, k.contact_id AS id FROM {rows} CROSS JOIN contact_key k
             WHERE k.organization_id = {organization_id} AND k.field = $3 AND k.value_key = r.value_key"
        ),
    };
    let wanted: Vec<_> = keys.iter().map(|key| json!({"value_key": key})).collect();
    let mut parameters = vec![
        organization.as_uuid().into(),
        Json::Array(wanted).to_string().into(),
    ];
    parameters.extend(field.map(|field| field.as_str().into()));
    let rows = connection
        .query_all_raw(dialect.statement(sql, parameters))
        .await?;
    rows.iter()
        .map(|row| {
            let id: Uuid = row.try_get("", "id")?;
            Ok((row.try_get("", "value_key")?, ContactId::from_uuid(id)))
        })
        .collect()
}
