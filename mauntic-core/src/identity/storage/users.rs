use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;

use super::{
    SeaOrmIdentityStore, SeaOrmUnitOfWork, found, inserted, instant, many, maybe_instant, micros,
    one, parsed, sessions::workplace,
};
use crate::{
    EmailAddress, OrganizationId, Page, PageSize, StoreError, UserId,
    identity::{
        Member, MemberQueries, Membership, MembershipRepository, PasswordHash, Signature, User,
        UserRepository, Workplace,
    },
    storage::to_micros,
};

const USER: &str = "id, email, name, signature, password, created_at, blocked_at";
const MEMBER: &str = "m.user_id, a.email, a.name, m.role, m.created_at, a.blocked_at,
    m.blocked_at AS blocked_here_at, m.active_at";
const MEMBERSHIP: &str = "organization_id, user_id, role, created_at, blocked_at";

#[async_trait]
impl MemberQueries for SeaOrmIdentityStore {
    async fn find_user_by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM account WHERE email_key = $1");
        let row = one(
            self.db.reader(),
            self.db.dialect(),
            &sql,
            [email.key().into()],
        )
        .await?;
        row.as_ref().map(user).transpose()
    }

    async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER} FROM account WHERE id = $1");
        let row = one(
            self.db.reader(),
            self.db.dialect(),
            &sql,
            [id.as_uuid().into()],
        )
        .await?;
        row.as_ref().map(user).transpose()
    }

    async fn find(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Membership>, StoreError> {
        let sql = format!(
            "SELECT {MEMBERSHIP} FROM membership WHERE organization_id = $1 AND user_id = $2"
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(membership).transpose()
    }

    async fn find_member(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Member>, StoreError> {
        let sql = format!(
            "SELECT {MEMBER} FROM membership m JOIN account a ON a.id = m.user_id
             WHERE m.organization_id = $1 AND m.user_id = $2"
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        row.as_ref().map(member).transpose()
    }

    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<UserId>,
        size: PageSize,
    ) -> Result<Page<Member, UserId>, StoreError> {
        let after = after.map_or(uuid::Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT {MEMBER} FROM membership m JOIN account a ON a.id = m.user_id
             WHERE m.organization_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT {}",
            size.overfetched()
        );
        let key = [organization.as_uuid().into(), after.into()];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let rows = rows.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.user_id))
    }

    async fn search(
        &self,
        organization: OrganizationId,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<Member>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT {MEMBER} FROM membership m JOIN account a ON a.id = m.user_id
             WHERE m.organization_id = $1 AND ({} > 0 OR {} > 0) ORDER BY m.user_id LIMIT {}",
            dialect.position(&dialect.ascii_lower("a.name"), "$2"),
            dialect.position("a.email_key", "$3"),
            size.get()
        );
        // Keys of addresses are in lower case beyond A to Z, too.
        let key = [
            organization.as_uuid().into(),
            text.to_ascii_lowercase().into(),
            text.to_lowercase().into(),
        ];
        let rows = many(self.db.reader(), dialect, &sql, key).await?;
        rows.iter().map(member).collect()
    }

    async fn any_user(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM account UNION ALL SELECT 1 AS one FROM set_up LIMIT 1";
        Ok(one(self.db.reader(), self.db.dialect(), sql, [])
            .await?
            .is_some())
    }

    async fn workplaces(&self, user: UserId) -> Result<Vec<Workplace>, StoreError> {
        let sql = "SELECT m.organization_id, o.name, m.role, o.deletion_due_at,
                 (o.blocked_at IS NOT NULL OR o.erasing_since IS NOT NULL) AS closed
             FROM membership m JOIN organization o ON o.id = m.organization_id
             WHERE m.user_id = $1 AND m.blocked_at IS NULL ORDER BY o.name_key, o.id";
        let key = [user.as_uuid().into()];
        let rows = many(self.db.reader(), self.db.dialect(), sql, key).await?;
        rows.iter().map(workplace).collect()
    }

    async fn of_user(&self, user: UserId) -> Result<Vec<Membership>, StoreError> {
        let key = [user.as_uuid().into()];
        let rows = many(self.db.reader(), self.db.dialect(), &of_user(), key).await?;
        rows.iter().map(membership).collect()
    }
}

#[async_trait]
impl UserRepository for SeaOrmUnitOfWork {
    async fn claim_set_up(&mut self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let claim = "INSERT INTO set_up (only_row, at) SELECT 1, $1
             WHERE NOT EXISTS (SELECT 1 FROM account) ON CONFLICT DO NOTHING";
        Ok(self.execute(claim, [to_micros(now).into()]).await? == 1)
    }

    async fn find_for_update(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!("SELECT {USER} FROM account WHERE id = $1{lock}");
        let row = self.one(&sql, [id.as_uuid().into()]).await?;
        row.as_ref().map(user).transpose()
    }

    async fn find_by_email_for_update(
        &mut self,
        email: &EmailAddress,
    ) -> Result<Option<User>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!("SELECT {USER} FROM account WHERE email_key = $1{lock}");
        let row = self.one(&sql, [email.key().into()]).await?;
        row.as_ref().map(user).transpose()
    }

    async fn insert(&mut self, user: &User) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO account (id, email, email_key, name, password, created_at, blocked_at, signature)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (email_key) DO NOTHING",
                [
                    user.id.as_uuid().into(),
                    user.email.as_str().into(),
                    user.email.key().into(),
                    user.name.as_str().into(),
                    user.password.as_ref().map(PasswordHash::as_str).into(),
                    to_micros(user.created_at).into(),
                    micros(user.blocked_at),
                    user.signature.as_ref().map(Signature::as_str).into(),
                ],
            )
            .await?;
        inserted(rows, "user.email")
    }

    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "UPDATE account SET name = $2, password = $3, blocked_at = $4, signature = $5 WHERE id = $1",
                [
                    user.id.as_uuid().into(),
                    user.name.as_str().into(),
                    user.password.as_ref().map(PasswordHash::as_str).into(),
                    micros(user.blocked_at),
                    user.signature.as_ref().map(Signature::as_str).into(),
                ],
            )
            .await?;
        found(rows, "user")
    }

    async fn change_email(&mut self, id: UserId, email: &EmailAddress) -> Result<(), StoreError> {
        // A unique violation would abort the whole PostgreSQL transaction, so a conflict does nothing.
        let taken = self.find_by_email_for_update(email).await?;
        if taken.is_some_and(|user| user.id != id) {
            return Err(StoreError::Conflict {
                field: "user.email",
            });
        }
        let sql = "UPDATE account SET email = $2, email_key = $3 WHERE id = $1";
        let values = [
            id.as_uuid().into(),
            email.as_str().into(),
            email.key().into(),
        ];
        found(self.execute(sql, values).await?, "user")
    }
}

#[async_trait]
impl MembershipRepository for SeaOrmUnitOfWork {
    async fn find(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<Membership>, StoreError> {
        let sql = format!(
            "SELECT {MEMBERSHIP} FROM membership WHERE organization_id = $1 AND user_id = $2{}",
            self.dialect.for_update()
        );
        let row = self
            .one(&sql, [organization.as_uuid().into(), user.as_uuid().into()])
            .await?;
        row.as_ref().map(membership).transpose()
    }

    async fn of_user(&mut self, user: UserId) -> Result<Vec<Membership>, StoreError> {
        let key = [user.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, &of_user(), key).await?;
        rows.iter().map(membership).collect()
    }

    async fn owners(&mut self, organization: OrganizationId) -> Result<Vec<UserId>, StoreError> {
        let sql = "SELECT m.user_id FROM membership m JOIN account a ON a.id = m.user_id
             WHERE m.organization_id = $1 AND m.role = 'owner' AND a.blocked_at IS NULL AND m.blocked_at IS NULL
             ORDER BY m.user_id";
        let key = [organization.as_uuid().into()];
        let rows = many(&*self.txn, self.dialect, sql, key).await?;
        rows.iter()
            .map(|row| Ok(UserId::from_uuid(row.try_get("", "user_id")?)))
            .collect()
    }

    async fn insert(&mut self, membership: &Membership) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO membership (organization_id, user_id, role, created_at, blocked_at)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, user_id) DO NOTHING",
                [
                    membership.organization_id.as_uuid().into(),
                    membership.user_id.as_uuid().into(),
                    membership.role.as_str().into(),
                    to_micros(membership.created_at).into(),
                    micros(membership.blocked_at),
                ],
            )
            .await?;
        inserted(rows, "membership.user")
    }

    async fn update(&mut self, membership: &Membership) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "UPDATE membership SET role = $3, blocked_at = $4 WHERE organization_id = $1 AND user_id = $2",
                [
                    membership.organization_id.as_uuid().into(),
                    membership.user_id.as_uuid().into(),
                    membership.role.as_str().into(),
                    micros(membership.blocked_at),
                ],
            )
            .await?;
        found(rows, "membership")
    }

    async fn see(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE membership SET active_at = $3
             WHERE organization_id = $1 AND user_id = $2 AND (active_at IS NULL OR active_at < $3)";
        let values = [
            organization.as_uuid().into(),
            user.as_uuid().into(),
            to_micros(now).into(),
        ];
        self.execute(sql, values).await?;
        Ok(())
    }

    async fn remove(
        &mut self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "DELETE FROM membership WHERE organization_id = $1 AND user_id = $2",
                [organization.as_uuid().into(), user.as_uuid().into()],
            )
            .await?;
        found(rows, "membership")
    }
}

fn of_user() -> String {
    format!("SELECT {MEMBERSHIP} FROM membership WHERE user_id = $1 ORDER BY organization_id")
}

fn user(row: &QueryResult) -> Result<User, StoreError> {
    const WHAT: &str = "user";
    let password: Option<String> = row.try_get("", "password")?;
    Ok(User {
        id: UserId::from_uuid(row.try_get("", "id")?),
        email: parsed(row, WHAT, "email")?,
        name: parsed(row, WHAT, "name")?,
        signature: signature(row)?,
        password: password.map(PasswordHash::from_stored),
        created_at: instant(row, WHAT, "created_at")?,
        blocked_at: maybe_instant(row, WHAT, "blocked_at")?,
    })
}

fn signature(row: &QueryResult) -> Result<Option<Signature>, StoreError> {
    let text: Option<String> = row.try_get("", "signature")?;
    let signature = text.map(|text| text.parse()).transpose();
    signature.map_err(|_| StoreError::corrupt("user", "signature"))
}

fn membership(row: &QueryResult) -> Result<Membership, StoreError> {
    const WHAT: &str = "membership";
    Ok(Membership {
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        role: parsed(row, WHAT, "role")?,
        created_at: instant(row, WHAT, "created_at")?,
        blocked_at: maybe_instant(row, WHAT, "blocked_at")?,
    })
}

fn member(row: &QueryResult) -> Result<Member, StoreError> {
    const WHAT: &str = "member";
    Ok(Member {
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        email: parsed(row, WHAT, "email")?,
        name: parsed(row, WHAT, "name")?,
        role: parsed(row, WHAT, "role")?,
        since: instant(row, WHAT, "created_at")?,
        blocked_at: maybe_instant(row, WHAT, "blocked_at")?,
        blocked_here_at: maybe_instant(row, WHAT, "blocked_here_at")?,
        last_active_at: maybe_instant(row, WHAT, "active_at")?,
    })
}
