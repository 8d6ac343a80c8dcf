use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use uuid::Uuid;

use super::{
    super::{SeaOrmIdentityStore, execute, many, one, parsed, tokens::holder},
    CLIENT_COLUMNS, GRANT, GRANT_COLUMNS, TOKEN_COLUMNS, client, grant, token,
};
use crate::{
    OauthClientId, OauthGrantId, OrganizationId, Page, PageSize, StoreError, UserId,
    identity::{
        OauthClient, OauthGrant, OauthQueries, OauthTokenKind, OwnGrant, PresentedAccess, TokenHash,
    },
    storage::to_micros,
};

#[async_trait]
impl OauthQueries for SeaOrmIdentityStore {
    async fn find_client(&self, id: OauthClientId) -> Result<Option<OauthClient>, StoreError> {
        let sql = format!("SELECT {CLIENT_COLUMNS} FROM oauth_client c WHERE c.id = $1");
        let key = [id.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(client).transpose()
    }

    async fn list_clients(
        &self,
        organization: OrganizationId,
        after: Option<OauthClientId>,
        size: PageSize,
    ) -> Result<Page<OauthClient, OauthClientId>, StoreError> {
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT {CLIENT_COLUMNS} FROM oauth_client c WHERE c.organization_id = $1 AND c.id > $2
             ORDER BY c.id LIMIT {}",
            size.overfetched()
        );
        let key = [organization.as_uuid().into(), after.into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let rows = rows.iter().map(client).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }

    async fn find_grant(
        &self,
        organization: OrganizationId,
        client: OauthClientId,
        user: UserId,
    ) -> Result<Option<OauthGrant>, StoreError> {
        let sql = format!(
            "SELECT {GRANT_COLUMNS} FROM oauth_grant g
             WHERE g.organization_id = $1 AND g.client_id = $2 AND g.user_id = $3"
        );
        let key = [
            organization.as_uuid().into(),
            client.as_uuid().into(),
            user.as_uuid().into(),
        ];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(grant).transpose()
    }

    async fn grants_of_user(&self, user: UserId) -> Result<Vec<OwnGrant>, StoreError> {
        let sql = format!(
            "SELECT {GRANT_COLUMNS}, c.name AS client_name, o.name AS organization_name
             FROM oauth_grant g
             JOIN oauth_client c ON c.organization_id = g.organization_id AND c.id = g.client_id
             JOIN organization o ON o.id = g.organization_id
             WHERE g.user_id = $1 ORDER BY g.id"
        );
        let key = [user.as_uuid().into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        rows.iter().map(own).collect()
    }

    async fn present(&self, hash: &TokenHash) -> Result<Option<PresentedAccess>, StoreError> {
        let sql = format!(
            "SELECT {TOKEN_COLUMNS}, {CLIENT_COLUMNS}, {GRANT_COLUMNS}, o.deletion_due_at, m.role AS holder_role,
                 (o.blocked_at IS NOT NULL OR o.erasing_since IS NOT NULL) AS organization_closed,
                 COALESCE(a.blocked_at, m.blocked_at) AS holder_blocked_at
             FROM oauth_token t
             JOIN oauth_client c ON c.organization_id = t.organization_id AND c.id = t.client_id
             JOIN organization o ON o.id = t.organization_id
             LEFT JOIN oauth_grant g ON g.organization_id = t.organization_id AND g.id = t.grant_id
             LEFT JOIN membership m ON m.organization_id = t.organization_id
                 AND m.user_id = CASE WHEN t.grant_id IS NULL THEN c.machine_given_by ELSE g.user_id END
             LEFT JOIN account a ON a.id = m.user_id
             WHERE t.secret_hash = $1 AND t.kind = $2"
        );
        let key = [hash.to_vec().into(), OauthTokenKind::Access.as_str().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(presented).transpose()
    }

    async fn note_use(
        &self,
        organization: OrganizationId,
        client: OauthClientId,
        grant: Option<OauthGrantId>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (txn, dialect) = (self.db.begin().await?, self.db.dialect());
        let used = [
            ("oauth_client", Some(client.as_uuid())),
            ("oauth_grant", grant.map(|id| id.as_uuid())),
        ];
        for (table, id) in used {
            let Some(id) = id else { continue };
            let sql = format!(
                "UPDATE {table} SET last_used_at = $3
                 WHERE organization_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)"
            );
            let values = [
                organization.as_uuid().into(),
                id.into(),
                to_micros(at).into(),
            ];
            execute(&*txn, dialect, &sql, values).await?;
        }
        txn.commit().await
    }
}

fn own(row: &QueryResult) -> Result<OwnGrant, StoreError> {
    Ok(OwnGrant {
        grant: grant(row)?,
        client: parsed(row, GRANT, "client_name")?,
        organization: parsed(row, GRANT, "organization_name")?,
    })
}

fn presented(row: &QueryResult) -> Result<PresentedAccess, StoreError> {
    let granted: Option<Uuid> = row.try_get("", "id_of_grant")?;
    Ok(PresentedAccess {
        token: token(row)?,
        client: client(row)?,
        grant: granted.map(|_| grant(row)).transpose()?,
        organization_closed: row.try_get("", "organization_closed")?,
        organization_closing: row.try_get::<Option<i64>>("", "deletion_due_at")?.is_some(),
        holder: holder(row)?,
    })
}
