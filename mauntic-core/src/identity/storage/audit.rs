use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use super::{SeaOrmIdentityStore, SeaOrmUnitOfWork, instant, many, parsed};
use crate::{
    AuditEntryId, OrganizationId, Page, PageSize, StoreError,
    identity::{AuditEntry, AuditFilter, AuditQueries, AuditRepository, Change, Subject},
    storage::to_micros,
};

const WHAT: &str = "audit entry";
const COLUMNS: &str =
    "organization_id, id, principal, address, at, action, subject_kind, subject_id, before, after";

#[async_trait]
impl AuditQueries for SeaOrmIdentityStore {
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        size: PageSize,
    ) -> Result<Page<AuditEntry, AuditEntryId>, StoreError> {
        let mut question = Question::new(organization, filter, before);
        let beginning = filter.action.as_deref().filter(|text| !text.is_empty());
        let sql = match (beginning, filter.by) {
            (None, _) => Some(question.of_all(size)),
            (Some(beginning), None) => {
                let kinds = self.kinds(organization, beginning).await?;
                question.of_kinds(kinds, size)
            }
            // What one did is found by an index of its own.
            (Some(beginning), Some(_)) => {
                question.only("substr(action, 1, length(?)) = ?", beginning.into());
                Some(question.of_all(size))
            }
        };
        let Some(sql) = sql else {
            return Ok(Page::from_overfetched(
                Vec::new(),
                size,
                |row: &AuditEntry| row.id,
            ));
        };
        let rows = many(self.db.reader(), self.db.dialect(), &sql, question.values).await?;
        let rows = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(rows, size, |row| row.id))
    }
}

impl SeaOrmIdentityStore {
    /// The actions of the organisation's entries that begin with a text: each is one step in the index.
    async fn kinds(
        &self,
        organization: OrganizationId,
        beginning: &str,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "WITH RECURSIVE kind (action) AS (
                 SELECT (SELECT e.action FROM audit_entry e
                     WHERE e.organization_id = $1 AND e.action >= $2 ORDER BY e.action LIMIT 1)
                 UNION ALL
                 SELECT (SELECT e.action FROM audit_entry e
                     WHERE e.organization_id = $1 AND e.action > kind.action ORDER BY e.action LIMIT 1)
                 FROM kind WHERE substr(kind.action, 1, length($2)) = $2)
             SELECT action FROM kind WHERE substr(action, 1, length($2)) = $2";
        let values = [organization.as_uuid().into(), beginning.into()];
        let rows = many(self.db.reader(), self.db.dialect(), sql, values).await?;
        let actions = rows.iter().map(|row| Ok(row.try_get("", "action")?));
        actions.collect()
    }
}

/// A question to the log, put together of what is asked for alone, so that each has the plan that suits it.
struct Question {
    conditions: String,
    values: Vec<Value>,
}

impl Question {
    fn new(
        organization: OrganizationId,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
    ) -> Self {
        let mut question = Self {
            conditions: "organization_id = $1".to_owned(),
            values: vec![organization.as_uuid().into()],
        };
        if let Some(before) = before {
            question.only("id < ?", before.as_uuid().into());
        }
        if let Some(by) = filter.by {
            question.only("principal = ?", by.to_string().into());
        }
        // The ids tell where to look, the times what fits.
        if let Some(since) = filter.since {
            let early = since.checked_sub_signed(AuditEntry::ID_WITHIN);
            let first = first_id(early.unwrap_or(since));
            question.only("id >= ?", first.into());
            question.only("at >= ?", to_micros(since).into());
        }
        if let Some(until) = filter.until {
            let late = until.checked_add_signed(AuditEntry::ID_WITHIN);
            let beyond = first_id(late.unwrap_or(until));
            question.only("id < ?", beyond.into());
            question.only("at < ?", to_micros(until).into());
        }
        question
    }

    fn only(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        let place = format!("${}", self.values.len());
        let condition = condition.replace('?', &place);
        self.conditions = format!("{} AND {condition}", self.conditions);
    }

    fn of_all(&self, size: PageSize) -> String {
        format!(
            "SELECT {COLUMNS} FROM audit_entry WHERE {} ORDER BY id DESC LIMIT {}",
            self.conditions,
            size.overfetched()
        )
    }

    /// The latest of each kind, and of those the latest; `None` for none.
    fn of_kinds(&mut self, kinds: Vec<String>, size: PageSize) -> Option<String> {
        let latest = size.overfetched();
        let mut parts = Vec::new();
        for kind in kinds {
            self.values.push(kind.into());
            let place = self.values.len();
            parts.push(format!(
                "SELECT * FROM (SELECT {COLUMNS} FROM audit_entry WHERE {} AND action = ${place}
                 ORDER BY id DESC LIMIT {latest}) AS kind_{place}",
                self.conditions
            ));
        }
        let all = parts.join(" UNION ALL ");
        (!all.is_empty()).then(|| format!("{all} ORDER BY id DESC LIMIT {latest}"))
    }
}

/// The first id that can be made at a time.
fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    // 48 bits of a version 7 UUID are its time.
    Uuid::from_u128(u128::from(millis.min((1 << 48) - 1)) << 80)
}

#[async_trait]
impl AuditRepository for SeaOrmUnitOfWork {
    async fn append(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let change = &entry.change;
        self.execute(
            &format!(
                "INSERT INTO audit_entry ({COLUMNS})
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
            ),
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
