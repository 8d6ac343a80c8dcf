//! Small helpers for statements written by hand.

use chrono::{DateTime, Utc};
use mauntic_core::{
    Id, StoreError,
    storage::{Dialect, from_micros},
};
use sea_orm::{QueryResult, Statement, Value};
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The parameters of a statement that is put together from parts.
#[derive(Default)]
pub(crate) struct Parameters(Vec<Value>);

impl Parameters {
    /// Adds a parameter and returns its placeholder.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    /// The statement with these parameters.
    pub(crate) fn statement(self, dialect: Dialect, sql: impl Into<String>) -> Statement {
        dialect.statement(sql, self.0)
    }
}

/// Reads typed values out of a row.
pub(crate) trait Row {
    fn id<K>(&self, column: &str) -> Result<Id<K>, StoreError>;
    fn find_id<K>(&self, column: &str) -> Result<Option<Id<K>>, StoreError>;
    fn instant(&self, column: &str) -> Result<DateTime<Utc>, StoreError>;
    fn find_instant(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError>;
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn find_text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn integer(&self, column: &str) -> Result<i64, StoreError>;
    /// A whole number that cannot be negative.
    fn count(&self, column: &str) -> Result<u64, StoreError>;
    /// A JSON column, parsed; `what` names the record in the error.
    fn json<T: DeserializeOwned>(&self, what: &'static str, column: &str) -> Result<T, StoreError>;
}

impl Row for QueryResult {
    fn id<K>(&self, column: &str) -> Result<Id<K>, StoreError> {
        Ok(Id::from_uuid(self.try_get::<Uuid>("", column)?))
    }

    fn find_id<K>(&self, column: &str) -> Result<Option<Id<K>>, StoreError> {
        Ok(self.try_get::<Option<Uuid>>("", column)?.map(Id::from_uuid))
    }

    fn instant(&self, column: &str) -> Result<DateTime<Utc>, StoreError> {
        from_micros("instant", self.try_get("", column)?)
    }

    fn find_instant(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.try_get::<Option<i64>>("", column)?
            .map(|micros| from_micros("instant", micros))
            .transpose()
    }

    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get("", column)?)
    }

    fn find_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get("", column)?)
    }

    fn integer(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get("", column)?)
    }

    fn count(&self, column: &str) -> Result<u64, StoreError> {
        let number: i64 = self.try_get("", column)?;
        u64::try_from(number).map_err(|error| StoreError::corrupt("count", error))
    }

    fn json<T: DeserializeOwned>(&self, what: &'static str, column: &str) -> Result<T, StoreError> {
        let value: serde_json::Value = self.try_get("", column)?;
        serde_json::from_value(value).map_err(|error| StoreError::corrupt(what, error))
    }
}

/// What marks the wildcards of a `LIKE` pattern (`ESCAPE '\'`) as plain characters.
pub(crate) fn like_literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
