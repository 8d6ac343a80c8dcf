//! What the storage of every context shares: connections, the differences between the back ends,
//! and the outbox and inbox tables.
//!
//! Each context has a [`Db`] of its own: on PostgreSQL a pool whose search path is the context's
//! schema, on SQLite a file. Table names are never qualified.

mod db;
mod dialect;
mod erase;
#[cfg(feature = "testing")]
pub mod filling;
mod migrate;
mod outbox;
#[cfg(feature = "testing")]
pub mod schema;
#[cfg(feature = "testing")]
pub mod test_database;

pub use db::{Db, DbOptions, DbTarget, InvalidDatabase, Txn};
pub use dialect::{Column, Dialect, SqlType};
pub use erase::{SeaOrmEraser, erase_rows, tables_with};
pub use migrate::{is_migrated, migrate};
pub use outbox::{OutboxMigration, SeaOrmRelayStore, append_to_outbox, first_time};

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, RuntimeErr};

use crate::StoreError;

/// PostgreSQL's `serialization_failure` and `deadlock_detected`. SQLite has one writer, who waits.
const CONTENDED: [&str; 2] = ["40001", "40P01"];

/// An instant as it is stored: microseconds since 1970, in a `BIGINT` column on both back ends.
#[must_use]
pub fn to_micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// Reads an instant back.
///
/// # Errors
/// [`StoreError::Corrupt`] if the number is beyond the calendar.
pub fn from_micros(what: &'static str, micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::corrupt(what, "an instant out of range"))
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let code = match &error {
            DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code),
            _ => None,
        };
        if code.is_some_and(|code| CONTENDED.contains(&&*code)) {
            return Self::Contended;
        }
        Self::backend(error)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::backend(error)
    }
}
