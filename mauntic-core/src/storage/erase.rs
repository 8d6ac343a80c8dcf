use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::ConnectionTrait as _;

use super::Db;
use crate::{Eraser, OrganizationId, StoreError};

/// What leads every table that is an organisation's.
const LEADER: &str = "organization_id";

/// Erases an organisation's rows of one context. The database says which tables there are, so none is forgotten.
pub struct SeaOrmEraser {
    db: Db,
}

impl SeaOrmEraser {
    /// Erases in that database.
    #[must_use]
    pub fn new(db: Db) -> Arc<Self> {
        Arc::new(Self { db })
    }
}

#[async_trait]
impl Eraser for SeaOrmEraser {
    async fn erase_some(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<u64, StoreError> {
        erase_rows(&self.db, organization, limit, &[]).await
    }
}

/// Deletes up to `limit` of an organisation's rows from each table of the context but those that are spared, each in a
/// transaction of its own; returns how many rows went.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn erase_rows(
    db: &Db,
    organization: OrganizationId,
    limit: u64,
    spared: &[&str],
) -> Result<u64, StoreError> {
    let (mut erased, mut failed) = (0, None);
    for table in tables_with(db, LEADER).await? {
        if spared.contains(&table.as_str()) {
            continue;
        }
        match erase_from(db, &table, organization, limit).await {
            Ok(rows) => erased += rows,
            // Rows of another table may refer to these. They go first then, and these the next time.
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if erased == 0 => Err(error),
        _ => Ok(erased),
    }
}

/// The names of the context's tables that have a column, in order.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn tables_with(db: &Db, column: &str) -> Result<Vec<String>, StoreError> {
    let statement = db
        .dialect()
        .statement(db.dialect().tables_with_column(), [column.into()]);
    let rows = db.reader().query_all_raw(statement).await?;
    let names = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(names.collect::<Result<_, sea_orm::DbErr>>()?)
}

async fn erase_from(
    db: &Db,
    table: &str,
    organization: OrganizationId,
    limit: u64,
) -> Result<u64, StoreError> {
    let dialect = db.dialect();
    let key = || [organization.as_uuid().into()];
    // Most tables have nothing most of the time, and on SQLite a transaction waits for its turn.
    let any = format!("SELECT 1 FROM \"{table}\" WHERE {LEADER} = $1 LIMIT 1");
    let any = db.reader().query_one_raw(dialect.statement(any, key()));
    if any.await?.is_none() {
        return Ok(0);
    }
    let sql = dialect.delete_some(table, &format!("{LEADER} = $1"), limit);
    let txn = db.begin().await?;
    let done = txn.execute_raw(dialect.statement(sql, key())).await?;
    txn.commit().await?;
    Ok(done.rows_affected())
}
