//! Workers are there as long as they hold a lock that the system takes from them when they end: on
//! PostgreSQL an advisory lock of a connection, on SQLite that of a file beside the database.

use async_trait::async_trait;

use super::{Db, Dialect};
use crate::{Presence, Present, StoreError, WorkerId};

#[async_trait]
impl Presence for Db {
    async fn announce(&self, worker: WorkerId) -> Result<Present, StoreError> {
        match self.dialect() {
            Dialect::Postgres => postgres::announce(self, worker).await,
            Dialect::Sqlite => sqlite::announce(self, worker),
        }
    }

    async fn is_gone(&self, worker: WorkerId) -> Result<bool, StoreError> {
        match self.dialect() {
            Dialect::Postgres => postgres::is_gone(self, worker).await,
            Dialect::Sqlite => sqlite::is_gone(self, worker),
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use crate::{Present, StoreError, WorkerId, storage::Db};

    pub(super) async fn announce(db: &Db, worker: WorkerId) -> Result<Present, StoreError> {
        // Not the pool's any more: the lock is that of the connection, and goes with it.
        let mut connection = db
            .reader()
            .get_postgres_connection_pool()
            .acquire()
            .await?
            .detach();
        // Shared: a process may do several things as the same worker.
        sqlx::query("SELECT pg_advisory_lock_shared($1)")
            .bind(key(worker))
            .execute(&mut connection)
            .await?;
        Ok(Present::new(connection))
    }

    pub(super) async fn is_gone(db: &Db, worker: WorkerId) -> Result<bool, StoreError> {
        // The lock of a transaction, which is this statement.
        let gone = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(key(worker))
            .fetch_one(db.reader().get_postgres_connection_pool())
            .await?;
        Ok(gone)
    }

    /// The name of a worker's lock: the half of the id that is random.
    fn key(worker: WorkerId) -> i64 {
        let (_, random) = worker.as_uuid().as_u64_pair();
        random.cast_signed()
    }
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the signatures of the real ones")]
mod postgres {
    use crate::{Present, StoreError, WorkerId, storage::Db};

    pub(super) async fn announce(_: &Db, _: WorkerId) -> Result<Present, StoreError> {
        Ok(Present::new(()))
    }

    pub(super) async fn is_gone(_: &Db, _: WorkerId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

mod sqlite {
    use std::{
        fs::{self, File, TryLockError},
        io::ErrorKind,
        path::PathBuf,
    };

    use crate::{Present, StoreError, WorkerId, storage::Db};

    /// The file whose lock a worker holds.
    struct Sign {
        file: File,
        path: PathBuf,
    }

    impl Drop for Sign {
        fn drop(&mut self) {
            // Another part of the process may hold it still; then the file is theirs to remove.
            let last = self.file.unlock().is_ok() && self.file.try_lock().is_ok();
            if last {
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    pub(super) fn announce(db: &Db, worker: WorkerId) -> Result<Present, StoreError> {
        let Some(path) = path(db, worker) else {
            return Ok(Present::new(()));
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(StoreError::backend)?;
        }
        loop {
            let file = File::create(&path).map_err(StoreError::backend)?;
            match file.lock_shared() {
                // Without locks nobody can tell, and the lease decides.
                Err(error) if error.kind() != ErrorKind::Unsupported => {
                    return Err(StoreError::backend(error));
                }
                _ => {}
            }
            // Somebody may have removed it in between, which they do while they have the lock.
            if path.exists() {
                return Ok(Present::new(Sign { file, path }));
            }
        }
    }

    pub(super) fn is_gone(db: &Db, worker: WorkerId) -> Result<bool, StoreError> {
        let Some(path) = path(db, worker) else {
            return Ok(false);
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(StoreError::backend(error)),
        };
        match file.try_lock() {
            Ok(()) => {
                let _ = fs::remove_file(&path);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(false),
            Err(TryLockError::Error(error)) => Err(StoreError::backend(error)),
        }
    }

    fn path(db: &Db, worker: WorkerId) -> Option<PathBuf> {
        Some(db.folder()?.join("workers").join(worker.to_string()))
    }
}
