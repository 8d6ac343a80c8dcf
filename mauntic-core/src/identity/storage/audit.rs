use async_trait::async_trait;
use sea_orm::{QueryResult, Value};

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
        let mut conditions = String::new();
        let mut values: Vec<Value> = vec![organization.as_uuid().into(), before.into()];
        // Only what is asked for, so that each question has the plan that suits it.
        let mut only = |condition: &str, value: Value| {
            values.push(value);
            let place = format!("${}", values.len());
            conditions = format!("{conditions} AND {}", condition.replace('?', &place));
        };
        if let Some(by) = filter.by {
            only("principal = ?", by.to_string().into());
        }
        if let Some(action) = filter.action.as_deref() {
            only("substr(action, 1, length(?)) = ?", action.into());
        }
        if let Some(since) = filter.since {
            only("at >= ?", to_micros(since).into());
        }
        if let Some(until) = filter.until {
            only("at < ?", to_micros(until).into());
        }
        let sql = format!(
            "SELECT organization_id, id, principal, address, at, action, subject_kind, subject_id, before, after
             FROM audit_entry WHERE organization_id = $1 AND id < $2{conditions}
             ORDER BY id DESC LIMIT {}",
            size.overfetched()
        );
        let rows = many(self.db.reader(), self.db.dialect(), &sql, values).await?;
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
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
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
