//! Saved views.

use async_trait::async_trait;
use mauntic_core::{
    OrganizationId, StoreError, UserId,
    storage::{from_micros, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use uuid::Uuid;

use super::{SeaOrmCrmStore, unit_of_work::SeaOrmCrmUnitOfWork};
use crate::{
    ViewQueries, ViewRepository,
    view::{SavedView, SavedViewId},
};

const COLUMNS: &str = "organization_id, id, name, query, owner_id, created_at";

#[async_trait]
impl ViewQueries for SeaOrmCrmStore {
    async fn list(
        &self,
        organization: OrganizationId,
        user: Option<UserId>,
    ) -> Result<Vec<SavedView>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {COLUMNS} FROM saved_view
                 WHERE organization_id = $1 AND (owner_id IS NULL OR owner_id = $2)
                 ORDER BY name_key, id"
            ),
            [
                organization.as_uuid().into(),
                user.map(|user| user.as_uuid()).into(),
            ],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(read).collect()
    }
}

#[async_trait]
impl ViewRepository for SeaOrmCrmUnitOfWork {
    async fn put(&mut self, view: &SavedView) -> Result<SavedView, StoreError> {
        let unique = match view.owner {
            Some(_) => "(organization_id, owner_id, name_key) WHERE owner_id IS NOT NULL",
            None => "(organization_id, name_key) WHERE owner_id IS NULL",
        };
        let statement = self.dialect.statement(
            format!(
                "INSERT INTO saved_view (organization_id, id, name, name_key, query, owner_id, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT {unique} DO UPDATE SET name = excluded.name, query = excluded.query
                 RETURNING {COLUMNS}"
            ),
            [
                view.organization_id.as_uuid().into(),
                view.id.as_uuid().into(),
                view.name.clone().into(),
                view.key().into(),
                view.query.clone().into(),
                view.owner.map(|user| user.as_uuid()).into(),
                to_micros(view.created_at).into(),
            ],
        );
        let row = self.txn.query_one_raw(statement).await?;
        row.as_ref().map_or_else(|| Ok(view.clone()), read)
    }

    async fn forget(
        &mut self,
        organization: OrganizationId,
        id: SavedViewId,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM saved_view WHERE organization_id = $1 AND id = $2",
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() == 1)
    }
}

fn read(row: &QueryResult) -> Result<SavedView, StoreError> {
    let owner: Option<Uuid> = row.try_get("", "owner_id")?;
    Ok(SavedView {
        id: SavedViewId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        name: row.try_get("", "name")?,
        query: row.try_get("", "query")?,
        owner: owner.map(UserId::from_uuid),
        created_at: from_micros("saved view", row.try_get("", "created_at")?)?,
    })
}
