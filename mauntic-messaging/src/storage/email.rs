use std::{collections::HashMap, fmt::Write as _};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    EmailId, EmailVersionId, OrganizationId, Page, PageSize, StoreError, storage::to_micros,
};
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, SqlErr, Value};
use serde::Serialize;

use super::{
    SeaOrmMessagingStore, SeaOrmUnitOfWork,
    sql::{Parameters, Row as _},
};
use crate::email::{
    Email, EmailCursor, EmailFilter, EmailName, EmailQueries, EmailRepository, EmailSort,
    EmailVersion, VersionEntry,
};

const COLUMNS: &str = "id, name, name_key, version, current_version_id, created_at, updated_at";
const VERSION_COLUMNS: &str = "id, email_id, number, source, compiled, created_at";

impl SeaOrmMessagingStore {
    /// The email that has this in a column which no two have alike.
    async fn email_by(
        &self,
        organization: OrganizationId,
        column: &str,
        value: Value,
    ) -> Result<Option<Email>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {COLUMNS} FROM email
                 WHERE organization_id = $1 AND {column} = $2 AND deleted_at IS NULL"
            ),
            [organization.as_uuid().into(), value],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(email).transpose()
    }

    /// The version of the organisation `$1` that the condition names.
    async fn version_by<const N: usize>(
        &self,
        condition: &str,
        values: [Value; N],
    ) -> Result<Option<EmailVersion>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {VERSION_COLUMNS} FROM email_version WHERE organization_id = $1 AND {condition}"
            ),
            values,
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(version).transpose()
    }
}

#[async_trait]
impl EmailQueries for SeaOrmMessagingStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: EmailId,
    ) -> Result<Option<Email>, StoreError> {
        self.email_by(organization, "id", id.as_uuid().into()).await
    }

    async fn names(
        &self,
        organization: OrganizationId,
        ids: &[EmailId],
    ) -> Result<Vec<(EmailId, EmailName)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT id, name FROM email
             WHERE {} AND deleted_at IS NULL",
            dialect.own_ids("id", 2)
        );
        let parameters = [
            organization.as_uuid().into(),
            serde_json::json!(ids).to_string().into(),
        ];
        let statement = dialect.statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| Ok((row.id("id")?, name(row)?)))
            .collect()
    }

    async fn find_named(
        &self,
        organization: OrganizationId,
        name: &EmailName,
    ) -> Result<Option<Email>, StoreError> {
        self.email_by(organization, "name_key", name.key().into())
            .await
    }

    async fn find_version(
        &self,
        organization: OrganizationId,
        id: EmailVersionId,
    ) -> Result<Option<EmailVersion>, StoreError> {
        let values = [organization.as_uuid().into(), id.as_uuid().into()];
        self.version_by("id = $2", values).await
    }

    async fn find_numbered(
        &self,
        organization: OrganizationId,
        email: EmailId,
        number: i64,
    ) -> Result<Option<EmailVersion>, StoreError> {
        let values = [
            organization.as_uuid().into(),
            email.as_uuid().into(),
            number.into(),
        ];
        self.version_by("email_id = $2 AND number = $3", values)
            .await
    }

    async fn mentioning(
        &self,
        organization: OrganizationId,
        text: &str,
        limit: u16,
    ) -> Result<Vec<(EmailId, Option<EmailName>)>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT e.id, CASE WHEN e.deleted_at IS NULL THEN e.name END AS name FROM email e
             WHERE e.organization_id = $1 AND EXISTS (
                SELECT 1 FROM email_version v WHERE v.organization_id = e.organization_id AND v.email_id = e.id
                AND {} > 0)
             ORDER BY e.id DESC LIMIT {limit}",
            dialect.position("CAST(v.source AS TEXT)", "$2")
        );
        let statement = dialect.statement(sql, [organization.as_uuid().into(), text.into()]);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let found = rows.iter().map(|row| {
            let name = row.find_text("name")?.map(|name| name.parse());
            let name = name.transpose();
            let name = name.map_err(|error| StoreError::corrupt("email", error))?;
            Ok((row.id("id")?, name))
        });
        found.collect()
    }

    async fn list_versions(
        &self,
        organization: OrganizationId,
        email: EmailId,
        below: Option<i64>,
        size: PageSize,
    ) -> Result<Page<VersionEntry, i64>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT id, number, created_at FROM email_version
                 WHERE organization_id = $1 AND email_id = $2 AND number < $3
                 ORDER BY number DESC LIMIT {}",
                size.overfetched()
            ),
            [
                organization.as_uuid().into(),
                email.as_uuid().into(),
                below.unwrap_or(i64::MAX).into(),
            ],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        let entries = rows.iter().map(|row| {
            Ok::<_, StoreError>(VersionEntry {
                id: row.id("id")?,
                number: row.integer("number")?,
                created_at: row.instant("created_at")?,
            })
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(entries, size, |entry| entry.number))
    }

    async fn subjects(
        &self,
        organization: OrganizationId,
        versions: &[EmailVersionId],
    ) -> Result<HashMap<EmailVersionId, String>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT id, source ->> 'subject' AS subject FROM email_version
             WHERE {}",
            dialect.own_ids("id", 2)
        );
        let ids = serde_json::json!(versions).to_string();
        let statement = dialect.statement(sql, [organization.as_uuid().into(), ids.into()]);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let subjects = rows
            .iter()
            .map(|row| Ok((row.id("id")?, row.text("subject")?)));
        subjects.collect()
    }

    async fn list(
        &self,
        organization: OrganizationId,
        filter: &EmailFilter,
        after: Option<&EmailCursor>,
        size: PageSize,
    ) -> Result<Page<Email, EmailCursor>, StoreError> {
        let dialect = self.db.dialect();
        let name_key = dialect.bytewise("name_key");
        let mut parameters = Parameters::default();
        let mut conditions = format!(
            "organization_id = {} AND deleted_at IS NULL",
            parameters.bind(organization.as_uuid())
        );
        if let Some(search) = filter
            .search
            .as_deref()
            .filter(|text| !text.trim().is_empty())
        {
            let part = parameters.bind(search.trim().to_ascii_lowercase());
            let _ = write!(
                conditions,
                " AND {} > 0",
                dialect.position("name_key", &part)
            );
        }
        match after {
            Some(EmailCursor::Created { id }) => {
                let _ = write!(conditions, " AND id < {}", parameters.bind(id.as_uuid()));
            }
            Some(EmailCursor::Updated { at, id }) => {
                let at = parameters.bind(to_micros(*at));
                let id = parameters.bind(id.as_uuid());
                let _ = write!(conditions, " AND (updated_at, id) < ({at}, {id})");
            }
            Some(EmailCursor::Name { key }) => {
                let _ = write!(
                    conditions,
                    " AND {name_key} > {}",
                    parameters.bind(key.clone())
                );
            }
            None => {}
        }
        let order = match filter.sort {
            EmailSort::Created => "id DESC",
            EmailSort::Updated => "updated_at DESC, id DESC",
            EmailSort::Name => &name_key,
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM email WHERE {conditions} ORDER BY {order} LIMIT {}",
            size.overfetched()
        );
        let statement = parameters.statement(dialect, sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let emails = rows.iter().map(email).collect::<Result<_, _>>()?;
        Ok(Page::from_overfetched(emails, size, |email| {
            EmailCursor::behind(email, filter.sort)
        }))
    }
}

#[async_trait]
impl EmailRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: EmailId,
    ) -> Result<Option<Email>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM email
             WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL{}",
            self.dialect.for_update()
        );
        let parameters = [organization.as_uuid().into(), id.as_uuid().into()];
        let statement = self.dialect.statement(sql, parameters);
        let row = self.txn.query_one_raw(statement).await?;
        row.as_ref().map(email).transpose()
    }

    async fn last_number(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<i64, StoreError> {
        let statement = self.dialect.statement(
            "SELECT COALESCE(MAX(number), 0) AS number FROM email_version
             WHERE organization_id = $1 AND email_id = $2",
            [organization.as_uuid().into(), email.as_uuid().into()],
        );
        let row = self.txn.query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| row.integer("number"))
    }

    async fn insert(
        &mut self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            format!(
                "INSERT INTO email (organization_id, {COLUMNS})
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"
            ),
            [
                organization.as_uuid().into(),
                email.id.as_uuid().into(),
                email.name.as_str().into(),
                email.name.key().into(),
                email.version.into(),
                email.current_version_id.as_uuid().into(),
                to_micros(email.created_at).into(),
                to_micros(email.updated_at).into(),
            ],
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(NAME_TAKEN),
            _ => Ok(()),
        }
    }

    async fn insert_version(
        &mut self,
        organization: OrganizationId,
        version: &EmailVersion,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            format!(
                "INSERT INTO email_version (organization_id, {VERSION_COLUMNS})
                 VALUES ($1, $2, $3, $4, $5, $6, $7)"
            ),
            [
                organization.as_uuid().into(),
                version.id.as_uuid().into(),
                version.email_id.as_uuid().into(),
                version.number.into(),
                to_json(&version.source)?,
                to_json(&version.compiled)?,
                to_micros(version.created_at).into(),
            ],
        );
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn update(
        &mut self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "UPDATE email SET name = $3, name_key = $4, version = $5, current_version_id = $6,
                updated_at = $7
             WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL",
            [
                organization.as_uuid().into(),
                email.id.as_uuid().into(),
                email.name.as_str().into(),
                email.name.key().into(),
                email.version.into(),
                email.current_version_id.as_uuid().into(),
                to_micros(email.updated_at).into(),
            ],
        );
        let updated = self.txn.execute_raw(statement).await.map_err(name_taken)?;
        match updated.rows_affected() {
            0 => Err(StoreError::Missing { what: "email" }),
            _ => Ok(()),
        }
    }

    async fn has_open_sends(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "SELECT 1 AS one FROM send_job WHERE organization_id = $1 AND email_id = $2
             AND state NOT IN ('cancelled', 'completed', 'failed') LIMIT 1",
            [organization.as_uuid().into(), email.as_uuid().into()],
        );
        Ok(self.txn.query_one_raw(statement).await?.is_some())
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "UPDATE email SET deleted_at = $3 WHERE organization_id = $1 AND id = $2
             AND deleted_at IS NULL",
            [
                organization.as_uuid().into(),
                email.as_uuid().into(),
                to_micros(now).into(),
            ],
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(StoreError::Missing { what: "email" }),
            _ => Ok(()),
        }
    }
}

const NAME_TAKEN: StoreError = StoreError::Conflict {
    field: "email.name",
};

fn name_taken(error: DbErr) -> StoreError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => NAME_TAKEN,
        _ => error.into(),
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, StoreError> {
    let value = serde_json::to_value(value).map_err(|error| StoreError::corrupt("email", error))?;
    Ok(value.into())
}

fn email(row: &QueryResult) -> Result<Email, StoreError> {
    Ok(Email {
        id: row.id("id")?,
        name: name(row)?,
        version: row.integer("version")?,
        current_version_id: row.id("current_version_id")?,
        created_at: row.instant("created_at")?,
        updated_at: row.instant("updated_at")?,
    })
}

fn name(row: &QueryResult) -> Result<EmailName, StoreError> {
    let name = row.text("name")?;
    name.parse()
        .map_err(|error| StoreError::corrupt("email", error))
}

fn version(row: &QueryResult) -> Result<EmailVersion, StoreError> {
    Ok(EmailVersion {
        id: row.id("id")?,
        email_id: row.id("email_id")?,
        number: row.integer("number")?,
        source: row.json("email version", "source")?,
        compiled: row.json("email version", "compiled")?,
        created_at: row.instant("created_at")?,
    })
}
