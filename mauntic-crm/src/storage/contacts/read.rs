use std::collections::BTreeMap;

use async_trait::async_trait;
use mauntic_core::{ContactId, Day, OrganizationId, Page, PageSize, StoreError, storage::Dialect};
use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::json;
use uuid::Uuid;

use super::{
    bulk::insert_statement,
    list,
    row::{COLUMNS, change, contact, contact_id, id_rows, mark},
};
use crate::{
    Contact, ContactChange, ContactCursor, ContactFilter, ContactGrowth, ContactListing,
    ContactQueries, PreparedContacts, storage::SeaOrmCrmStore,
};

#[async_trait]
impl ContactQueries for SeaOrmCrmStore {
    fn prepare_insert(
        &self,
        organization: OrganizationId,
        contacts: Vec<Contact>,
    ) -> Result<PreparedContacts, StoreError> {
        let statement = insert_statement(self.db.dialect(), organization, &contacts)?;
        Ok(PreparedContacts::new(contacts, statement))
    }

    async fn find_many(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, StoreError> {
        by_ids(self.db.reader(), self.db.dialect(), organization, ids, "").await
    }

    async fn find_by_emails(
        &self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Contact>, StoreError> {
        by_emails(self.db.reader(), self.db.dialect(), organization, keys, "").await
    }

    async fn merged_into(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<BTreeMap<ContactId, ContactId>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT merged_id, contact_id FROM contact_merge
             WHERE {}",
            dialect.own_ids("merged_id", 2)
        );
        let parameters = [organization.as_uuid().into(), id_rows(ids).into()];
        let statement = dialect.statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    contact_id(row, "merged_id")?,
                    contact_id(row, "contact_id")?,
                ))
            })
            .collect()
    }

    async fn alike(
        &self,
        organization: OrganizationId,
        contact: &Contact,
        limit: u64,
    ) -> Result<Vec<Contact>, StoreError> {
        self.contacts_alike(organization, contact, limit).await
    }

    async fn list(
        &self,
        organization: OrganizationId,
        listing: &ContactListing,
    ) -> Result<Page<Contact, ContactCursor>, StoreError> {
        let (connection, dialect) = (self.db.reader(), self.db.dialect());
        let wanted = listing.size.overfetched();
        let few = list::few(connection, dialect, organization, listing).await?;
        let mut rows = Vec::new();
        for statement in list::statements(dialect, organization, listing, few.as_ref()) {
            let missing = wanted - rows.len() as u64;
            if missing > 0 {
                rows.extend(connection.query_all_raw(statement.limited(missing)).await?);
            }
        }
        let contacts = with_marks(connection, dialect, organization, &rows).await?;
        let page = Page::from_overfetched(contacts, listing.size, |contact| {
            ContactCursor::behind(contact, listing.sort)
        });
        Ok(page)
    }

    async fn growth(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<ContactGrowth, StoreError> {
        self.contact_growth(organization, days).await
    }

    async fn count(
        &self,
        organization: OrganizationId,
        filter: &ContactFilter,
    ) -> Result<u64, StoreError> {
        let statement = list::count(self.db.dialect(), organization, filter);
        let row = self.db.reader().query_one_raw(statement).await?;
        let contacts = row
            .map(|row| row.try_get::<i64>("", "contacts"))
            .transpose()?;
        Ok(u64::try_from(contacts.unwrap_or_default()).unwrap_or_default())
    }

    async fn history(
        &self,
        organization: OrganizationId,
        contact: ContactId,
        after: Option<Uuid>,
        size: PageSize,
    ) -> Result<Page<ContactChange, Uuid>, StoreError> {
        let sql = format!(
            "SELECT id, contact_id, at, actor, source, changes FROM contact_change
             WHERE organization_id = $1 AND contact_id = $2 AND id < $3
             ORDER BY id DESC LIMIT {}",
            size.overfetched()
        );
        let after = after.unwrap_or(Uuid::max());
        let parameters = [
            organization.as_uuid().into(),
            contact.as_uuid().into(),
            after.into(),
        ];
        let statement = self.db.dialect().statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let changes = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(changes, size, |change| change.id))
    }
}

/// The contacts with these ids, by id. `lock` ends the statement.
pub(in crate::storage) async fn by_ids<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    ids: &[ContactId],
    lock: &str,
) -> Result<Vec<Contact>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM contact
         WHERE {} ORDER BY id{lock}",
        dialect.own_ids("id", 2)
    );
    let parameters = [organization.as_uuid().into(), id_rows(ids).into()];
    let rows = connection
        .query_all_raw(dialect.statement(sql, parameters))
        .await?;
    with_marks(connection, dialect, organization, &rows).await
}

/// The contacts with these keys of addresses, by id. `lock` ends the statement.
pub(super) async fn by_emails<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    keys: &[String],
    lock: &str,
) -> Result<Vec<Contact>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM contact
         WHERE {} ORDER BY id{lock}",
        dialect.own_texts("email_key", 2)
    );
    let parameters = [
        organization.as_uuid().into(),
        json!(keys).to_string().into(),
    ];
    let rows = connection
        .query_all_raw(dialect.statement(sql, parameters))
        .await?;
    with_marks(connection, dialect, organization, &rows).await
}

/// Contacts in the order of their rows, with their do-not-contact marks.
async fn with_marks<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    rows: &[QueryResult],
) -> Result<Vec<Contact>, StoreError> {
    let contacts = rows.iter().map(contact).collect::<Result<Vec<_>, _>>()?;
    if contacts.is_empty() {
        return Ok(contacts);
    }
    let ids: Vec<_> = contacts.iter().map(Contact::id).collect();
    let sql = format!(
        "SELECT contact_id, channel, reason, source, comment, created_at FROM do_not_contact
         WHERE {}",
        dialect.own_ids("contact_id", 2)
    );
    let parameters = [organization.as_uuid().into(), id_rows(&ids).into()];
    let marks = connection
        .query_all_raw(dialect.statement(sql, parameters))
        .await?;
    let mut parts: Vec<_> = contacts.into_iter().map(Contact::into_parts).collect();
    let places: std::collections::HashMap<_, _> = ids
        .iter()
        .enumerate()
        .map(|(place, id)| (*id, place))
        .collect();
    for row in &marks {
        let mark = mark(row)?;
        if let Some(place) = places.get(&contact_id(row, "contact_id")?) {
            parts[*place].do_not_contact.insert(mark.channel, mark);
        }
    }
    Ok(parts.into_iter().map(Contact::from_parts).collect())
}
