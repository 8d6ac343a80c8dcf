use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use serde_json::json;

use super::{
    SeaOrmIdentityStore, SeaOrmUnitOfWork, inserted, instant, many, maybe_instant, micros, one,
    parsed,
};
use crate::{
    StoreError, UserId,
    identity::{
        Detour, DetourRepository, LinkedLogin, LinkedLoginQueries, LinkedLoginRepository, Slug,
        TokenHash,
    },
    storage::to_micros,
};

const COLUMNS: &str = "issuer, subject, user_id, provider, email, created_at, last_used_at";

fn of_user() -> String {
    format!(
        "SELECT {COLUMNS} FROM linked_login WHERE user_id = $1 ORDER BY created_at, issuer, subject"
    )
}

#[async_trait]
impl LinkedLoginQueries for SeaOrmIdentityStore {
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<LinkedLogin>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM linked_login WHERE issuer = $1 AND subject = $2");
        let key = [issuer.into(), subject.into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(login).transpose()
    }

    async fn of_user(&self, user: UserId) -> Result<Vec<LinkedLogin>, StoreError> {
        let key = [user.as_uuid().into()];
        let rows = many(self.db.reader(), self.db.dialect(), &of_user(), key).await?;
        rows.iter().map(login).collect()
    }
}

#[async_trait]
impl LinkedLoginRepository for SeaOrmUnitOfWork {
    async fn of_user(&mut self, user: UserId) -> Result<Vec<LinkedLogin>, StoreError> {
        let rows = self.many(&of_user(), [user.as_uuid().into()]).await?;
        rows.iter().map(login).collect()
    }

    async fn insert(&mut self, login: &LinkedLogin) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO linked_login (issuer, subject, user_id, provider, email, created_at, last_used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                [
                    login.issuer.as_str().into(),
                    login.subject.as_str().into(),
                    login.user_id.as_uuid().into(),
                    login.provider.as_str().into(),
                    login.email.as_str().into(),
                    to_micros(login.created_at).into(),
                    micros(login.last_used_at),
                ],
            )
            .await?;
        inserted(rows, "linked_login")
    }

    async fn note_use(
        &mut self,
        user: UserId,
        issuer: &str,
        subject: &str,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE linked_login SET last_used_at = $4
                   WHERE user_id = $1 AND issuer = $2 AND subject = $3";
        let values = [
            user.as_uuid().into(),
            issuer.into(),
            subject.into(),
            to_micros(at).into(),
        ];
        Ok(self.execute(sql, values).await? == 1)
    }

    async fn delete(&mut self, user: UserId, provider: &Slug) -> Result<bool, StoreError> {
        let sql = "DELETE FROM linked_login WHERE user_id = $1 AND provider = $2";
        let key = [user.as_uuid().into(), provider.as_str().into()];
        Ok(self.execute(sql, key).await? == 1)
    }
}

#[async_trait]
impl DetourRepository for SeaOrmUnitOfWork {
    async fn insert(&mut self, detour: &Detour, hash: &TokenHash) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO detour (secret_hash, provider, aim, expires_at)
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                [
                    hash.to_vec().into(),
                    detour.provider.as_str().into(),
                    json!(detour.aim).into(),
                    to_micros(detour.expires_at).into(),
                ],
            )
            .await?;
        inserted(rows, "detour.secret")
    }

    async fn take(&mut self, hash: &TokenHash) -> Result<Option<Detour>, StoreError> {
        let sql = "DELETE FROM detour WHERE secret_hash = $1 RETURNING provider, aim, expires_at";
        let row = self.one(sql, [hash.to_vec().into()]).await?;
        row.as_ref().map(detour).transpose()
    }

    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM detour WHERE expires_at <= $1";
        self.execute(sql, [to_micros(at).into()]).await
    }
}

fn login(row: &QueryResult) -> Result<LinkedLogin, StoreError> {
    const WHAT: &str = "linked login";
    Ok(LinkedLogin {
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        provider: parsed(row, WHAT, "provider")?,
        issuer: row.try_get("", "issuer")?,
        subject: row.try_get("", "subject")?,
        email: parsed(row, WHAT, "email")?,
        created_at: instant(row, WHAT, "created_at")?,
        last_used_at: maybe_instant(row, WHAT, "last_used_at")?,
    })
}

fn detour(row: &QueryResult) -> Result<Detour, StoreError> {
    const WHAT: &str = "detour";
    let aim: serde_json::Value = row.try_get("", "aim")?;
    Ok(Detour {
        provider: parsed(row, WHAT, "provider")?,
        aim: serde_json::from_value(aim).map_err(|_| StoreError::corrupt(WHAT, "aim"))?,
        expires_at: instant(row, WHAT, "expires_at")?,
    })
}
