//! Saved views.

use async_trait::async_trait;
use mauntic_core::{
    OrganizationId, StoreError, UserId,
    storage::{Dialect, from_micros, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use uuid::Uuid;

use super::{SeaOrmCrmStore, parameters::Parameters, unit_of_work::SeaOrmCrmUnitOfWork};
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
        // Twice, for another may add it just between the two.
        for _ in 0..2 {
            for statement in [replace(self.dialect, view), insert(self.dialect, view)] {
                let row = self.txn.query_one_raw(statement).await?;
                if let Some(row) = row {
                    return read(&row);
                }
            }
        }
        Err(StoreError::Missing { what: "saved view" })
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

/// Gives the view of that owner and name what it shows, if there is one.
fn replace(dialect: Dialect, view: &SavedView) -> Statement {
    let mut parameters = Parameters::default();
    let organization = parameters.bind(view.organization_id.as_uuid());
    let key = parameters.bind(view.key());
    let (name, query) = (
        parameters.bind(view.name.as_str()),
        parameters.bind(view.query.as_str()),
    );
    let of_owner = match view.owner {
        Some(owner) => format!("owner_id = {}", parameters.bind(owner.as_uuid())),
        None => "owner_id IS NULL".to_owned(),
    };
    let sql = format!(
        "UPDATE saved_view SET name = {name}, query = {query}
         WHERE organization_id = {organization} AND name_key = {key} AND {of_owner} RETURNING {COLUMNS}"
    );
    dialect.statement(sql, parameters)
}

/// Adds the view, unless there is one of that owner and name.
fn insert(dialect: Dialect, view: &SavedView) -> Statement {
    let sql = format!(
        "INSERT INTO saved_view (organization_id, id, name, name_key, query, owner_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING {COLUMNS}"
    );
    let parameters = [
        view.organization_id.as_uuid().into(),
        view.id.as_uuid().into(),
        view.name.clone().into(),
        view.key().into(),
        view.query.clone().into(),
        view.owner.map(|user| user.as_uuid()).into(),
        to_micros(view.created_at).into(),
    ];
    dialect.statement(sql, parameters)
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
