use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode,
    TransactionOptions, TransactionTrait as _,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Dialect;
use crate::StoreError;

/// Where the data of an installation is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum DbTarget {
    /// A folder of SQLite files, one for each context.
    Sqlite(PathBuf),
    /// A PostgreSQL database with a schema for each context.
    Postgres(String),
}

/// The text names no database that Mauntic can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a database: expected postgres://user:password@host/name, or sqlite:FOLDER")]
pub struct InvalidDatabase;

impl DbTarget {
    /// Reads `postgres://…` or `sqlite:FOLDER`.
    ///
    /// # Errors
    /// [`InvalidDatabase`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabase> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(folder) if !folder.is_empty() => Ok(Self::Sqlite(PathBuf::from(
                folder.strip_prefix("//").unwrap_or(folder),
            ))),
            _ => Err(InvalidDatabase),
        }
    }

    /// What may be shown and logged: without the password.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("SQLite files in {}", folder.display()),
            Self::Postgres(url) => {
                let place = url
                    .rsplit_once('@')
                    .map_or_else(|| url.as_str(), |(_, place)| place);
                let place = place
                    .trim_start_matches("postgres://")
                    .trim_start_matches("postgresql://");
                format!(
                    "PostgreSQL at {}",
                    place.split('?').next().unwrap_or_default()
                )
            }
        }
    }
}

impl std::fmt::Debug for DbTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// How a context's connections behave.
#[derive(Debug, Clone, Copy)]
pub struct DbOptions {
    /// Most connections at once, per context.
    pub max_connections: u32,
    /// SQLite only: survive a power cut at every commit (`synchronous=FULL`), not only a crash.
    pub sqlite_full_sync: bool,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            sqlite_full_sync: true,
        }
    }
}

/// The database of one context. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    connection: DatabaseConnection,
    context: &'static str,
    dialect: Dialect,
    /// SQLite has one writer. Waiting here is fair; waiting for SQLite's lock is not.
    writer: Arc<Mutex<()>>,
}

impl Db {
    /// Connects to the database of a context, and creates its schema or file if there is none.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the database cannot be reached or the folder cannot be made.
    pub async fn connect(
        target: &DbTarget,
        context: &'static str,
        options: DbOptions,
    ) -> Result<Self, StoreError> {
        let (connection, dialect) = match target {
            DbTarget::Sqlite(folder) => (
                connect_sqlite(folder, context, options).await?,
                Dialect::Sqlite,
            ),
            DbTarget::Postgres(url) => (
                connect_postgres(url, context, options).await?,
                Dialect::Postgres,
            ),
        };
        Ok(Self {
            connection,
            context,
            dialect,
            writer: Arc::default(),
        })
    }

    /// The connection, for reading. Writes go through [`Db::begin`].
    #[must_use]
    pub fn reader(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Which back end this is, and how to speak to it.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The context whose database this is, such as `crm`.
    #[must_use]
    pub fn context(&self) -> &'static str {
        self.context
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.connection.ping().await?)
    }

    /// Begins a transaction, for writing. Dropping it rolls back.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn begin(&self) -> Result<Txn, StoreError> {
        let turn = self.turn_to_write().await;
        let options = TransactionOptions {
            // SQLite cannot turn a read transaction into a write one while others write.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Txn {
            txn: self.connection.begin_with_options(options).await?,
            _turn: turn,
        })
    }

    /// Waits for the right to write where one may write at a time, which is on SQLite.
    pub async fn turn_to_write(&self) -> Option<OwnedMutexGuard<()>> {
        match self.dialect {
            Dialect::Sqlite => Some(self.writer_turn().await),
            Dialect::Postgres => None,
        }
    }

    /// Waits for the right to write on SQLite, for code that opens a transaction of its own through sqlx.
    pub async fn writer_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.writer).lock_owned().await
    }
}

/// One transaction. Dropping it rolls back.
pub struct Txn {
    // Declared before the turn, so that it ends before the next writer starts.
    txn: DatabaseTransaction,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Txn {
    /// Makes all changes permanent at once.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.txn.commit().await?)
    }
}

impl Deref for Txn {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.txn
    }
}

#[cfg(feature = "sqlite")]
async fn connect_sqlite(
    folder: &Path,
    context: &'static str,
    options: DbOptions,
) -> Result<DatabaseConnection, StoreError> {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

    std::fs::create_dir_all(folder).map_err(StoreError::backend)?;
    let file = folder.join(format!("{context}.sqlite"));
    let synchronous = if options.sqlite_full_sync {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Normal
    };
    let mut connect = ConnectOptions::new("sqlite::memory:");
    connect
        .sqlx_logging(false)
        .max_connections(options.max_connections.max(2))
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .map_sqlx_sqlite_opts(move |_| {
            SqliteConnectOptions::new()
                .filename(&file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(synchronous)
                .busy_timeout(Duration::from_secs(30))
                .pragma("cache_size", "-20000")
                .pragma("temp_store", "memory")
                .foreign_keys(true)
                // `text REGEXP pattern`, by the same crate that evaluates rules in memory.
                .with_regexp()
        });
    Ok(Database::connect(connect).await?)
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "the signature of the real one")]
async fn connect_sqlite(
    _: &Path,
    _: &'static str,
    _: DbOptions,
) -> Result<DatabaseConnection, StoreError> {
    Err(StoreError::backend(
        "this program was built without the feature `sqlite`",
    ))
}

#[cfg(feature = "postgres")]
async fn connect_postgres(
    url: &str,
    context: &'static str,
    options: DbOptions,
) -> Result<DatabaseConnection, StoreError> {
    create_schema(url, context).await?;
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .max_connections(options.max_connections)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(Duration::from_mins(5))
        .set_schema_search_path(context)
        .map_sqlx_postgres_opts(move |options| {
            options
                .application_name(&format!("mauntic-{context}"))
                // A plan that was kept from when a table was empty reads a million rows for each row asked for.
                .options([("plan_cache_mode", "force_custom_plan")])
        });
    Ok(Database::connect(connect).await?)
}

/// `IF NOT EXISTS` still fails when two processes create the schema at the same instant, so look again.
#[cfg(feature = "postgres")]
async fn create_schema(url: &str, context: &'static str) -> Result<(), StoreError> {
    use sea_orm::ConnectionTrait as _;

    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .max_connections(1)
        .connect_timeout(Duration::from_secs(10));
    let connection = Database::connect(connect).await?;
    let statement = format!("CREATE SCHEMA IF NOT EXISTS {context}");
    let created = connection.execute_unprepared(&statement).await;
    if created.is_err() {
        connection.execute_unprepared(&statement).await?;
    }
    connection.close().await?;
    Ok(())
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the signature of the real one")]
async fn connect_postgres(
    _: &str,
    _: &'static str,
    _: DbOptions,
) -> Result<DatabaseConnection, StoreError> {
    Err(StoreError::backend(
        "this program was built without the feature `postgres`",
    ))
}
