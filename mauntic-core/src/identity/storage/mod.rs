//! Identity on SQLite and PostgreSQL.

mod audit;
mod erasures;
mod idempotency;
mod invitations;
mod letters;
mod linked_logins;
mod migrations;
mod notifications;
mod oauth;
mod organizations;
mod second_factors;
mod sessions;
mod tokens;
mod users;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{
    AuditQueries, AuditRepository, DetourRepository, Erasures, IdempotencyStore, IdentityStore,
    IdentityUnitOfWork, InvitationQueries, InvitationRepository, LetterQueue, LetterRepository,
    LinkQueries, LinkRepository, LinkedLoginQueries, LinkedLoginRepository, LoginAttempts,
    MemberQueries, MembershipRepository, NotificationQueries, NotificationRepository, OauthQueries,
    OauthRepository, OrganizationQueries, OrganizationRepository, SecondFactorQueries,
    SecondFactorRepository, SessionQueries, SessionRepository, TokenQueries, TokenRepository,
    UserRepository,
};
use crate::{
    Envelope, EventId, Inbox, Outbox, StoreError,
    storage::{
        Db, DbOptions, DbTarget, Dialect, Txn, append_to_outbox, first_time, from_micros, to_micros,
    },
};

pub use migrations::IdentityMigrator;

/// The name of the context's schema or file.
pub const CONTEXT: &str = "identity";

/// Identity in a database. Cheap to clone.
#[derive(Clone)]
pub struct SeaOrmIdentityStore {
    db: Db,
}

impl SeaOrmIdentityStore {
    /// Identity in that database, whose tables are there.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Connects, and brings the tables up to date.
    pub async fn open(target: &DbTarget, options: DbOptions) -> Result<Self, StoreError> {
        let db = Db::connect(target, CONTEXT, options).await?;
        crate::storage::migrate::<IdentityMigrator>(&db).await?;
        Ok(Self::new(db))
    }

    /// The database, for its relay.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }
}

#[async_trait]
impl IdentityStore for SeaOrmIdentityStore {
    fn organizations(&self) -> &dyn OrganizationQueries {
        self
    }

    fn members(&self) -> &dyn MemberQueries {
        self
    }

    fn tokens(&self) -> &dyn TokenQueries {
        self
    }

    fn oauth(&self) -> &dyn OauthQueries {
        self
    }

    fn sessions(&self) -> &dyn SessionQueries {
        self
    }

    fn second_factors(&self) -> &dyn SecondFactorQueries {
        self
    }

    fn linked_logins(&self) -> &dyn LinkedLoginQueries {
        self
    }

    fn invitations(&self) -> &dyn InvitationQueries {
        self
    }

    fn links(&self) -> &dyn LinkQueries {
        self
    }

    fn letters(&self) -> &dyn LetterQueue {
        self
    }

    fn notifications(&self) -> &dyn NotificationQueries {
        self
    }

    fn login_attempts(&self) -> &dyn LoginAttempts {
        self
    }

    fn audit(&self) -> &dyn AuditQueries {
        self
    }

    fn idempotency(&self) -> &dyn IdempotencyStore {
        self
    }

    fn erasures(&self) -> &dyn Erasures {
        self
    }

    async fn secret_fingerprint(
        &self,
        fingerprint: &str,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        let read = "SELECT secret_fingerprint FROM instance WHERE only_row = 1";
        let note = "INSERT INTO instance (only_row, secret_fingerprint, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        if let Some(row) = one(self.db.reader(), self.db.dialect(), read, []).await? {
            return Ok(row.try_get("", "secret_fingerprint")?);
        }
        let txn = self.db.begin().await?;
        let values = [fingerprint.into(), to_micros(now).into()];
        execute(&*txn, self.db.dialect(), note, values).await?;
        txn.commit().await?;
        let row = one(self.db.reader(), self.db.dialect(), read, []).await?;
        let row = row.ok_or(StoreError::Missing { what: "instance" })?;
        Ok(row.try_get("", "secret_fingerprint")?)
    }

    async fn begin(&self) -> Result<Box<dyn IdentityUnitOfWork>, StoreError> {
        Ok(Box::new(SeaOrmUnitOfWork {
            txn: self.db.begin().await?,
            dialect: self.db.dialect(),
        }))
    }
}

struct SeaOrmUnitOfWork {
    txn: Txn,
    dialect: Dialect,
}

#[async_trait]
impl IdentityUnitOfWork for SeaOrmUnitOfWork {
    fn organizations(&mut self) -> &mut dyn OrganizationRepository {
        self
    }

    fn users(&mut self) -> &mut dyn UserRepository {
        self
    }

    fn memberships(&mut self) -> &mut dyn MembershipRepository {
        self
    }

    fn tokens(&mut self) -> &mut dyn TokenRepository {
        self
    }

    fn oauth(&mut self) -> &mut dyn OauthRepository {
        self
    }

    fn sessions(&mut self) -> &mut dyn SessionRepository {
        self
    }

    fn second_factors(&mut self) -> &mut dyn SecondFactorRepository {
        self
    }

    fn linked_logins(&mut self) -> &mut dyn LinkedLoginRepository {
        self
    }

    fn detours(&mut self) -> &mut dyn DetourRepository {
        self
    }

    fn invitations(&mut self) -> &mut dyn InvitationRepository {
        self
    }

    fn links(&mut self) -> &mut dyn LinkRepository {
        self
    }

    fn letters(&mut self) -> &mut dyn LetterRepository {
        self
    }

    fn notifications(&mut self) -> &mut dyn NotificationRepository {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        self
    }

    fn inbox(&mut self) -> &mut dyn Inbox {
        self
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.txn.commit().await
    }
}

#[async_trait]
impl Outbox for SeaOrmUnitOfWork {
    async fn append(&mut self, envelopes: &[Envelope]) -> Result<(), StoreError> {
        append_to_outbox(&*self.txn, self.dialect, envelopes).await
    }
}

#[async_trait]
impl Inbox for SeaOrmUnitOfWork {
    async fn first_time(
        &mut self,
        handler: &'static str,
        event: EventId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        first_time(&*self.txn, self.dialect, handler, event, now).await
    }
}

impl SeaOrmUnitOfWork {
    async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<QueryResult>, StoreError> {
        one(&*self.txn, self.dialect, sql, values).await
    }

    async fn many<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, StoreError> {
        many(&*self.txn, self.dialect, sql, values).await
    }

    /// Runs a statement and returns how many rows it touched.
    async fn execute<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<u64, StoreError> {
        execute(&*self.txn, self.dialect, sql, values).await
    }
}

async fn one<C: ConnectionTrait, const N: usize>(
    connection: &C,
    dialect: Dialect,
    sql: &str,
    values: [Value; N],
) -> Result<Option<QueryResult>, StoreError> {
    Ok(connection
        .query_one_raw(dialect.statement(sql, values))
        .await?)
}

async fn many<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    Ok(connection
        .query_all_raw(dialect.statement(sql, values))
        .await?)
}

async fn execute<C: ConnectionTrait, const N: usize>(
    connection: &C,
    dialect: Dialect,
    sql: &str,
    values: [Value; N],
) -> Result<u64, StoreError> {
    let done = connection
        .execute_raw(dialect.statement(sql, values))
        .await?;
    Ok(done.rows_affected())
}

/// Holds an `INSERT … ON CONFLICT DO NOTHING` to have added its row.
fn inserted(rows: u64, field: &'static str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict { field })
    }
}

/// Holds an `UPDATE` or `DELETE` to have found its row.
fn found(rows: u64, what: &'static str) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::Missing { what })
    }
}

/// A text column that has to be something.
fn parsed<T: std::str::FromStr>(
    row: &QueryResult,
    what: &'static str,
    column: &str,
) -> Result<T, StoreError> {
    let text: String = row.try_get("", column)?;
    text.parse().map_err(|_| StoreError::corrupt(what, column))
}

fn instant(
    row: &QueryResult,
    what: &'static str,
    column: &str,
) -> Result<DateTime<Utc>, StoreError> {
    from_micros(what, row.try_get("", column)?)
}

fn maybe_instant(
    row: &QueryResult,
    what: &'static str,
    column: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let micros: Option<i64> = row.try_get("", column)?;
    micros.map(|micros| from_micros(what, micros)).transpose()
}

fn micros(instant: Option<DateTime<Utc>>) -> Value {
    instant.map(to_micros).into()
}
