use async_trait::async_trait;
use sea_orm::QueryResult;

use super::{
    SeaOrmIdentityStore, SeaOrmUnitOfWork, found, inserted, instant, many, maybe_instant, micros,
    one, parsed,
};
use crate::{
    OrganizationId, Page, PageSize, StoreError,
    identity::{Deletion, Organization, OrganizationQueries, OrganizationRepository, Slug},
    storage::to_micros,
};

const COLUMNS: &str = "id, name, slug, timezone, postal_address, created_at, blocked_at,
    deletion_requested_by, deletion_requested_at, deletion_due_at, erasing_since";

#[async_trait]
impl OrganizationQueries for SeaOrmIdentityStore {
    async fn find(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM organization WHERE id = $1");
        let row = one(
            self.db.reader(),
            self.db.dialect(),
            &sql,
            [id.as_uuid().into()],
        )
        .await?;
        row.as_ref().map(organization).transpose()
    }

    async fn find_by_slug(&self, slug: &Slug) -> Result<Option<Organization>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM organization WHERE slug = $1");
        let row = one(
            self.db.reader(),
            self.db.dialect(),
            &sql,
            [slug.as_str().into()],
        )
        .await?;
        row.as_ref().map(organization).transpose()
    }

    async fn find_by_name(&self, name: &str) -> Result<Vec<Organization>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM organization WHERE name_key = $1 ORDER BY id LIMIT 2");
        let key = name.to_ascii_lowercase();
        let rows = many(self.db.reader(), self.db.dialect(), &sql, [key.into()]).await?;
        rows.iter().map(organization).collect()
    }

    async fn list(
        &self,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Organization, OrganizationId>, StoreError> {
        // The nil id comes before every other.
        let after = after.map_or(uuid::Uuid::nil(), |id| id.as_uuid());
        let sql = format!(
            "SELECT {COLUMNS} FROM organization WHERE id > $1 ORDER BY id LIMIT {}",
            size.overfetched()
        );
        let rows = many(self.db.reader(), self.db.dialect(), &sql, [after.into()]).await?;
        let rows = rows
            .iter()
            .map(organization)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }
}

#[async_trait]
impl OrganizationRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        id: OrganizationId,
    ) -> Result<Option<Organization>, StoreError> {
        let lock = self.dialect.for_update();
        let sql = format!("SELECT {COLUMNS} FROM organization WHERE id = $1{lock}");
        let row = self.one(&sql, [id.as_uuid().into()]).await?;
        row.as_ref().map(organization).transpose()
    }

    async fn insert(&mut self, organization: &Organization) -> Result<(), StoreError> {
        let rows = self
            .execute(
                "INSERT INTO organization (id, name, name_key, slug, timezone, postal_address, created_at, blocked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (slug) DO NOTHING",
                [
                    organization.id.as_uuid().into(),
                    organization.name.as_str().into(),
                    organization.name.as_str().to_ascii_lowercase().into(),
                    organization.slug.as_str().into(),
                    organization.timezone.as_str().into(),
                    organization.postal_address.clone().into(),
                    to_micros(organization.created_at).into(),
                    micros(organization.blocked_at),
                ],
            )
            .await?;
        inserted(rows, "organization.slug")
    }

    async fn update(&mut self, organization: &Organization) -> Result<(), StoreError> {
        let deletion = organization.deletion;
        let rows = self
            .execute(
                "UPDATE organization SET name = $2, name_key = $3, timezone = $4, postal_address = $5, blocked_at = $6,
                     deletion_requested_by = $7, deletion_requested_at = $8, deletion_due_at = $9, erasing_since = $10
                 WHERE id = $1",
                [
                    organization.id.as_uuid().into(),
                    organization.name.as_str().into(),
                    organization.name.as_str().to_ascii_lowercase().into(),
                    organization.timezone.as_str().into(),
                    organization.postal_address.clone().into(),
                    micros(organization.blocked_at),
                    deletion.map(|planned| planned.requested_by.to_string()).into(),
                    micros(deletion.map(|planned| planned.requested_at)),
                    micros(deletion.map(|planned| planned.due_at)),
                    micros(deletion.and_then(|planned| planned.erasing_since)),
                ],
            )
            .await?;
        found(rows, "organization")
    }
}

fn organization(row: &QueryResult) -> Result<Organization, StoreError> {
    const WHAT: &str = "organization";
    Ok(Organization {
        id: OrganizationId::from_uuid(row.try_get("", "id")?),
        name: parsed(row, WHAT, "name")?,
        slug: parsed(row, WHAT, "slug")?,
        timezone: parsed(row, WHAT, "timezone")?,
        postal_address: row.try_get("", "postal_address")?,
        created_at: instant(row, WHAT, "created_at")?,
        blocked_at: maybe_instant(row, WHAT, "blocked_at")?,
        deletion: deletion(row)?,
    })
}

fn deletion(row: &QueryResult) -> Result<Option<Deletion>, StoreError> {
    const WHAT: &str = "organization";
    let Some(due_at) = maybe_instant(row, WHAT, "deletion_due_at")? else {
        return Ok(None);
    };
    Ok(Some(Deletion {
        requested_by: parsed(row, WHAT, "deletion_requested_by")?,
        requested_at: instant(row, WHAT, "deletion_requested_at")?,
        due_at,
        erasing_since: maybe_instant(row, WHAT, "erasing_since")?,
    }))
}
