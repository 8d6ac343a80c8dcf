use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use serde_json::{Value as Json, json};

use super::{
    SeaOrmIdentityStore, SeaOrmUnitOfWork, execute, found, inserted, instant, many, maybe_instant,
    micros, one, parsed,
};
use crate::{
    ApiTokenId, OrganizationId, Page, PageSize, Permission, Role, StoreError, UserId,
    identity::{ApiToken, Holder, PresentedToken, TokenHash, TokenQueries, TokenRepository},
    storage::to_micros,
};

const WHAT: &str = "API token";
const COLUMNS: &str = "t.organization_id, t.id, t.user_id, t.made_by, t.name, t.role, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at";

#[async_trait]
impl TokenQueries for SeaOrmIdentityStore {
    async fn present(&self, hash: &TokenHash) -> Result<Option<PresentedToken>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, o.deletion_due_at, m.role AS holder_role,
                 (o.blocked_at IS NOT NULL OR o.erasing_since IS NOT NULL) AS organization_closed,
                 COALESCE(a.blocked_at, m.blocked_at) AS holder_blocked_at
             FROM api_token t JOIN organization o ON o.id = t.organization_id
             LEFT JOIN membership m ON m.organization_id = t.organization_id AND m.user_id = t.user_id
             LEFT JOIN account a ON a.id = m.user_id
             WHERE t.secret_hash = $1"
        );
        let key = [hash.to_vec().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(presented).transpose()
    }

    async fn note_use(
        &self,
        organization: OrganizationId,
        id: ApiTokenId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        let sql = "UPDATE api_token SET last_used_at = $3
             WHERE organization_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";
        let values = [
            organization.as_uuid().into(),
            id.as_uuid().into(),
            to_micros(at).into(),
        ];
        execute(&*txn, self.db.dialect(), sql, values).await?;
        txn.commit().await
    }

    async fn any(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM api_token LIMIT 1";
        let row = one(self.db.reader(), self.db.dialect(), sql, []).await?;
        Ok(row.is_some())
    }

    async fn find(
        &self,
        organization: OrganizationId,
        id: ApiTokenId,
    ) -> Result<Option<ApiToken>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND t.id = $2");
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(token).transpose()
    }

    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<ApiTokenId>,
        size: PageSize,
    ) -> Result<Page<ApiToken, ApiTokenId>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND t.id > $2 ORDER BY t.id LIMIT {}",
            size.overfetched()
        );
        let key = [organization.as_uuid().into(), after.into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let rows = rows.iter().map(token).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }

    async fn search(
        &self,
        organization: OrganizationId,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND {} > 0 ORDER BY t.id LIMIT {}",
            dialect.position(&dialect.ascii_lower("t.name"), "$2"),
            size.get()
        );
        let key = [
            organization.as_uuid().into(),
            text.to_ascii_lowercase().into(),
        ];
        let rows = many(self.db.reader(), dialect, &sql, key).await?;
        rows.iter().map(token).collect()
    }
}

#[async_trait]
impl TokenRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: ApiTokenId,
    ) -> Result<Option<ApiToken>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND t.id = $2{lock}"
        );
        let row = self
            .one(&sql, [organization.as_uuid().into(), id.as_uuid().into()])
            .await?;
        row.as_ref().map(token).transpose()
    }

    async fn made_by_for_update(
        &mut self,
        organization: OrganizationId,
        maker: ApiTokenId,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND t.made_by = $2 ORDER BY t.id{lock}"
        );
        let key = [organization.as_uuid().into(), maker.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &sql, key).await?;
        rows.iter().map(token).collect()
    }

    async fn of_member_for_update(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token t WHERE t.organization_id = $1 AND t.user_id = $2
                 AND t.revoked_at IS NULL ORDER BY t.id{lock}"
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &sql, key).await?;
        rows.iter().map(token).collect()
    }

    async fn insert(&mut self, token: &ApiToken, hash: &TokenHash) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO api_token (organization_id, id, user_id, name, role, scopes, secret_hash,
                     created_at, expires_at, last_used_at, revoked_at, made_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (secret_hash) DO NOTHING",
                [
                    token.organization_id.as_uuid().into(),
                    token.id.as_uuid().into(),
                    token.user_id.map(|id| id.as_uuid()).into(),
                    token.name.as_str().into(),
                    token.role.as_str().into(),
                    json!(token.scopes).into(),
                    hash.to_vec().into(),
                    to_micros(token.created_at).into(),
                    micros(token.expires_at),
                    micros(token.last_used_at),
                    micros(token.revoked_at),
                    token.made_by.map(|id| id.as_uuid()).into(),
                ],
            )
            .await?;
        inserted(rows, "api_token.secret")
    }

    async fn update(&mut self, token: &ApiToken) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "UPDATE api_token SET name = $3, role = $4, scopes = $5, expires_at = $6, revoked_at = $7
                 WHERE organization_id = $1 AND id = $2",
                [
                    token.organization_id.as_uuid().into(),
                    token.id.as_uuid().into(),
                    token.name.as_str().into(),
                    token.role.as_str().into(),
                    json!(token.scopes).into(),
                    micros(token.expires_at),
                    micros(token.revoked_at),
                ],
            )
            .await?;
        found(rows, WHAT)
    }
}

fn token(row: &QueryResult) -> Result<ApiToken, StoreError> {
    let user: Option<uuid::Uuid> = row.try_get("", "user_id")?;
    let maker: Option<uuid::Uuid> = row.try_get("", "made_by")?;
    Ok(ApiToken {
        id: ApiTokenId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        user_id: user.map(UserId::from_uuid),
        made_by: maker.map(ApiTokenId::from_uuid),
        name: parsed(row, WHAT, "name")?,
        role: parsed(row, WHAT, "role")?,
        scopes: scopes(row.try_get("", "scopes")?)?,
        created_at: instant(row, WHAT, "created_at")?,
        expires_at: maybe_instant(row, WHAT, "expires_at")?,
        last_used_at: maybe_instant(row, WHAT, "last_used_at")?,
        revoked_at: maybe_instant(row, WHAT, "revoked_at")?,
    })
}

/// A scope that this version does not know, because it is gone or still to come, allows nothing.
pub(super) fn scopes(stored: Json) -> Result<BTreeSet<Permission>, StoreError> {
    let texts: Vec<String> =
        serde_json::from_value(stored).map_err(|_| StoreError::corrupt(WHAT, "scopes"))?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

/// The member whom a token works for, from the columns `holder_role` and `holder_blocked_at`.
pub(super) fn holder(row: &QueryResult) -> Result<Option<Holder>, StoreError> {
    let role: Option<String> = row.try_get("", "holder_role")?;
    let Some(role) = role else { return Ok(None) };
    Ok(Some(Holder {
        role: role
            .parse::<Role>()
            .map_err(|_| StoreError::corrupt(WHAT, "role of the holder"))?,
        blocked: row
            .try_get::<Option<i64>>("", "holder_blocked_at")?
            .is_some(),
    }))
}

fn presented(row: &QueryResult) -> Result<PresentedToken, StoreError> {
    Ok(PresentedToken {
        token: token(row)?,
        organization_closed: row.try_get("", "organization_closed")?,
        organization_closing: row.try_get::<Option<i64>>("", "deletion_due_at")?.is_some(),
        holder: holder(row)?,
    })
}
