use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, Value};

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, instant, many, maybe_instant, one, parsed};
use crate::{
    NotificationId, OrganizationId, Page, PageSize, StoreError, UserId,
    identity::{Notification, NotificationQueries, NotificationRepository, Once},
    storage::to_micros,
};

const COLUMNS: &str =
    "organization_id, user_id, id, kind, problem, heading, message, about, at, read_at";

#[async_trait]
impl NotificationQueries for SeaOrmIdentityStore {
    async fn list(
        &self,
        organization: OrganizationId,
        user: UserId,
        unread: bool,
        before: Option<NotificationId>,
        size: PageSize,
    ) -> Result<Page<Notification, NotificationId>, StoreError> {
        let mut values: Vec<Value> = vec![organization.as_uuid().into(), user.as_uuid().into()];
        let mut only = String::new();
        if unread {
            only.push_str(" AND read_at IS NULL");
        }
        if let Some(before) = before {
            only.push_str(" AND id < $3");
            values.push(before.as_uuid().into());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM notification WHERE organization_id = $1 AND user_id = $2{only}
             ORDER BY id DESC LIMIT {}",
            size.overfetched()
        );
        let rows = many(self.db.reader(), self.db.dialect(), &sql, values).await?;
        let rows = rows
            .iter()
            .map(notification)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }

    async fn unread(
        &self,
        organization: OrganizationId,
        user: UserId,
        most: u32,
    ) -> Result<u32, StoreError> {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM (SELECT 1 FROM notification
             WHERE organization_id = $1 AND user_id = $2 AND read_at IS NULL LIMIT {most}) AS counted"
        );
        let key = [organization.as_uuid().into(), user.as_uuid().into()];
        let row = one(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        Ok(u32::try_from(n).unwrap_or(most))
    }
}

#[async_trait]
impl NotificationRepository for SeaOrmUnitOfWork {
    async fn add(
        &mut self,
        notification: &Notification,
        once: Option<&Once>,
    ) -> Result<bool, StoreError> {
        let rows = self
            .execute(
                &format!(
                    "INSERT INTO notification ({COLUMNS}, once_hash)
                     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
                     WHERE EXISTS (SELECT 1 FROM membership m JOIN account a ON a.id = m.user_id
                             WHERE m.organization_id = $1 AND m.user_id = $2
                             AND m.blocked_at IS NULL AND a.blocked_at IS NULL)
                         AND NOT EXISTS (SELECT 1 FROM notification told WHERE told.organization_id = $1
                             AND told.user_id = $2 AND told.once_hash = $11 AND told.at >= $12)"
                ),
                [
                    notification.organization_id.as_uuid().into(),
                    notification.user_id.as_uuid().into(),
                    notification.id.as_uuid().into(),
                    notification.kind.as_str().into(),
                    notification.problem.into(),
                    notification.heading.as_str().into(),
                    notification.message.as_str().into(),
                    notification.about.into(),
                    to_micros(notification.at).into(),
                    notification.read_at.map(to_micros).into(),
                    once.map(|once| once.hash.to_vec()).into(),
                    once.map(|once| to_micros(once.since)).into(),
                ],
            )
            .await?;
        Ok(rows == 1)
    }

    async fn mark_read(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        id: NotificationId,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE notification SET read_at = COALESCE(read_at, $4)
             WHERE organization_id = $1 AND user_id = $2 AND id = $3";
        let values = [
            organization.as_uuid().into(),
            user.as_uuid().into(),
            id.as_uuid().into(),
            to_micros(at).into(),
        ];
        Ok(self.execute(sql, values).await? == 1)
    }

    async fn mark_all_read(
        &mut self,
        organization: OrganizationId,
        user: UserId,
        up_to: Option<NotificationId>,
        at: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let sql = "UPDATE notification SET read_at = $3
             WHERE organization_id = $1 AND user_id = $2 AND read_at IS NULL";
        let (organization, user) = (organization.as_uuid(), user.as_uuid());
        let at = to_micros(at);
        match up_to {
            None => {
                let values = [organization.into(), user.into(), at.into()];
                self.execute(sql, values).await
            }
            Some(last) => {
                let last = last.as_uuid();
                let values = [organization.into(), user.into(), at.into(), last.into()];
                self.execute(&format!("{sql} AND id <= $4"), values).await
            }
        }
    }

    async fn delete_old(&mut self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let sql = format!(
            "DELETE FROM notification WHERE (organization_id, user_id, id) IN
             (SELECT organization_id, user_id, id FROM notification WHERE at < $1 ORDER BY at LIMIT {limit})"
        );
        self.execute(&sql, [to_micros(before).into()]).await
    }
}

fn notification(row: &QueryResult) -> Result<Notification, StoreError> {
    const WHAT: &str = "notification";
    Ok(Notification {
        id: NotificationId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        kind: parsed(row, WHAT, "kind")?,
        problem: row.try_get("", "problem")?,
        heading: row.try_get("", "heading")?,
        message: row.try_get("", "message")?,
        about: row.try_get("", "about")?,
        at: instant(row, WHAT, "at")?,
        read_at: maybe_instant(row, WHAT, "read_at")?,
    })
}
