use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, OrganizationId, SegmentId, StoreError,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, SqlErr, Statement, TransactionTrait as _};
use serde_json::{Value as Json, json};

use super::{
    bulk::insert_statement,
    growth::{by_hour, hour_added},
    read::{by_emails, by_ids},
    row::{CHANGE, CONTACT, MARK, change_rows, contact_id, contact_rows, id_rows, mark_rows},
};
use crate::{
    Contact, ContactChange, ContactRepository, PreparedContacts, UniqueKey,
    segment::{Origin, SegmentRepository as _},
    storage::unit_of_work::SeaOrmCrmUnitOfWork,
};

const KEY: &[Column] = &[
    ("contact_id", SqlType::Uuid),
    ("field", SqlType::Text),
    ("value_key", SqlType::Text),
];

/// Tables whose rows go with their contact, each with a `contact_id`.
const HANGING_ON_CONTACT: &[&str] = &[
    "do_not_contact",
    "contact_key",
    "contact_change",
    "segment_member",
    "engagement",
    "segment_dirty",
    "contact_merge",
];

#[async_trait]
impl ContactRepository for SeaOrmCrmUnitOfWork {
    async fn find_many_for_update(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, StoreError> {
        by_ids(
            &*self.txn,
            self.dialect,
            organization,
            ids,
            self.dialect.for_update(),
        )
        .await
    }

    async fn find_by_emails_for_update(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Contact>, StoreError> {
        by_emails(
            &*self.txn,
            self.dialect,
            organization,
            keys,
            self.dialect.for_update(),
        )
        .await
    }

    async fn insert_many(
        &mut self,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<Vec<ContactId>, StoreError> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let statement = insert_statement(self.dialect, organization, contacts)?;
        self.insert_by(organization, contacts, statement).await
    }

    async fn insert_prepared(
        &mut self,
        organization: OrganizationId,
        contacts: &PreparedContacts,
    ) -> Result<Vec<ContactId>, StoreError> {
        match contacts.ready::<Statement>() {
            Some(statement) if !contacts.contacts().is_empty() => {
                let statement = statement.clone();
                self.insert_by(organization, contacts.contacts(), statement)
                    .await
            }
            _ => self.insert_many(organization, contacts.contacts()).await,
        }
    }

    async fn update_many(
        &mut self,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<(), StoreError> {
        if contacts.is_empty() {
            return Ok(());
        }
        // A violation aborts what PostgreSQL has open, so that is a savepoint.
        let savepoint = self.txn.begin().await?;
        match self.update_within(&savepoint, organization, contacts).await {
            Ok(()) => Ok(savepoint.commit().await?),
            Err(error) => {
                savepoint.rollback().await?;
                Err(error)
            }
        }
    }

    async fn delete_many(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<ContactId>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // The counts of many segments change: with the workers that do so too, one after the other.
        self.enter_gate(organization).await?;
        let wanted = |column| self.dialect.own_ids(column, 2);
        let parameters = || [organization.as_uuid().into(), id_rows(ids).into()];
        let sql = format!(
            "DELETE FROM contact WHERE {} RETURNING id, created_at",
            wanted("id")
        );
        let rows = self
            .txn
            .query_all_raw(self.dialect.statement(sql, parameters()))
            .await?;
        // Before their keys go: whoever adds contacts has its counters first, too.
        if let Some(first) = rows.first() {
            let added = rows
                .iter()
                .map(|row| {
                    row.try_get("", "created_at")
                        .map(|micros: i64| micros.div_euclid(3_600_000_000))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let counts = by_hour(added.into_iter(), -1);
            self.count_contacts(organization, contact_id(first, "id")?, &counts)
                .await?;
        }
        let sql = format!(
            "UPDATE segment SET member_count = segment.member_count - gone.members
             FROM (SELECT segment_id, COUNT(*) AS members FROM segment_member
                   WHERE origin <> 2 AND {}
                   GROUP BY segment_id) AS gone
             WHERE segment.organization_id = $1 AND segment.id = gone.segment_id",
            wanted("contact_id")
        );
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters()))
            .await?;
        for table in HANGING_ON_CONTACT {
            let sql = format!("DELETE FROM {table} WHERE {}", wanted("contact_id"));
            self.txn
                .execute_raw(self.dialect.statement(sql, parameters()))
                .await?;
        }
        let mut deleted = rows
            .iter()
            .map(|row| contact_id(row, "id"))
            .collect::<Result<Vec<_>, _>>()?;
        deleted.sort_unstable();
        Ok(deleted)
    }

    async fn move_to(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(SegmentId, Origin)>, StoreError> {
        self.move_all(organization, from, to, now).await
    }

    async fn replace_keys(
        &mut self,
        organization: OrganizationId,
        keys: &[UniqueKey],
    ) -> Result<Vec<UniqueKey>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut taken = self.taken_keys(organization, keys).await?;
        let mut seen = HashSet::new();
        for key in keys {
            let twice = key.key.is_some() && !seen.insert((&key.field, &key.key));
            if twice && !taken.contains(key) {
                taken.push(key.clone());
            }
        }
        let out: BTreeSet<_> = taken.iter().map(|key| key.contact_id).collect();
        let kept: Vec<_> = keys
            .iter()
            .filter(|key| !out.contains(&key.contact_id))
            .collect();
        self.write_keys(organization, &kept).await?;
        Ok(taken)
    }

    async fn record_changes(
        &mut self,
        organization: OrganizationId,
        changes: &[ContactChange],
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO contact_change (organization_id, id, contact_id, at, actor, source, changes)
             SELECT $1, id, contact_id, at, actor, source, changes FROM {}",
            self.dialect.rows(2, "r", CHANGE)
        );
        let parameters = [organization.as_uuid().into(), change_rows(changes).into()];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn mark_dirty(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
        since: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO segment_dirty (organization_id, contact_id, since)
             SELECT DISTINCT $1, id, CAST($3 AS BIGINT) FROM {}",
            self.dialect.ids(2, "changed")
        );
        let parameters = [
            organization.as_uuid().into(),
            id_rows(ids).into(),
            to_micros(since).into(),
        ];
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }
}

impl SeaOrmCrmUnitOfWork {
    async fn insert_by(
        &self,
        organization: OrganizationId,
        contacts: &[Contact],
        statement: Statement,
    ) -> Result<Vec<ContactId>, StoreError> {
        let rows = self.txn.query_all_raw(statement).await?;
        let ids = rows.iter().map(|row| contact_id(row, "id"));
        let inserted = ids.collect::<Result<HashSet<_>, _>>()?;
        let added = contacts
            .iter()
            .filter(|contact| inserted.contains(&contact.id()));
        if let Some(first) = added.clone().next() {
            let counts = by_hour(added.map(hour_added), 1);
            self.count_contacts(organization, first.id(), &counts)
                .await?;
        }
        if inserted.len() == contacts.len() {
            self.insert_marks(&*self.txn, organization, contacts)
                .await?;
            return Ok(contacts.iter().map(Contact::id).collect());
        }
        let inserted: Vec<_> = contacts
            .iter()
            .filter(|contact| inserted.contains(&contact.id()))
            .cloned()
            .collect();
        self.insert_marks(&*self.txn, organization, &inserted)
            .await?;
        Ok(inserted.iter().map(Contact::id).collect())
    }

    async fn insert_marks<C: ConnectionTrait>(
        &self,
        connection: &C,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<(), StoreError> {
        let Some(marks) = mark_rows(contacts) else {
            return Ok(());
        };
        let sql = format!(
            "INSERT INTO do_not_contact
                 (organization_id, contact_id, channel, reason, source, comment, created_at)
             SELECT $1, contact_id, channel, reason, source, comment, created_at FROM {}",
            self.dialect.rows(2, "r", MARK)
        );
        let parameters = [organization.as_uuid().into(), marks.into()];
        connection
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        Ok(())
    }

    async fn update_within(
        &self,
        savepoint: &DatabaseTransaction,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<(), StoreError> {
        let columns: Vec<_> = CONTACT
            .iter()
            .filter(|(name, _)| *name != "id")
            .map(|(name, _)| format!("{name} = r.{name}"))
            .collect();
        let sql = format!(
            "UPDATE contact SET {} FROM {} WHERE contact.organization_id = {} AND contact.id = r.id",
            columns.join(", "),
            self.dialect.rows(2, "r", CONTACT),
            self.dialect.unseen("$1")
        );
        let parameters = [
            organization.as_uuid().into(),
            contact_rows(contacts)?.into(),
        ];
        let updated = savepoint
            .execute_raw(self.dialect.statement(sql, parameters))
            .await;
        let updated = updated.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::Conflict {
                field: "contact.email",
            },
            _ => error.into(),
        })?;
        if updated.rows_affected() != contacts.len() as u64 {
            return Err(StoreError::Missing { what: "contact" });
        }
        let ids: Vec<_> = contacts.iter().map(Contact::id).collect();
        let sql = format!(
            "DELETE FROM do_not_contact WHERE {}",
            self.dialect.own_ids("contact_id", 2)
        );
        let parameters = [organization.as_uuid().into(), id_rows(&ids).into()];
        savepoint
            .execute_raw(self.dialect.statement(sql, parameters))
            .await?;
        self.insert_marks(savepoint, organization, contacts).await
    }

    /// Which of these keys another contact has.
    async fn taken_keys(
        &self,
        organization: OrganizationId,
        keys: &[UniqueKey],
    ) -> Result<Vec<UniqueKey>, StoreError> {
        let sql = format!(
            "SELECT r.contact_id, r.field, r.value_key FROM {}
             CROSS JOIN contact_key k WHERE k.organization_id = {} AND k.field = r.field
                  AND k.value_key = r.value_key AND k.contact_id <> r.contact_id",
            self.dialect.rows(2, "r", KEY),
            self.dialect.unseen("$1")
        );
        let all: Vec<_> = keys.iter().collect();
        let parameters = [organization.as_uuid().into(), key_rows(&all).into()];
        let rows = self
            .txn
            .query_all_raw(self.dialect.statement(sql, parameters))
            .await?;
        let taken = rows
            .iter()
            .map(|row| {
                let field: String = row.try_get("", "field")?;
                let key: String = row.try_get("", "value_key")?;
                Ok((contact_id(row, "contact_id")?, field, key))
            })
            .collect::<Result<HashSet<_>, StoreError>>()?;
        let is_taken = |key: &&UniqueKey| {
            key.key.as_ref().is_some_and(|value| {
                taken.contains(&(key.contact_id, key.field.as_str().to_owned(), value.clone()))
            })
        };
        Ok(keys.iter().filter(is_taken).cloned().collect())
    }

    async fn write_keys(
        &self,
        organization: OrganizationId,
        keys: &[&UniqueKey],
    ) -> Result<(), StoreError> {
        let parameters = || [organization.as_uuid().into(), key_rows(keys).into()];
        let rows = self.dialect.rows(2, "r", KEY);
        let sql = format!(
            "DELETE FROM contact_key WHERE organization_id = {}
             AND (contact_id, field) IN (SELECT contact_id, field FROM {rows})",
            self.dialect.unseen("$1")
        );
        self.txn
            .execute_raw(self.dialect.statement(sql, parameters()))
            .await?;
        let sql = format!(
            "INSERT INTO contact_key (organization_id, field, value_key, contact_id)
             SELECT $1, field, value_key, contact_id FROM {rows} WHERE value_key IS NOT NULL
             ORDER BY field, value_key ON CONFLICT DO NOTHING"
        );
        let inserted = self
            .txn
            .execute_raw(self.dialect.statement(sql, parameters()))
            .await?;
        let expected = keys.iter().filter(|key| key.key.is_some()).count();
        if inserted.rows_affected() == expected as u64 {
            Ok(())
        } else {
            // Somebody took one between the look and the write.
            Err(StoreError::Conflict {
                field: "contact.key",
            })
        }
    }
}

fn key_rows(keys: &[&UniqueKey]) -> String {
    let rows = keys
        .iter()
        .map(|key| json!({"contact_id": key.contact_id, "field": key.field, "value_key": key.key}));
    Json::Array(rows.collect()).to_string()
}
