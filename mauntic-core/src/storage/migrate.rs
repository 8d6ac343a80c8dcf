use sea_orm_migration::MigratorTrait;

use super::Db;
#[cfg(feature = "postgres")]
use super::Dialect;
use crate::StoreError;

/// How long whoever waits for another to bring the schema up to date does so before asking again.
#[cfg(feature = "postgres")]
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Whether the schema of a context is up to date. Changes nothing, not even an empty database.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn is_migrated<M: MigratorTrait>(db: &Db) -> Result<bool, StoreError> {
    let pending = M::get_pending_migrations_read_only(db.reader()).await?;
    Ok(pending.is_empty())
}

/// Brings the schema of a context up to date. Safe to call from many processes at once: one does
/// the work and the others wait for it.
///
/// # Errors
/// [`StoreError::Backend`].
pub async fn migrate<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    if is_migrated::<M>(db).await? {
        return Ok(());
    }
    // One task of this process at a time: each that waits below keeps a connection.
    let _turn = db.writer_turn().await;
    #[cfg(feature = "postgres")]
    if db.dialect() == Dialect::Postgres {
        return migrate_postgres::<M>(db).await;
    }
    migrate_sqlite::<M>(db).await
}

#[cfg(feature = "postgres")]
async fn migrate_postgres<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    // A session lock named after the context, on a connection that leaves the pool: however this
    // ends, the connection is closed, and the lock goes with it.
    let connection = db.reader().get_postgres_connection_pool().acquire().await?;
    let mut connection = connection.detach();
    // Asked again and again: whoever waits within a statement has a snapshot, and an index that is made while others
    // write waits for all of those.
    let name = format!("mauntic.{}", db.context());
    while !sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock(hashtext($1))")
        .bind(name.clone())
        .fetch_one(&mut connection)
        .await?
    {
        tokio::time::sleep(PAUSE).await;
    }
    let done = M::up(db.reader(), None).await;
    sqlx::Connection::close(connection).await?;
    Ok(done?)
}

async fn migrate_sqlite<M: MigratorTrait>(db: &Db) -> Result<(), StoreError> {
    use sea_orm::ConnectionTrait as _;

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
