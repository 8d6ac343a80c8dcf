use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, Page, PageSize, StoreError, storage::to_micros};
use sea_orm::{ConnectionTrait as _, QueryResult};
use serde_json::json;
use uuid::Uuid;

use super::{SeaOrmCrmStore, unit_of_work::SeaOrmCrmUnitOfWork};
use crate::{Tag, TagQueries, TagRepository};

#[async_trait]
impl TagQueries for SeaOrmCrmStore {
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<&Tag>,
        size: PageSize,
    ) -> Result<Page<Tag, Tag>, StoreError> {
        let sql = format!(
            "SELECT name FROM tag WHERE organization_id = $1 AND name > $2 ORDER BY name LIMIT {}",
            size.overfetched()
        );
        let after = after.map_or("", Tag::as_str);
        let parameters = [organization.as_uuid().into(), after.into()];
        let statement = self.db.dialect().statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let tags = rows.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(tags, size, Clone::clone))
    }

    async fn exists(&self, organization: OrganizationId, tag: &Tag) -> Result<bool, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT 1 FROM tag WHERE organization_id = $1 AND name = $2",
            [organization.as_uuid().into(), tag.as_str().into()],
        );
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }

    async fn count(&self, organization: OrganizationId, tag: &Tag) -> Result<u64, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT COUNT(*) AS contacts FROM contact WHERE organization_id = $1 AND {}",
            dialect.json_array_has("tags", "$2")
        );
        let parameters = [organization.as_uuid().into(), tag.as_str().into()];
        let row = self
            .db
            .reader()
            .query_one_raw(dialect.statement(sql, parameters))
            .await?;
        let contacts = row
            .map(|row| row.try_get::<i64>("", "contacts"))
            .transpose()?;
        Ok(u64::try_from(contacts.unwrap_or_default()).unwrap_or_default())
    }
}

#[async_trait]
impl TagRepository for SeaOrmCrmUnitOfWork {
    async fn add(
        &mut self,
        organization: OrganizationId,
        tags: &[Tag],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO tag (organization_id, name, created_at)
             SELECT $1, value, CAST($3 AS BIGINT) FROM {} WHERE TRUE ORDER BY value
             ON CONFLICT DO NOTHING",
            self.dialect.texts(2, "new_tags")
        );
        let parameters = [
            organization.as_uuid().into(),
            json!(tags).to_string().into(),
            to_micros(now).into(),
        ];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn contacts_with(
        &mut self,
        organization: OrganizationId,
        tag: &Tag,
        after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<ContactId>, StoreError> {
        let sql = format!(
            "SELECT id FROM contact WHERE organization_id = $1 AND {} AND id > $3
             ORDER BY id LIMIT {limit}",
            self.dialect.json_array_has("tags", "$2")
        );
        let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
        let parameters = [
            organization.as_uuid().into(),
            tag.as_str().into(),
            after.into(),
        ];
        let rows = self
            .txn
            .query_all_raw(self.dialect.statement(sql, parameters))
            .await?;
        rows.iter()
            .map(|row| Ok(ContactId::from_uuid(row.try_get("", "id")?)))
            .collect()
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        tag: &Tag,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM tag WHERE organization_id = $1 AND name = $2",
            [organization.as_uuid().into(), tag.as_str().into()],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }
}

fn tag(row: &QueryResult) -> Result<Tag, StoreError> {
    let name: String = row.try_get("", "name")?;
    name.parse().map_err(|_| StoreError::corrupt("tag", "name"))
}
