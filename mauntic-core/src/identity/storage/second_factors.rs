use async_trait::async_trait;
use sea_orm::QueryResult;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, instant, maybe_instant, micros, one};
use crate::{
    StoreError, UserId,
    identity::{SecondFactor, SecondFactorQueries, SecondFactorRepository, TokenHash},
    storage::to_micros,
};

const COLUMNS: &str = "user_id, sealed_secret, last_step, created_at, confirmed_at";

#[async_trait]
impl SecondFactorQueries for SeaOrmIdentityStore {
    async fn find(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM second_factor WHERE user_id = $1");
        let key = [user.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(factor).transpose()
    }

    async fn recovery_codes_left(&self, user: UserId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) AS codes FROM recovery_code WHERE user_id = $1";
        let key = [user.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), sql, key).await?;
        let codes = row.map(|row| row.try_get::<i64>("", "codes")).transpose()?;
        Ok(codes
            .and_then(|codes| codes.try_into().ok())
            .unwrap_or_default())
    }
}

#[async_trait]
impl SecondFactorRepository for SeaOrmUnitOfWork {
    async fn find_for_update(&mut self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!("SELECT {COLUMNS} FROM second_factor WHERE user_id = $1{lock}");
        let row = self.one(&sql, [user.as_uuid().into()]).await?;
        row.as_ref().map(factor).transpose()
    }

    async fn save(&mut self, factor: &SecondFactor) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO second_factor (user_id, sealed_secret, last_step, created_at, confirmed_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_id) DO UPDATE SET sealed_secret = excluded.sealed_secret,
                 last_step = excluded.last_step, created_at = excluded.created_at,
                 confirmed_at = excluded.confirmed_at",
            [
                factor.user_id.as_uuid().into(),
                factor.sealed_secret.clone().into(),
                factor.last_step.into(),
                to_micros(factor.created_at).into(),
                micros(factor.confirmed_at),
            ],
        )
        .await?;
        Ok(())
    }

    async fn delete(&mut self, user: UserId) -> Result<bool, StoreError> {
        let codes = "DELETE FROM recovery_code WHERE user_id = $1";
        self.execute(codes, [user.as_uuid().into()]).await?;
        let factor = "DELETE FROM second_factor WHERE user_id = $1";
        Ok(self.execute(factor, [user.as_uuid().into()]).await? == 1)
    }

    async fn replace_recovery_codes(
        &mut self,
        user: UserId,
        hashes: &[TokenHash],
    ) -> Result<(), StoreError> {
        let old = "DELETE FROM recovery_code WHERE user_id = $1";
        self.execute(old, [user.as_uuid().into()]).await?;
        // Ten rows, once in a while.
        for hash in hashes {
            let new = "INSERT INTO recovery_code (user_id, code_hash) VALUES ($1, $2)";
            self.execute(new, [user.as_uuid().into(), hash.to_vec().into()])
                .await?;
        }
        Ok(())
    }

    async fn use_recovery_code(
        &mut self,
        user: UserId,
        hash: &TokenHash,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM recovery_code WHERE user_id = $1 AND code_hash = $2";
        let key = [user.as_uuid().into(), hash.to_vec().into()];
        Ok(self.execute(sql, key).await? == 1)
    }
}

fn factor(row: &QueryResult) -> Result<SecondFactor, StoreError> {
    const WHAT: &str = "second factor";
    Ok(SecondFactor {
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        sealed_secret: row.try_get("", "sealed_secret")?,
        last_step: row.try_get("", "last_step")?,
        created_at: instant(row, WHAT, "created_at")?,
        confirmed_at: maybe_instant(row, WHAT, "confirmed_at")?,
    })
}
