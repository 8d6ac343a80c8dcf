use mauntic_core::{
    ImportId, OrganizationId, StoreError, WorkerId,
    storage::{Column, SqlType, from_micros, to_micros},
};
use sea_orm::{QueryResult, Value};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    import::{Import, ImportCounts, ImportProblem},
    storage::{contacts::from_json, long_work::number},
};

pub(super) const COLUMNS: &str = "organization_id, id, state, plan, rows_read, created, updated, \
     unchanged, failed, duplicates, position, line, raw_position, busy_micros, worker_id, lease_until, error, \
     created_at, finished_at";

pub(super) const PROBLEM: &[Column] = &[
    ("line", SqlType::BigInt),
    ("kind", SqlType::Text),
    ("column_name", SqlType::Text),
    ("value", SqlType::Text),
    ("reason", SqlType::Text),
    ("raw", SqlType::Text),
    ("other_line", SqlType::BigInt),
];

fn count(row: &QueryResult, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get("", column)?;
    u64::try_from(number).map_err(|_| StoreError::corrupt("import", column))
}

pub(super) fn import(row: &QueryResult) -> Result<Import, StoreError> {
    let worker: Option<Uuid> = row.try_get("", "worker_id")?;
    let until: Option<i64> = row.try_get("", "lease_until")?;
    let until = until
        .map(|until| from_micros("import", until))
        .transpose()?;
    let finished: Option<i64> = row.try_get("", "finished_at")?;
    let state: String = row.try_get("", "state")?;
    let mut import = Import::new(
        ImportId::from_uuid(row.try_get("", "id")?),
        OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        from_json(row, "import", "plan")?,
        from_micros("import", row.try_get("", "created_at")?)?,
    );
    import.state = state
        .parse()
        .map_err(|_| StoreError::corrupt("import", "state"))?;
    import.counts = ImportCounts {
        rows: count(row, "rows_read")?,
        created: count(row, "created")?,
        updated: count(row, "updated")?,
        unchanged: count(row, "unchanged")?,
        failed: count(row, "failed")?,
        duplicates: count(row, "duplicates")?,
    };
    import.set_place([
        count(row, "position")?,
        count(row, "line")?,
        count(row, "raw_position")?,
    ]);
    import.busy_micros = row.try_get("", "busy_micros")?;
    import.error = row.try_get("", "error")?;
    import.lease = worker.map(WorkerId::from_uuid).zip(until);
    import.finished_at = finished.map(|at| from_micros("import", at)).transpose()?;
    Ok(import)
}

/// The parameters that save how far an import is: which one, whose it must be, and the new values.
pub(super) fn progress(import: &Import, worker: WorkerId) -> Vec<Value> {
    let [position, line, raw] = import.place();
    let counts = &import.counts;
    vec![
        import.organization_id.as_uuid().into(),
        import.id.as_uuid().into(),
        worker.as_uuid().into(),
        import.state.as_str().into(),
        number(counts.rows).into(),
        number(counts.created).into(),
        number(counts.updated).into(),
        number(counts.unchanged).into(),
        number(counts.failed).into(),
        number(counts.duplicates).into(),
        number(position).into(),
        number(line).into(),
        import.busy_micros.into(),
        import.lease.map(|(worker, _)| worker.as_uuid()).into(),
        import.lease.map(|(_, until)| to_micros(until)).into(),
        import.error.clone().into(),
        import.finished_at.map(to_micros).into(),
        number(raw).into(),
    ]
}

pub(super) fn problem_rows(problems: &[ImportProblem]) -> String {
    let rows = problems.iter().map(|problem| {
        json!({
            "line": problem.line,
            "kind": problem.kind,
            "column_name": problem.column,
            "value": problem.value,
            "reason": problem.reason,
            "raw": problem.raw,
            "other_line": problem.other_line,
        })
    });
    Json::Array(rows.collect()).to_string()
}

pub(super) fn problem(row: &QueryResult) -> Result<ImportProblem, StoreError> {
    let kind: String = row.try_get("", "kind")?;
    let other: Option<i64> = row.try_get("", "other_line")?;
    Ok(ImportProblem {
        line: count(row, "line")?,
        kind: kind
            .parse()
            .map_err(|_| StoreError::corrupt("import problem", "kind"))?,
        column: row.try_get("", "column_name")?,
        value: row.try_get("", "value")?,
        reason: row.try_get("", "reason")?,
        raw: row.try_get("", "raw")?,
        other_line: other.and_then(|line| u64::try_from(line).ok()),
    })
}
