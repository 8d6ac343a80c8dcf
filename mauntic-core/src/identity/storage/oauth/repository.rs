use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::Value;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{SeaOrmUnitOfWork, found, inserted, many, micros},
    CLIENT, CLIENT_COLUMNS, CODE, CODE_COLUMNS, GRANT_COLUMNS, TOKEN, TOKEN_COLUMNS, client, code,
    grant, token,
};
use crate::{
    OauthClientId, OauthGrantId, OrganizationId, StoreError, UserId,
    identity::{OauthClient, OauthCode, OauthGrant, OauthRepository, OauthToken, TokenHash},
    storage::to_micros,
};

#[async_trait]
impl OauthRepository for SeaOrmUnitOfWork {
    async fn find_client_for_update(
        &mut self,
        organization: OrganizationId,
        id: OauthClientId,
    ) -> Result<Option<OauthClient>, StoreError> {
        let sql = format!(
            "SELECT {CLIENT_COLUMNS} FROM oauth_client c WHERE c.organization_id = $1 AND c.id = $2{}",
            self.dialect.for_update()
        );
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(client).transpose()
    }

    async fn clients_given_by_for_update(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Vec<OauthClient>, StoreError> {
        let sql = format!(
            "SELECT {CLIENT_COLUMNS} FROM oauth_client c
             WHERE c.organization_id = $1 AND c.machine_given_by = $2 ORDER BY c.id{}",
            self.dialect.for_update()
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &sql, key).await?;
        rows.iter().map(client).collect()
    }

    async fn insert_client(&mut self, client: &OauthClient) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO oauth_client (organization_id, id, name, redirect_uris, redirects_at, secret_hash,
                     machine_role, machine_scopes, machine_given_by, created_by, created_at, last_used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
                stored(client),
            )
            .await?;
        inserted(rows, "oauth_client.id")
    }

    async fn update_client(&mut self, client: &OauthClient) -> Result<(), StoreError> {
        let [
            organization,
            id,
            name,
            uris,
            since,
            secret,
            role,
            scopes,
            given_by,
            ..,
        ] = stored(client);
        let rows = self
            .execute(
                "UPDATE oauth_client SET name = $3, redirect_uris = $4, redirects_at = $5, secret_hash = $6,
                     machine_role = $7, machine_scopes = $8, machine_given_by = $9
                 WHERE organization_id = $1 AND id = $2",
                [organization, id, name, uris, since, secret, role, scopes, given_by],
            )
            .await?;
        found(rows, CLIENT)
    }

    async fn delete_client(
        &mut self,
        organization: OrganizationId,
        id: OauthClientId,
    ) -> Result<bool, StoreError> {
        let key = || [organization.as_uuid().into(), id.as_uuid().into()];
        for table in ["oauth_code", "oauth_token", "oauth_grant"] {
            let sql = format!("DELETE FROM {table} WHERE organization_id = $1 AND client_id = $2");
            self.execute(&sql, key()).await?;
        }
        let sql = "DELETE FROM oauth_client WHERE organization_id = $1 AND id = $2";
        Ok(self.execute(sql, key()).await? == 1)
    }

    async fn find_grant_for_update(
        &mut self,
        organization: OrganizationId,
        client: OauthClientId,
        user: UserId,
    ) -> Result<Option<OauthGrant>, StoreError> {
        let sql = format!(
            "SELECT {GRANT_COLUMNS} FROM oauth_grant g
             WHERE g.organization_id = $1 AND g.client_id = $2 AND g.user_id = $3{}",
            self.dialect.for_update()
        );
        let key = [
            organization.as_uuid().into(),
            client.as_uuid().into(),
            user.as_uuid().into(),
        ];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(grant).transpose()
    }

    async fn grant(
        &mut self,
        organization: OrganizationId,
        id: OauthGrantId,
    ) -> Result<Option<OauthGrant>, StoreError> {
        let sql = format!(
            "SELECT {GRANT_COLUMNS} FROM oauth_grant g WHERE g.organization_id = $1 AND g.id = $2"
        );
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(grant).transpose()
    }

    async fn save_grant(&mut self, grant: &OauthGrant) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO oauth_grant (organization_id, id, client_id, user_id, scopes, given_at, created_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (organization_id, client_id, user_id) DO UPDATE SET
                 scopes = excluded.scopes, given_at = excluded.given_at",
            [
                grant.organization_id.as_uuid().into(),
                grant.id.as_uuid().into(),
                grant.client_id.as_uuid().into(),
                grant.user_id.as_uuid().into(),
                json!(grant.scopes).into(),
                to_micros(grant.given_at).into(),
                to_micros(grant.created_at).into(),
                micros(grant.last_used_at),
            ],
        )
        .await?;
        Ok(())
    }

    async fn delete_grant(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        id: OauthGrantId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth_grant WHERE organization_id = $1 AND id = $2 AND user_id = $3";
        let key = [
            organization.as_uuid().into(),
            id.as_uuid().into(),
            user.as_uuid().into(),
        ];
        if self.execute(sql, key).await? == 0 {
            return Ok(false);
        }
        for table in ["oauth_code", "oauth_token"] {
            let sql = format!("DELETE FROM {table} WHERE organization_id = $1 AND grant_id = $2");
            let key = [organization.as_uuid().into(), id.as_uuid().into()];
            self.execute(&sql, key).await?;
        }
        Ok(true)
    }

    async fn delete_grants_of_user(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<u64, StoreError> {
        let sql = format!(
            "SELECT {GRANT_COLUMNS} FROM oauth_grant g
             WHERE g.organization_id = $1 AND g.user_id = $2 ORDER BY g.id{}",
            self.dialect.for_update()
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &sql, key).await?;
        let mut deleted = 0;
        for row in &rows {
            let id = grant(row)?.id;
            if OauthRepository::delete_grant(self, organization, user, id).await? {
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    async fn insert_code(&mut self, code: &OauthCode, hash: &TokenHash) -> Result<(), StoreError> {
        let challenge = code.challenge.as_ref().map(ToString::to_string);
        let rows = self
            .execute(
                "INSERT INTO oauth_code (organization_id, secret_hash, client_id, grant_id, family, redirect_uri,
                     challenge, scopes, expires_at, used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                [
                    code.organization_id.as_uuid().into(),
                    hash.to_vec().into(),
                    code.client_id.as_uuid().into(),
                    code.grant_id.as_uuid().into(),
                    code.family.into(),
                    code.redirect_uri.clone().into(),
                    challenge.into(),
                    json!(code.scopes).into(),
                    to_micros(code.expires_at).into(),
                    micros(code.used_at),
                ],
            )
            .await?;
        inserted(rows, "oauth_code.secret")
    }

    async fn find_code_for_update(
        &mut self,
        hash: &TokenHash,
    ) -> Result<Option<OauthCode>, StoreError> {
        let sql = format!(
            "SELECT {CODE_COLUMNS} FROM oauth_code WHERE secret_hash = $1{}",
            self.dialect.for_update()
        );
        let row = self.one(&sql, [hash.to_vec().into()]).await?;
        row.as_ref().map(code).transpose()
    }

    async fn use_code(&mut self, hash: &TokenHash, at: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = "UPDATE oauth_code SET used_at = $2 WHERE secret_hash = $1";
        let values = [hash.to_vec().into(), to_micros(at).into()];
        found(self.execute(sql, values).await?, CODE)
    }

    async fn insert_token(
        &mut self,
        token: &OauthToken,
        hash: &TokenHash,
    ) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO oauth_token (organization_id, secret_hash, client_id, kind, grant_id, family, scopes,
                     created_at, expires_at, used_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
                [
                    token.organization_id.as_uuid().into(),
                    hash.to_vec().into(),
                    token.client_id.as_uuid().into(),
                    token.kind.as_str().into(),
                    token.grant_id.map(|id| id.as_uuid()).into(),
                    token.family.into(),
                    json!(token.scopes).into(),
                    to_micros(token.created_at).into(),
                    to_micros(token.expires_at).into(),
                    micros(token.used_at),
                ],
            )
            .await?;
        inserted(rows, "oauth_token.secret")
    }

    async fn find_token_for_update(
        &mut self,
        hash: &TokenHash,
    ) -> Result<Option<OauthToken>, StoreError> {
        let sql = format!(
            "SELECT {TOKEN_COLUMNS} FROM oauth_token t WHERE t.secret_hash = $1{}",
            self.dialect.for_update()
        );
        let row = self.one(&sql, [hash.to_vec().into()]).await?;
        row.as_ref().map(token).transpose()
    }

    async fn use_token(&mut self, hash: &TokenHash, at: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = "UPDATE oauth_token SET used_at = $2 WHERE secret_hash = $1";
        let values = [hash.to_vec().into(), to_micros(at).into()];
        found(self.execute(sql, values).await?, TOKEN)
    }

    async fn delete_token(&mut self, hash: &TokenHash) -> Result<bool, StoreError> {
        let sql = "DELETE FROM oauth_token WHERE secret_hash = $1";
        Ok(self.execute(sql, [hash.to_vec().into()]).await? == 1)
    }

    async fn delete_family(
        &mut self,
        organization: OrganizationId,
        family: Uuid,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth_token WHERE organization_id = $1 AND family = $2";
        let mut all = 0;
        loop {
            // Each time it sees what others stored while it waited for them.
            let key = [organization.as_uuid().into(), family.into()];
            let deleted = self.execute(sql, key).await?;
            if deleted == 0 {
                return Ok(all);
            }
            all += deleted;
        }
    }

    async fn admits(
        &mut self,
        organization: OrganizationId,
        user: Option<UserId>,
    ) -> Result<bool, StoreError> {
        let open = "SELECT 1 AS one FROM organization o WHERE o.id = $1 AND o.blocked_at IS NULL AND o.erasing_since IS NULL";
        let Some(user) = user else {
            let row = self.one(open, [organization.as_uuid().into()]).await?;
            return Ok(row.is_some());
        };
        let sql = format!(
            "{open} AND EXISTS (SELECT 1 FROM membership m JOIN account a ON a.id = m.user_id
                 WHERE m.organization_id = o.id AND m.user_id = $2 AND m.blocked_at IS NULL AND a.blocked_at IS NULL)"
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        Ok(self.one(&sql, key).await?.is_some())
    }

    async fn delete_expired(
        &mut self,
        tokens: DateTime<Utc>,
        codes: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM oauth_token WHERE expires_at <= $1";
        let deleted = self.execute(sql, [to_micros(tokens).into()]).await?;
        let sql = "DELETE FROM oauth_code WHERE expires_at <= $1";
        Ok(deleted + self.execute(sql, [to_micros(codes).into()]).await?)
    }
}

/// The columns of a client in the order of its table.
fn stored(client: &OauthClient) -> [Value; 12] {
    let machine = client.machine.as_ref();
    [
        client.organization_id.as_uuid().into(),
        client.id.as_uuid().into(),
        client.name.as_str().into(),
        json!(client.redirect_uris).into(),
        to_micros(client.redirects_at).into(),
        client.secret_hash.map(|hash| hash.to_vec()).into(),
        machine
            .map(|machine| machine.role.as_str().to_owned())
            .into(),
        machine.map(|machine| json!(machine.scopes)).into(),
        machine
            .and_then(|machine| machine.given_by)
            .map(|id| id.as_uuid())
            .into(),
        client.created_by.map(|id| id.as_uuid()).into(),
        to_micros(client.created_at).into(),
        micros(client.last_used_at),
    ]
}
