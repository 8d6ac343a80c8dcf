//! Databases for tests: a temporary folder, or a database of its own on the PostgreSQL server that
//! `MAUNTIC_TEST_POSTGRES` names (a URL whose user may create databases).

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement,
};
use tempfile::TempDir;

use super::DbTarget;

/// A database that only one test uses.
pub struct TestDatabase {
    /// Where it is.
    pub target: DbTarget,
    _folder: Option<TempDir>,
    _created: Option<Created>,
}

/// A database on a server, dropped with this value.
struct Created {
    server: String,
    name: String,
}

impl Drop for Created {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // A test that ends may be in the middle of its runtime, which must not be blocked.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime
                .block_on(administer(&server, &statement))
                .map_err(std::io::Error::other)
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            tracing::warn!(database = self.name, "a test database was not dropped");
        }
    }
}

async fn administer(server: &str, statement: &str) -> Result<(), sea_orm::DbErr> {
    let mut options = ConnectOptions::new(server);
    options
        .sqlx_logging(false)
        .max_connections(1)
        .connect_timeout(Duration::from_secs(10));
    let connection = Database::connect(options).await?;
    connection.execute_unprepared(statement).await?;
    connection.close().await
}

impl TestDatabase {
    /// SQLite files in a new temporary folder, which goes with this value.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = TempDir::with_prefix("mauntic-test-").expect("a temporary folder can be made");
        Self {
            target: DbTarget::Sqlite(folder.path().to_owned()),
            _folder: Some(folder),
            _created: None,
        }
    }

    /// What a test takes that is to pass on either back end: SQLite, or PostgreSQL if `MAUNTIC_TEST_ON` is `postgres`.
    /// `cargo xtask test` runs such tests on both.
    ///
    /// # Panics
    /// As [`sqlite`](Self::sqlite) and [`postgres`](Self::postgres).
    pub async fn chosen() -> Self {
        if std::env::var("MAUNTIC_TEST_ON").is_ok_and(|on| on == "postgres") {
            Self::postgres().await
        } else {
            Self::sqlite()
        }
    }

    /// A new database on the PostgreSQL server that `MAUNTIC_TEST_POSTGRES` names. It goes with this value.
    ///
    /// # Panics
    /// If the variable is not set or the server does not answer: tests of PostgreSQL are never skipped in silence.
    pub async fn postgres() -> Self {
        let server = std::env::var("MAUNTIC_TEST_POSTGRES").expect(
            "MAUNTIC_TEST_POSTGRES must name a PostgreSQL server for tests; `cargo xtask test` starts one",
        );
        let name = format!("mauntic_test_{}", uuid::Uuid::from_u128(random()).simple());
        administer(&server, &format!("CREATE DATABASE {name}"))
            .await
            .expect("the test server answers and a database can be made");
        let (base, _) = server
            .rsplit_once('/')
            .expect("the URL ends with a database");
        let base = base.to_owned();
        Self {
            target: DbTarget::Postgres(format!("{base}/{name}")),
            _folder: None,
            _created: Some(Created { server, name }),
        }
    }
}

/// Tells whether anybody wrote to a context's file on SQLite.
pub struct FileWatch(DatabaseConnection);

impl FileWatch {
    /// Watches a context.
    ///
    /// # Panics
    /// If it is not on SQLite, or its file cannot be opened.
    pub async fn of(target: &DbTarget, context: &str) -> Self {
        let DbTarget::Sqlite(folder) = target else {
            panic!("only files of SQLite can be watched");
        };
        let file = folder.join(format!("{context}.sqlite"));
        let mut options = ConnectOptions::new(format!("sqlite:{}?mode=rw", file.display()));
        // One connection for ever: what it is told is compared with what it was told before.
        options
            .sqlx_logging(false)
            .min_connections(1)
            .max_connections(1);
        let connection = Database::connect(options).await;
        Self(connection.expect("the context's file can be opened"))
    }

    /// A number that is another one once somebody has written.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn version(&self) -> i64 {
        let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA data_version");
        let row = self.0.query_one_raw(statement).await;
        let row = row.expect("the database answers").expect("with a row");
        row.try_get("", "data_version").expect("with a number")
    }
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    u128::from_le_bytes(bytes)
}
