use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use serde_json::json;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, execute, instant, one};
use crate::{
    EmailAddress, LetterId, StoreError, UserId,
    identity::{
        LetterQueue, LetterRepository, LinkQueries, LinkRepository, Purpose, QueuedLetter,
        TokenHash, UserLink,
    },
    storage::to_micros,
};

const LINK: &str = "user_id, secret_hash, email, expires_at";

#[async_trait]
impl LinkQueries for SeaOrmIdentityStore {
    async fn find_by_hash(
        &self,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<Option<UserLink>, StoreError> {
        let sql = format!("SELECT {LINK} FROM user_link WHERE secret_hash = $1 AND purpose = $2");
        let key = [hash.to_vec().into(), purpose.as_str().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(|row| link(row, purpose)).transpose()
    }

    async fn find(&self, user: UserId, purpose: Purpose) -> Result<Option<UserLink>, StoreError> {
        let sql = format!("SELECT {LINK} FROM user_link WHERE user_id = $1 AND purpose = $2");
        let key = [user.as_uuid().into(), purpose.as_str().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(|row| link(row, purpose)).transpose()
    }
}

#[async_trait]
impl LinkRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<Option<UserLink>, StoreError> {
        let lock = self.dialect.for_update();
        let sql =
            format!("SELECT {LINK} FROM user_link WHERE secret_hash = $1 AND purpose = $2{lock}");
        let key = [hash.to_vec().into(), purpose.as_str().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(|row| link(row, purpose)).transpose()
    }

    async fn find_of_user_for_update(
        &mut self,
        user: UserId,
        purpose: Purpose,
    ) -> Result<Option<UserLink>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!("SELECT {LINK} FROM user_link WHERE user_id = $1 AND purpose = $2{lock}");
        let key = [user.as_uuid().into(), purpose.as_str().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(|row| link(row, purpose)).transpose()
    }

    async fn save(&mut self, link: &UserLink) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO user_link (user_id, purpose, secret_hash, email, expires_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_id, purpose) DO UPDATE SET secret_hash = excluded.secret_hash,
                 email = excluded.email, expires_at = excluded.expires_at",
            [
                link.user_id.as_uuid().into(),
                link.purpose.as_str().into(),
                link.secret_hash.map(|hash| hash.to_vec()).into(),
                link.email.as_ref().map(EmailAddress::as_str).into(),
                to_micros(link.expires_at).into(),
            ],
        )
        .await?;
        Ok(())
    }

    async fn delete(&mut self, user: UserId, purpose: Purpose) -> Result<bool, StoreError> {
        let sql = "DELETE FROM user_link WHERE user_id = $1 AND purpose = $2";
        let key = [user.as_uuid().into(), purpose.as_str().into()];
        Ok(self.execute(sql, key).await? == 1)
    }

    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM user_link WHERE expires_at <= $1";
        self.execute(sql, [to_micros(at).into()]).await
    }
}

#[async_trait]
impl LetterQueue for SeaOrmIdentityStore {
    async fn claim(&self, now: DateTime<Utc>) -> Result<Option<QueuedLetter>, StoreError> {
        let dialect = self.db.dialect();
        let due = "SELECT 1 AS one FROM letter WHERE due_at <= $1 LIMIT 1";
        // Looking costs no write transaction while nothing waits.
        if one(self.db.reader(), dialect, due, [to_micros(now).into()])
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let txn = self.db.begin().await?;
        let sql = format!(
            "SELECT id, errand, attempts FROM letter WHERE due_at <= $1 ORDER BY due_at, id LIMIT 1{}",
            dialect.skip_locked()
        );
        let row = one(&*txn, dialect, &sql, [to_micros(now).into()]).await?;
        let Some(mut letter) = row.as_ref().map(letter).transpose()? else {
            return Ok(None);
        };
        letter.attempts += 1;
        let sql = "UPDATE letter SET attempts = $2, due_at = $3 WHERE id = $1";
        let values = [
            letter.id.as_uuid().into(),
            i64::from(letter.attempts).into(),
            to_micros(now + QueuedLetter::LEASE).into(),
        ];
        execute(&*txn, dialect, sql, values).await?;
        txn.commit().await?;
        Ok(Some(letter))
    }

    async fn put_off(&self, id: LetterId, until: DateTime<Utc>) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        let sql = "UPDATE letter SET due_at = $2 WHERE id = $1";
        let values = [id.as_uuid().into(), to_micros(until).into()];
        execute(&*txn, self.db.dialect(), sql, values).await?;
        txn.commit().await
    }

    async fn done(&self, id: LetterId) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        let sql = "DELETE FROM letter WHERE id = $1";
        execute(&*txn, self.db.dialect(), sql, [id.as_uuid().into()]).await?;
        txn.commit().await
    }
}

#[async_trait]
impl LetterRepository for SeaOrmUnitOfWork {
    async fn add(&mut self, letter: &QueuedLetter, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO letter (id, errand, attempts, due_at) VALUES ($1, $2, $3, $4)",
            [
                letter.id.as_uuid().into(),
                json!(letter.errand).into(),
                i64::from(letter.attempts).into(),
                to_micros(now).into(),
            ],
        )
        .await?;
        Ok(())
    }
}

fn link(row: &QueryResult, purpose: Purpose) -> Result<UserLink, StoreError> {
    const WHAT: &str = "link";
    let hash: Option<Vec<u8>> = row.try_get("", "secret_hash")?;
    let hash = hash.map(TokenHash::try_from).transpose();
    let email: Option<String> = row.try_get("", "email")?;
    let email = email.map(|text| text.parse()).transpose();
    Ok(UserLink {
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        purpose,
        secret_hash: hash.map_err(|_| StoreError::corrupt(WHAT, "secret_hash"))?,
        email: email.map_err(|_| StoreError::corrupt(WHAT, "email"))?,
        expires_at: instant(row, WHAT, "expires_at")?,
    })
}

fn letter(row: &QueryResult) -> Result<QueuedLetter, StoreError> {
    let errand: serde_json::Value = row.try_get("", "errand")?;
    let attempts: i64 = row.try_get("", "attempts")?;
    Ok(QueuedLetter {
        id: LetterId::from_uuid(row.try_get("", "id")?),
        errand: serde_json::from_value(errand)
            .map_err(|_| StoreError::corrupt("letter", "errand"))?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
    })
}
