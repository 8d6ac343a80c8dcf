use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, Value};

use super::{SeaOrmIdentityStore, execute, one};
use crate::{
    StoreError,
    identity::{Begun, Claim, IdempotencyKey, IdempotencyStore, StoredAnswer, oldest_kept},
    storage::to_micros,
};

const WHAT: &str = "answer";

#[async_trait]
impl IdempotencyStore for SeaOrmIdentityStore {
    async fn begin(
        &self,
        key: &IdempotencyKey,
        request_hash: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Begun, StoreError> {
        let claim = Claim::starting(key, now);
        // The row is taken if it is new, too old to count, or the same request came to no end.
        let sql = "INSERT INTO idempotency AS known
                 (organization_id, principal, key, request_hash, lease_until, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (organization_id, principal, key) DO UPDATE SET
                 request_hash = $4, lease_until = $5, created_at = $6,
                 status = NULL, content_type = NULL, body = NULL
             WHERE known.created_at < $7
                OR (known.status IS NULL AND known.lease_until <= $6 AND known.request_hash = $4)";
        let [organization, principal, text] = key_values(key);
        let values = [
            organization,
            principal,
            text,
            request_hash.to_vec().into(),
            to_micros(claim.lease_until).into(),
            to_micros(now).into(),
            to_micros(oldest_kept(now)).into(),
        ];
        let txn = self.db.begin().await?;
        let taken = execute(&*txn, self.db.dialect(), sql, values).await?;
        if taken == 1 {
            txn.commit().await?;
            return Ok(Begun::Fresh(claim));
        }
        let read = "SELECT request_hash, status, content_type, body FROM idempotency
             WHERE organization_id = $1 AND principal = $2 AND key = $3";
        let row = one(&*txn, self.db.dialect(), read, key_values(key)).await?;
        match row {
            Some(row) => known(&row, &request_hash),
            // Abandoned between the two statements.
            None => Ok(Begun::InProgress),
        }
    }

    async fn finish(&self, claim: &Claim, answer: &StoredAnswer) -> Result<(), StoreError> {
        let sql = "UPDATE idempotency SET status = $5, content_type = $6, body = $7
             WHERE organization_id = $1 AND principal = $2 AND key = $3 AND lease_until = $4 AND status IS NULL";
        let [organization, principal, text] = key_values(&claim.key);
        let values = [
            organization,
            principal,
            text,
            to_micros(claim.lease_until).into(),
            i32::from(answer.status).into(),
            answer.content_type.clone().into(),
            answer.body.clone().into(),
        ];
        let txn = self.db.begin().await?;
        execute(&*txn, self.db.dialect(), sql, values).await?;
        txn.commit().await
    }

    async fn abandon(&self, claim: &Claim) -> Result<(), StoreError> {
        let sql = "DELETE FROM idempotency
             WHERE organization_id = $1 AND principal = $2 AND key = $3 AND lease_until = $4 AND status IS NULL";
        let [organization, principal, text] = key_values(&claim.key);
        let lease = to_micros(claim.lease_until).into();
        let txn = self.db.begin().await?;
        execute(
            &*txn,
            self.db.dialect(),
            sql,
            [organization, principal, text, lease],
        )
        .await?;
        txn.commit().await
    }

    async fn forget_old(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM idempotency WHERE created_at < $1";
        let oldest = to_micros(oldest_kept(now)).into();
        let txn = self.db.begin().await?;
        let forgotten = execute(&*txn, self.db.dialect(), sql, [oldest]).await?;
        txn.commit().await?;
        Ok(forgotten)
    }
}

fn key_values(key: &IdempotencyKey) -> [Value; 3] {
    [
        key.organization_id.as_uuid().into(),
        key.principal.to_string().into(),
        key.key.as_str().into(),
    ]
}

fn known(row: &QueryResult, request_hash: &[u8; 32]) -> Result<Begun, StoreError> {
    let stored: Vec<u8> = row.try_get("", "request_hash")?;
    if stored != request_hash {
        return Ok(Begun::Mismatch);
    }
    let status: Option<i32> = row.try_get("", "status")?;
    let Some(status) = status else {
        return Ok(Begun::InProgress);
    };
    let body: Option<Vec<u8>> = row.try_get("", "body")?;
    Ok(Begun::Answered(StoredAnswer {
        status: status
            .try_into()
            .map_err(|_| StoreError::corrupt(WHAT, "status"))?,
        content_type: row.try_get("", "content_type")?,
        body: body.unwrap_or_default(),
    }))
}
