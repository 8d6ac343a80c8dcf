use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, inserted, instant, many, one, parsed};
use crate::{
    EmailAddress, InvitationId, OrganizationId, Page, PageSize, StoreError, UserId,
    identity::{Invitation, InvitationQueries, InvitationRepository, TokenHash},
    storage::to_micros,
};

const COLUMNS: &str =
    "organization_id, id, email, role, invited_by, created_at, expires_at, secret_hash";

#[async_trait]
impl InvitationQueries for SeaOrmIdentityStore {
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<InvitationId>,
        size: PageSize,
    ) -> Result<Page<Invitation, InvitationId>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT {COLUMNS} FROM invitation WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT {}",
            size.overfetched()
        );
        let key = [organization.as_uuid().into(), after.into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let rows = rows.iter().map(invitation).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }

    async fn find(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM invitation WHERE organization_id = $1 AND id = $2");
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(invitation).transpose()
    }

    async fn find_by_hash(&self, hash: &TokenHash) -> Result<Option<Invitation>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM invitation WHERE secret_hash = $1");
        let key = [hash.to_vec().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(invitation).transpose()
    }
}

#[async_trait]
impl InvitationRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invitation WHERE organization_id = $1 AND id = $2{}",
            self.dialect.for_update()
        );
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(invitation).transpose()
    }

    async fn find_of_email(
        &mut self,
        organization: OrganizationId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invitation WHERE organization_id = $1 AND email_key = $2"
        );
        let key = [organization.as_uuid().into(), email.key().into()];
        let row = self.one(&sql, key).await?;
        row.as_ref().map(invitation).transpose()
    }

    async fn of_inviter(
        &mut self,
        organization: OrganizationId,
        inviter: UserId,
    ) -> Result<Vec<Invitation>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invitation WHERE organization_id = $1 AND invited_by = $2 ORDER BY id"
        );
        let key = [organization.as_uuid().into(), inviter.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &sql, key).await?;
        rows.iter().map(invitation).collect()
    }

    async fn insert(&mut self, invitation: &Invitation) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO invitation (organization_id, id, email, email_key, role, invited_by, created_at,
                     expires_at, secret_hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (organization_id, email_key) DO NOTHING",
                [
                    invitation.organization_id.as_uuid().into(),
                    invitation.id.as_uuid().into(),
                    invitation.email.as_str().into(),
                    invitation.email.key().into(),
                    invitation.role.as_str().into(),
                    invitation.invited_by.map(|id| id.as_uuid()).into(),
                    to_micros(invitation.created_at).into(),
                    to_micros(invitation.expires_at).into(),
                    invitation.secret_hash.map(|hash| hash.to_vec()).into(),
                ],
            )
            .await?;
        inserted(rows, "invitation.email")
    }

    async fn update(&mut self, invitation: &Invitation) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "UPDATE invitation SET expires_at = $3, secret_hash = $4
                 WHERE organization_id = $1 AND id = $2",
                [
                    invitation.organization_id.as_uuid().into(),
                    invitation.id.as_uuid().into(),
                    to_micros(invitation.expires_at).into(),
                    invitation.secret_hash.map(|hash| hash.to_vec()).into(),
                ],
            )
            .await?;
        super::found(rows, "invitation")
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM invitation WHERE organization_id = $1 AND id = $2";
        let key = [organization.as_uuid().into(), id.as_uuid().into()];
        Ok(self.execute(sql, key).await? == 1)
    }

    async fn delete_of_email(
        &mut self,
        organization: OrganizationId,
        email: &EmailAddress,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM invitation WHERE organization_id = $1 AND email_key = $2";
        let key = [organization.as_uuid().into(), email.key().into()];
        Ok(self.execute(sql, key).await? == 1)
    }

    async fn delete_expired(&mut self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM invitation WHERE expires_at <= $1";
        self.execute(sql, [to_micros(at).into()]).await
    }
}

fn invitation(row: &QueryResult) -> Result<Invitation, StoreError> {
    const WHAT: &str = "invitation";
    let hash: Option<Vec<u8>> = row.try_get("", "secret_hash")?;
    let hash = hash.map(TokenHash::try_from).transpose();
    let inviter: Option<uuid::Uuid> = row.try_get("", "invited_by")?;
    Ok(Invitation {
        id: InvitationId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        email: parsed(row, WHAT, "email")?,
        role: parsed(row, WHAT, "role")?,
        invited_by: inviter.map(UserId::from_uuid),
        created_at: instant(row, WHAT, "created_at")?,
        expires_at: instant(row, WHAT, "expires_at")?,
        secret_hash: hash.map_err(|_| StoreError::corrupt(WHAT, "secret_hash"))?,
    })
}
