use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use serde_json::json;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, execute, found, inserted, instant, many, one};
use crate::{
    OrganizationId, SessionId, StoreError, UserId,
    identity::{
        Client, LoginAttempts, Session, SessionQueries, SessionRepository, TokenHash, Workplace,
    },
    storage::{Column, SqlType, to_micros},
};

const SESSION: &str = "id, user_id, organization_id, remembered, created_at, seen_at, network, user_agent, awaits_second_factor";
const WHAT: &str = "session";

#[async_trait]
impl SessionQueries for SeaOrmIdentityStore {
    async fn find_by_hash(&self, hash: &TokenHash) -> Result<Option<Session>, StoreError> {
        let sql = format!("SELECT {SESSION} FROM session WHERE secret_hash = $1");
        let key = [hash.to_vec().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(session).transpose()
    }

    async fn of_user(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let sql = format!("SELECT {SESSION} FROM session WHERE user_id = $1 ORDER BY id DESC");
        let key = [user.as_uuid().into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        rows.iter().map(session).collect()
    }
}

#[async_trait]
impl SessionRepository for SeaOrmUnitOfWork {
    async fn insert(&mut self, session: &Session, hash: &TokenHash) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO session (id, secret_hash, user_id, organization_id, remembered, created_at,
                     seen_at, network, user_agent, awaits_second_factor)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                [
                    session.id.as_uuid().into(),
                    hash.to_vec().into(),
                    session.user_id.as_uuid().into(),
                    session.organization_id.map(|id| id.as_uuid()).into(),
                    session.remembered.into(),
                    to_micros(session.created_at).into(),
                    to_micros(session.seen_at).into(),
                    session.client.network.map(|ip| ip.to_string()).into(),
                    session.client.user_agent.clone().into(),
                    session.awaits_second_factor.into(),
                ],
            )
            .await?;
        inserted(rows, "session.secret")
    }

    async fn see(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session SET seen_at = $2 WHERE id = $1 AND seen_at < $2",
            [id.as_uuid().into(), to_micros(now).into()],
        )
        .await?;
        Ok(())
    }

    async fn work_in(
        &mut self,
        id: SessionId,
        organization: OrganizationId,
    ) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "UPDATE session SET organization_id = $2 WHERE id = $1",
                [id.as_uuid().into(), organization.as_uuid().into()],
            )
            .await?;
        found(rows, WHAT)
    }

    async fn delete(&mut self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM session WHERE user_id = $1 AND id = $2";
        let key = [user.as_uuid().into(), id.as_uuid().into()];
        Ok(self.execute(sql, key).await? == 1)
    }

    async fn delete_others(&mut self, user: UserId, kept: SessionId) -> Result<u64, StoreError> {
        let sql = "DELETE FROM session WHERE user_id = $1 AND id <> $2";
        let key = [user.as_uuid().into(), kept.as_uuid().into()];
        self.execute(sql, key).await
    }

    async fn delete_all(&mut self, user: UserId) -> Result<u64, StoreError> {
        let sql = "DELETE FROM session WHERE user_id = $1";
        self.execute(sql, [user.as_uuid().into()]).await
    }

    async fn delete_unseen(
        &mut self,
        since: DateTime<Utc>,
        remembered_since: DateTime<Utc>,
        created_since: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM session WHERE (NOT remembered AND seen_at <= $1) OR seen_at <= $2 OR created_at <= $3",
            [
                to_micros(since).into(),
                to_micros(remembered_since).into(),
                to_micros(created_since).into(),
            ],
        )
        .await
    }
}

const KEYS: &[Column] = &[("key", SqlType::Text)];

fn keys(keys: &[String]) -> sea_orm::Value {
    let rows = keys.iter().map(|key| json!({"key": key}));
    rows.collect::<serde_json::Value>().to_string().into()
}

#[async_trait]
impl LoginAttempts for SeaOrmIdentityStore {
    async fn failures(
        &self,
        names: &[String],
    ) -> Result<Vec<(String, u32, DateTime<Utc>)>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT key, failures, failed_at FROM login_attempt WHERE key IN (SELECT r.key FROM {})",
            dialect.rows(1, "r", KEYS)
        );
        let rows = many(self.db.reader(), dialect, &sql, [keys(names)]).await?;
        rows.iter()
            .map(|row| {
                let failures: i64 = row.try_get("", "failures")?;
                Ok((
                    row.try_get("", "key")?,
                    u32::try_from(failures).unwrap_or(u32::MAX),
                    instant(row, "login attempt", "failed_at")?,
                ))
            })
            .collect()
    }

    async fn note_failure(
        &self,
        names: &[String],
        now: DateTime<Utc>,
        forgotten: DateTime<Utc>,
    ) -> Result<Vec<(String, u32)>, StoreError> {
        let dialect = self.db.dialect();
        // In the order of the keys, so that two failures do not wait for each other.
        let sql = format!(
            "INSERT INTO login_attempt (key, failures, failed_at)
             SELECT r.key, 1, $2 FROM {} WHERE TRUE ORDER BY r.key
             ON CONFLICT (key) DO UPDATE SET failed_at = excluded.failed_at,
                 failures = CASE WHEN login_attempt.failed_at <= $3 THEN 1
                                 ELSE login_attempt.failures + 1 END
             RETURNING key, failures",
            dialect.rows(1, "r", KEYS)
        );
        let values = [
            keys(names),
            to_micros(now).into(),
            to_micros(forgotten).into(),
        ];
        let txn = self.db.begin().await?;
        let rows = many(&*txn, dialect, &sql, values).await?;
        txn.commit().await?;
        rows.iter()
            .map(|row| {
                let failures: i64 = row.try_get("", "failures")?;
                Ok((
                    row.try_get("", "key")?,
                    u32::try_from(failures).unwrap_or(u32::MAX),
                ))
            })
            .collect()
    }

    async fn take_back(&self, names: &[String]) -> Result<(), StoreError> {
        let dialect = self.db.dialect();
        // Locked in the order of the keys, so that two do not wait for each other.
        let sql = format!(
            "UPDATE login_attempt SET failures = failures - 1
             WHERE failures > 0 AND key IN (SELECT l.key FROM login_attempt l
                 WHERE l.key IN (SELECT r.key FROM {}) ORDER BY l.key{})",
            dialect.rows(1, "r", KEYS),
            dialect.for_update()
        );
        let none = format!(
            "DELETE FROM login_attempt WHERE failures <= 0 AND key IN (SELECT r.key FROM {})",
            dialect.rows(1, "r", KEYS)
        );
        let txn = self.db.begin().await?;
        execute(&*txn, dialect, &sql, [keys(names)]).await?;
        execute(&*txn, dialect, &none, [keys(names)]).await?;
        txn.commit().await
    }

    async fn forget(&self, name: &str) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        let sql = "DELETE FROM login_attempt WHERE key = $1";
        execute(&*txn, self.db.dialect(), sql, [name.into()]).await?;
        txn.commit().await
    }

    async fn forget_old(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let txn = self.db.begin().await?;
        let sql = "DELETE FROM login_attempt WHERE failed_at <= $1";
        let key = [to_micros(before).into()];
        let forgotten = execute(&*txn, self.db.dialect(), sql, key).await?;
        txn.commit().await?;
        Ok(forgotten)
    }
}

fn session(row: &QueryResult) -> Result<Session, StoreError> {
    let network: Option<String> = row.try_get("", "network")?;
    let organization: Option<uuid::Uuid> = row.try_get("", "organization_id")?;
    Ok(Session {
        id: SessionId::from_uuid(row.try_get("", "id")?),
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        organization_id: organization.map(OrganizationId::from_uuid),
        remembered: row.try_get("", "remembered")?,
        created_at: instant(row, WHAT, "created_at")?,
        seen_at: instant(row, WHAT, "seen_at")?,
        client: Client {
            network: network.and_then(|text| text.parse().ok()),
            user_agent: row.try_get("", "user_agent")?,
            address: None,
        },
        awaits_second_factor: row.try_get("", "awaits_second_factor")?,
    })
}

pub(super) fn workplace(row: &QueryResult) -> Result<Workplace, StoreError> {
    Ok(Workplace {
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        name: super::parsed(row, "organization", "name")?,
        role: super::parsed(row, "membership", "role")?,
        deletion_due_at: super::maybe_instant(row, "organization", "deletion_due_at")?,
        closed: row.try_get("", "closed")?,
    })
}
