use sea_orm_migration::MigratorTrait;

use super::Db;
#[cfg(feature = "postgres")]
use super::Dialect;
use crate::StoreError;

/// Brings the schema of a context up to date. Safe to call from many processes at once: one does
/// the work and the others wait for it.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn migrate<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    #[cfg(feature = "postgres")]
    if db.dialect() == Dialect::Postgres {
        return migrate_postgres::<M>(db).await;
    }
    migrate_sqlite::<M>(db).await
}

#[cfg(feature = "postgres")]
async fn migrate_postgres<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    // A session lock on a connection of its own; the name is the context's.
    let mut guard = db.reader().get_postgres_connection_pool().acquire().await?;
    let lock = format!(
        "SELECT pg_advisory_lock(hashtext('mauntic.{}'))",
        db.context()
    );
    let unlock = format!(
        "SELECT pg_advisory_unlock(hashtext('mauntic.{}'))",
        db.context()
    );
    sqlx::query(sqlx::AssertSqlSafe(lock))
        .execute(&mut *guard)
        .await?;
    let done = M::up(db.reader(), None).await;
    sqlx::query(sqlx::AssertSqlSafe(unlock))
        .execute(&mut *guard)
        .await?;
    Ok(done?)
}

async fn migrate_sqlite<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    use sea_orm::ConnectionTrait as _;

    if M::get_pending_migrations_read_only(db.reader())
        .await?
        .is_empty()
    {
        return Ok(());
    }
    let row = db
        .reader()
        .query_one_raw(db.dialect().statement(
            "SELECT file FROM pragma_database_list WHERE name = 'main'",
            [],
        ))
        .await?;
    let file = row
        .map(|row| row.try_get_by_index::<String>(0))
        .transpose()?
        .unwrap_or_default();
    let lock = tokio::task::spawn_blocking(move || {
        let lock = std::fs::File::create(format!("{file}.migrate-lock"))?;
        lock.lock()?;
        Ok::<_, std::io::Error>(lock)
    });
    let lock = lock
        .await
        .map_err(StoreError::backend)?
        .map_err(StoreError::backend)?;
    let done = M::up(db.reader(), None).await;
    drop(lock);
    Ok(done?)
}
