use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::QueryResult;
use uuid::Uuid;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, execute, instant, many, one, parsed};
use crate::{
    OrganizationId, Page, PageSize, StoreError, WorkerId,
    identity::{Erasure, Erasures},
    storage::{erase_rows, tables_with, to_micros},
};

/// Tables that an organisation's rows do not simply go from: people stay logged in where else they work, members may
/// take their account with them, and what was erased is remembered.
const SPARED: [&str; 3] = ["session", "membership", "erasure"];
/// Members that go at a time, each in a transaction of its own.
const MEMBERS: u64 = 100;

#[async_trait]
impl Erasures for SeaOrmIdentityStore {
    async fn claim(
        &self,
        worker: WorkerId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<OrganizationId>, StoreError> {
        let dialect = self.db.dialect();
        let due = "SELECT id FROM organization WHERE deletion_due_at <= $1
             AND (erasing_until IS NULL OR erasing_until <= $1 OR erasing_worker = $2)
             ORDER BY deletion_due_at, id LIMIT 1";
        let key = || [to_micros(now).into(), worker.as_uuid().into()];
        // Looked at first: on SQLite a transaction waits for its turn.
        if one(self.db.reader(), dialect, due, key()).await?.is_none() {
            return Ok(None);
        }
        let txn = self.db.begin().await?;
        let locked = format!("{due}{}", dialect.skip_locked());
        let Some(row) = one(&*txn, dialect, &locked, key()).await? else {
            return Ok(None);
        };
        let id: Uuid = row.try_get("", "id")?;
        let take = "UPDATE organization SET erasing_since = COALESCE(erasing_since, $2), erasing_until = $3,
                 erasing_worker = $4 WHERE id = $1";
        let values = [
            id.into(),
            to_micros(now).into(),
            to_micros(until).into(),
            worker.as_uuid().into(),
        ];
        execute(&*txn, dialect, take, values).await?;
        txn.commit().await?;
        Ok(Some(OrganizationId::from_uuid(id)))
    }

    async fn erase_some(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let erased = erase_rows(&self.db, organization, limit, &SPARED).await?;
        let members = format!(
            "SELECT user_id FROM membership WHERE organization_id = $1 ORDER BY user_id LIMIT {}",
            limit.min(MEMBERS)
        );
        let key = [organization.as_uuid().into()];
        let members = many(self.db.reader(), self.db.dialect(), &members, key).await?;
        if members.is_empty() {
            return Ok(erased);
        }
        let of_persons = self.tables_of_persons().await?;
        for row in &members {
            let user = row.try_get("", "user_id")?;
            self.let_go(organization, user, &of_persons).await?;
        }
        Ok(erased + members.len() as u64)
    }

    async fn finish(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let txn = self.db.begin().await?;
        let dialect = self.db.dialect();
        let key = || organization.as_uuid().into();
        let leave = "UPDATE session SET organization_id = NULL WHERE organization_id = $1";
        execute(&*txn, dialect, leave, [key()]).await?;
        let note = "INSERT INTO erasure (organization_id, requested_by, requested_at, erased_at)
             SELECT id, deletion_requested_by, deletion_requested_at, $2 FROM organization
             WHERE id = $1 AND erasing_since IS NOT NULL ON CONFLICT DO NOTHING";
        execute(&*txn, dialect, note, [key(), to_micros(now).into()]).await?;
        let delete = "DELETE FROM organization WHERE id = $1 AND erasing_since IS NOT NULL";
        execute(&*txn, dialect, delete, [key()]).await?;
        txn.commit().await
    }

    async fn list(
        &self,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Erasure, OrganizationId>, StoreError> {
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT organization_id, requested_by, requested_at, erased_at FROM erasure
             WHERE organization_id > $1 ORDER BY organization_id LIMIT {}",
            size.overfetched()
        );
        let rows = many(self.db.reader(), self.db.dialect(), &sql, [after.into()]).await?;
        let rows = rows.iter().map(erasure).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| {
            row.organization_id
        }))
    }
}

impl SeaOrmIdentityStore {
    /// The tables that hold what is a person's, whatever the organisation. The database says which, so none is
    /// forgotten.
    async fn tables_of_persons(&self) -> Result<Vec<String>, StoreError> {
        let led = tables_with(&self.db, "organization_id").await?;
        let mut tables = tables_with(&self.db, "user_id").await?;
        tables.retain(|table| table == "session" || !led.contains(table));
        Ok(tables)
    }

    /// Ends a membership, and the account if it was the last one.
    async fn let_go(
        &self,
        organization: OrganizationId,
        user: Uuid,
        of_persons: &[String],
    ) -> Result<(), StoreError> {
        let uow = SeaOrmUnitOfWork {
            txn: self.db.begin().await?,
            dialect: self.db.dialect(),
        };
        // Whoever adds a membership holds the account as well, so none is overlooked.
        let lock = format!(
            "SELECT blocked_at FROM account WHERE id = $1{}",
            self.db.dialect().for_update()
        );
        let account = uow.one(&lock, [user.into()]).await?;
        let blocked = match account {
            Some(row) => row.try_get::<Option<i64>>("", "blocked_at")?.is_some(),
            None => false,
        };
        let leave = "DELETE FROM membership WHERE organization_id = $1 AND user_id = $2";
        uow.execute(leave, [organization.as_uuid().into(), user.into()])
            .await?;
        let elsewhere = "SELECT 1 AS one FROM membership WHERE user_id = $1 LIMIT 1";
        if !blocked && uow.one(elsewhere, [user.into()]).await?.is_none() {
            for table in of_persons {
                let delete = format!("DELETE FROM \"{table}\" WHERE user_id = $1");
                uow.execute(&delete, [user.into()]).await?;
            }
            uow.execute("DELETE FROM account WHERE id = $1", [user.into()])
                .await?;
        }
        uow.txn.commit().await
    }
}

fn erasure(row: &QueryResult) -> Result<Erasure, StoreError> {
    const WHAT: &str = "erasure";
    Ok(Erasure {
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        requested_by: parsed(row, WHAT, "requested_by")?,
        requested_at: instant(row, WHAT, "requested_at")?,
        erased_at: instant(row, WHAT, "erased_at")?,
    })
}
