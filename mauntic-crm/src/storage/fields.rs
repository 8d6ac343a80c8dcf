use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError, storage::Dialect};
use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};

use super::{
    SeaOrmCrmStore, contacts::from_json, expression::field_value, unit_of_work::SeaOrmCrmUnitOfWork,
};
use crate::{Field, FieldAlias, FieldIndexes, FieldQueries, FieldRepository, FieldType};

#[async_trait]
impl FieldQueries for SeaOrmCrmStore {
    async fn list_custom(&self, organization: OrganizationId) -> Result<Vec<Field>, StoreError> {
        custom_fields(self.db.reader(), self.db.dialect(), organization).await
    }

    async fn segments_reading(
        &self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<Vec<String>, StoreError> {
        segments_reading(self.db.reader(), self.db.dialect(), organization, alias).await
    }
}

#[async_trait]
impl FieldRepository for SeaOrmCrmUnitOfWork {
    async fn list_custom(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Vec<Field>, StoreError> {
        custom_fields(&*self.txn, self.dialect, organization).await
    }

    async fn segments_reading(
        &mut self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<Vec<String>, StoreError> {
        segments_reading(&*self.txn, self.dialect, organization, alias).await
    }

    async fn insert(
        &mut self,
        organization: OrganizationId,
        field: &Field,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO field (organization_id, alias, field_type, indexed, position, definition)
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        if self.write(sql, organization, field).await? == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict {
                field: "field.alias",
            })
        }
    }

    async fn update(
        &mut self,
        organization: OrganizationId,
        field: &Field,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE field SET field_type = $3, indexed = $4, position = $5, definition = $6
                   WHERE organization_id = $1 AND alias = $2";
        if self.write(sql, organization, field).await? == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing { what: "field" })
        }
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        alias: &FieldAlias,
    ) -> Result<(), StoreError> {
        let name = alias.as_str();
        let parameters = || [organization.as_uuid().into(), name.into()];
        let sql = "DELETE FROM field WHERE organization_id = $1 AND alias = $2";
        let deleted = self
            .txn
            .execute_raw(self.dialect.statement(sql, parameters()))
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::Missing { what: "field" });
        }
        let sql = "DELETE FROM contact_key WHERE organization_id = $1 AND field = $2";
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters()))
            .await?;
        let sql = format!(
            "UPDATE contact SET fields = {}, version = version + 1
             WHERE organization_id = $1 AND {}",
            self.dialect.json_without("fields", name),
            self.dialect.json_has_key("fields", name)
        );
        let parameters = [organization.as_uuid().into()];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }
}

impl SeaOrmCrmUnitOfWork {
    async fn write(
        &self,
        sql: &str,
        organization: OrganizationId,
        field: &Field,
    ) -> Result<u64, StoreError> {
        let parameters = [
            organization.as_uuid().into(),
            field.alias.as_str().into(),
            field.field_type.as_str().into(),
            field.indexed.into(),
            i64::from(field.position).into(),
            json!(field).into(),
        ];
        let done = self
            .txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(done.rows_affected())
    }
}

#[async_trait]
impl FieldIndexes for SeaOrmCrmStore {
    async fn create(&self, alias: &FieldAlias, field_type: FieldType) -> Result<(), StoreError> {
        let dialect = self.db.dialect();
        let name = index_name(alias, field_type);
        let value = match field_type {
            // Only "has this option" is asked of these.
            FieldType::Multiselect => return Ok(()),
            other => field_value(dialect, "fields", alias, other),
        };
        let concurrently = dialect.concurrently();
        let sql = format!(
            "CREATE INDEX {concurrently} IF NOT EXISTS {name} ON contact (organization_id, ({value}))"
        );
        let _turn = self.db.turn_to_write().await;
        let connection = self.db.reader();
        if let Err(error) = connection.execute_unprepared(&sql).await {
            // A failed concurrent build leaves a useless index of that name.
            let drop = format!("DROP INDEX IF EXISTS {name}");
            connection.execute_unprepared(&drop).await?;
            return Err(error.into());
        }
        Ok(())
    }

    async fn drop_unused(
        &self,
        alias: &FieldAlias,
        field_type: FieldType,
    ) -> Result<(), StoreError> {
        let dialect = self.db.dialect();
        let wanted = dialect.statement(
            "SELECT 1 FROM field WHERE alias = $1 AND field_type = $2 AND indexed LIMIT 1",
            [alias.as_str().into(), field_type.as_str().into()],
        );
        let _turn = self.db.turn_to_write().await;
        if self.db.reader().query_one_raw(wanted).await?.is_none() {
            let name = index_name(alias, field_type);
            let drop = format!("DROP INDEX {} IF EXISTS {name}", dialect.concurrently());
            self.db.reader().execute_unprepared(&drop).await?;
        }
        Ok(())
    }
}

fn index_name(alias: &FieldAlias, field_type: FieldType) -> String {
    format!("contact_field_{alias}_{field_type}")
}

async fn custom_fields<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
) -> Result<Vec<Field>, StoreError> {
    let statement = dialect.statement(
        "SELECT definition FROM field WHERE organization_id = $1 ORDER BY position, alias",
        [organization.as_uuid().into()],
    );
    let rows = connection.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| from_json(row, "field", "definition"))
        .collect()
}

async fn segments_reading<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    alias: &FieldAlias,
) -> Result<Vec<String>, StoreError> {
    let statement = dialect.statement(
        "SELECT name, rule FROM segment WHERE organization_id = $1 AND rule IS NOT NULL ORDER BY name_key",
        [organization.as_uuid().into()],
    );
    let rows = connection.query_all_raw(statement).await?;
    let mut names = Vec::new();
    for row in &rows {
        let rule: Json = row.try_get("", "rule")?;
        if reads(&rule, alias.as_str()) {
            names.push(row.try_get("", "name")?);
        }
    }
    Ok(names)
}

/// Whether a rule's JSON has `"field": {"name": "<alias>", …}` anywhere.
fn reads(rule: &Json, alias: &str) -> bool {
    match rule {
        Json::Object(object) => {
            let name = object.get("field").and_then(|field| field.get("name"));
            name.and_then(Json::as_str) == Some(alias)
                || object.values().any(|part| reads(part, alias))
        }
        Json::Array(parts) => parts.iter().any(|part| reads(part, alias)),
        _ => false,
    }
}
