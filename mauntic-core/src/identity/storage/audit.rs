use async_trait::async_trait;
use sea_orm::QueryResult;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, instant, many, parsed};
use crate::{
    AuditEntryId, OrganizationId, Page, PageSize, StoreError,
    identity::{AuditEntry, AuditFilter, AuditQueries, AuditRepository, Change, Subject},
    storage::to_micros,
};

const WHAT: &str = "audit entry";

#[async_trait]
impl AuditQueries for SeaOrmIdentityStore {
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        size: PageSize,
    ) -> Result<Page<AuditEntry, AuditEntryId>, StoreError> {
        let before = before.map_or(uuid::Uuid::max(), |id| id.as_uuid());
        let sql = format!(
            "SELECT organization_id, id, principal, address, at, action, subject_kind, subject_id, before, after
             FROM audit_entry WHERE organization_id = $1 AND id < $2
                 AND ($3 = '' OR principal = $3) AND ($4 = '' OR substr(action, 1, length($4)) = $4)
                 AND at >= $5 AND at < $6
             ORDER BY id DESC LIMIT {}",
            size.overfetched()
        );
        let by = filter.by.map_or_else(String::new, |by| by.to_string());
        let key = [
            organization.as_uuid().into(),
            before.into(),
            by.into(),
            filter.action.clone().unwrap_or_default().into(),
            filter.since.map_or(i64::MIN, to_micros).into(),
            filter.until.map_or(i64::MAX, to_micros).into(),
        ];
        let rows = many(self.db.reader(), self.db.dialect(), &sql, key).await?;
        let rows = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }
}

#[async_trait]
impl AuditRepository for SeaOrmUnitOfWork {
    async fn append(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let change = &entry.change;
        self.execute(
            "INSERT INTO audit_entry (organization_id, id, principal, address, at, action, subject_kind, subject_id, before, after)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            [
                entry.organization_id.as_uuid().into(),
                entry.id.as_uuid().into(),
                entry.principal.to_string().into(),
                entry.address.map(|address| address.to_string()).into(),
                to_micros(entry.at).into(),
                change.action.as_str().into(),
                change.subject.kind.as_str().into(),
                change.subject.id.into(),
                change.before.clone().into(),
                change.after.clone().into(),
            ],
        )
        .await?;
        Ok(())
    }
}

fn entry(row: &QueryResult) -> Result<AuditEntry, StoreError> {
    let address: Option<String> = row.try_get("", "address")?;
    let address = address.map(|text| text.parse()).transpose();
    Ok(AuditEntry {
        id: AuditEntryId::from_uuid(row.try_get("", "id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        principal: parsed(row, WHAT, "principal")?,
        address: address.map_err(|_| StoreError::corrupt(WHAT, "address"))?,
        at: instant(row, WHAT, "at")?,
        change: Change {
            action: row.try_get("", "action")?,
            subject: Subject {
                kind: row.try_get("", "subject_kind")?,
                id: row.try_get("", "subject_id")?,
            },
            before: row.try_get("", "before")?,
            after: row.try_get("", "after")?,
        },
    })
}
