use std::{any::Any, collections::BTreeMap, fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use mauntic_core::{ContactId, Day, OrganizationId, Page, PageSize, SegmentId, StoreError, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Channel, Contact, ContactChange, FieldAlias, Tag, segment::Origin};

/// Which contacts a list has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactFilter {
    /// What the address, the first name or the last name starts with; two words are first and last
    /// name, in any order. With `*` in front, what any of these three contains, which is slow on
    /// large lists. Capitals (A to Z) do not matter.
    pub search: Option<String>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// Only the members of this segment.
    pub segment: Option<SegmentId>,
    /// Only those whom this user is in charge of.
    pub owner: Option<UserId>,
    /// Only those in this stage, as it is written.
    pub stage: Option<String>,
    /// Only those who may not be contacted by this channel.
    pub do_not_contact: Option<Channel>,
    /// Only those of whom nothing says that they may not be contacted by this channel.
    pub may_contact: Option<Channel>,
}

impl ContactFilter {
    /// Whether it lets only some of the contacts through.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        *self != Self::default()
    }
}

/// How many characters of a first or last name decide where somebody stands in a list.
pub(crate) const NAME_ORDER: usize = 100;

/// What a list of contacts is sorted by; the id decides between equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactSort {
    /// When they were added, which is also the order of their ids.
    #[default]
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
    /// Their last name and then their first, whatever the case of letters from A to Z. Those without a last name come
    /// last either way.
    Name,
    /// Their address; those without one come last either way.
    Email,
    /// When they were last seen; those who never were come last either way.
    LastActive,
}

/// One page of a list of contacts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactListing {
    /// Which contacts.
    pub filter: ContactFilter,
    /// In what order.
    pub sort: ContactSort,
    /// The other way round.
    pub descending: bool,
    /// Behind which contact the page starts.
    pub after: Option<ContactCursor>,
    /// How many.
    pub size: PageSize,
}

/// Where the next page of a list of contacts starts. As text it is opaque, and shows no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCursor {
    /// What the list is sorted by: a cursor is of use in no other order.
    #[serde(rename = "s")]
    pub sort: ContactSort,
    /// The instant that the last contact is sorted by, in microseconds.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<i64>,
    /// The texts that the last contact is sorted by: the key of its address; or its last name, if it has one, and its
    /// first.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// The last contact.
    #[serde(rename = "i")]
    pub id: ContactId,
}

impl ContactCursor {
    /// Behind a contact in an order.
    #[must_use]
    pub fn behind(contact: &Contact, sort: ContactSort) -> Self {
        let parts = contact.parts();
        let name = |alias: &str| {
            let value = contact.value(alias)?.as_text()?;
            let beginning = value.chars().take(NAME_ORDER);
            Some(beginning.collect::<String>().to_ascii_lowercase())
        };
        let micros = match sort {
            ContactSort::UpdatedAt => Some(parts.updated_at.timestamp_micros()),
            ContactSort::LastActive => parts.last_active_at.map(|at| at.timestamp_micros()),
            ContactSort::CreatedAt | ContactSort::Name | ContactSort::Email => None,
        };
        let texts = match sort {
            ContactSort::Email => {
                let key = parts.email.as_ref().map(mauntic_core::EmailAddress::key);
                Vec::from_iter(key)
            }
            ContactSort::Name => {
                let first = name("firstname").unwrap_or_default();
                name("lastname").into_iter().chain([first]).collect()
            }
            _ => Vec::new(),
        };
        Self {
            sort,
            micros,
            texts,
            id: parts.id,
        }
    }

    /// Behind a contact in the order in which they were added.
    #[must_use]
    pub fn behind_id(id: ContactId) -> Self {
        Self {
            sort: ContactSort::CreatedAt,
            micros: None,
            texts: Vec::new(),
            id,
        }
    }
}

impl fmt::Display for ContactCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        json.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not the cursor of a list of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass what the page before gave as its next")]
pub struct InvalidCursor;

impl FromStr for ContactCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_ascii() || text.len() % 2 == 1 || text.len() > 4_096 {
            return Err(InvalidCursor);
        }
        let bytes = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        let bytes = bytes
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| InvalidCursor)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| InvalidCursor)?;
        let texts = match cursor.sort {
            ContactSort::Name => 1..=2,
            ContactSort::Email => 0..=1,
            _ => 0..=0,
        };
        let is_text = |text: &String| !text.contains('\0');
        let fits = texts.contains(&cursor.texts.len()) && cursor.texts.iter().all(is_text);
        fits.then_some(cursor).ok_or(InvalidCursor)
    }
}

/// How many contacts there are, and when they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContactGrowth {
    /// All contacts.
    pub total: u64,
    /// Those of them that were added on each day.
    pub days: Vec<DayGrowth>,
}

/// The contacts that were added on a day and are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayGrowth {
    /// The date, in the organisation's zone.
    pub date: NaiveDate,
    /// How many.
    pub added: u64,
}

/// That a contact has a value of a unique field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// Which contact.
    pub contact_id: ContactId,
    /// Of which field.
    pub field: FieldAlias,
    /// [`Value::key`](crate::Value::key) of the value; `None` gives the contact's key up.
    pub key: Option<String>,
}

/// Contacts to add, made ready ahead of their turn by [`ContactQueries::prepare_insert`].
pub struct PreparedContacts {
    contacts: Vec<Contact>,
    ready: Box<dyn Any + Send + Sync>,
}

impl PreparedContacts {
    /// Contacts with what a storage will need to add them.
    pub fn new(contacts: Vec<Contact>, ready: impl Any + Send + Sync) -> Self {
        Self {
            contacts,
            ready: Box::new(ready),
        }
    }

    /// The contacts.
    #[must_use]
    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// What the storage will need, if it is of that type.
    #[must_use]
    pub fn ready<T: Any>(&self) -> Option<&T> {
        self.ready.downcast_ref()
    }
}

/// Reads contacts. Ids of another organisation are as good as unknown.
#[async_trait]
pub trait ContactQueries: Send + Sync {
    /// Does ahead of a transaction whatever takes time and needs no database, to add contacts with
    /// [`ContactRepository::insert_prepared`].
    fn prepare_insert(
        &self,
        organization: OrganizationId,
        contacts: Vec<Contact>,
    ) -> Result<PreparedContacts, StoreError>;

    /// The contacts with these ids, by id; unknown ones are left out.
    async fn find_many(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, StoreError>;

    /// The contacts with these [keys of addresses](mauntic_core::EmailAddress::key), by id.
    async fn find_by_emails(
        &self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Contact>, StoreError>;

    /// Which contacts those that were merged into others are now; ids that never were are left out.
    async fn merged_into(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<BTreeMap<ContactId, ContactId>, StoreError>;

    /// All contacts that are [alike](Contact::likeness), up to `limit` for each kind of likeness; there may be others
    /// among them.
    async fn alike(
        &self,
        organization: OrganizationId,
        contact: &Contact,
        limit: u64,
    ) -> Result<Vec<Contact>, StoreError>;

    /// One page of contacts.
    async fn list(
        &self,
        organization: OrganizationId,
        listing: &ContactListing,
    ) -> Result<Page<Contact, ContactCursor>, StoreError>;

    /// How many contacts there are, and how many of them were added on each of the days.
    async fn growth(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<ContactGrowth, StoreError>;

    /// How many contacts a filter lets through.
    async fn count(
        &self,
        organization: OrganizationId,
        filter: &ContactFilter,
    ) -> Result<u64, StoreError>;

    /// One page of a contact's history, the latest first.
    async fn history(
        &self,
        organization: OrganizationId,
        contact: ContactId,
        after: Option<Uuid>,
        size: PageSize,
    ) -> Result<Page<ContactChange, Uuid>, StoreError>;
}

/// Changes contacts, many at a time: each method is a fixed number of statements.
#[async_trait]
pub trait ContactRepository: Send {
    /// The contacts with these ids, by id; nobody else can change them until the transaction ends.
    async fn find_many_for_update(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Contact>, StoreError>;

    /// The contacts with these [keys of addresses](mauntic_core::EmailAddress::key), by id; nobody
    /// else can change them until the transaction ends.
    async fn find_by_emails_for_update(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Contact>, StoreError>;

    /// Adds contacts and returns the ids of those added; the address of each of the others is taken.
    /// The transaction stays usable either way.
    async fn insert_many(
        &mut self,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Does the same as [`insert_many`](Self::insert_many) with what was made ready for it, as often
    /// as a transaction has to be tried again.
    async fn insert_prepared(
        &mut self,
        organization: OrganizationId,
        contacts: &PreparedContacts,
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Replaces stored contacts. [`StoreError::Conflict`] if an address is taken: then nothing is
    /// changed and the transaction stays usable. An unknown one is [`StoreError::Missing`].
    async fn update_many(
        &mut self,
        organization: OrganizationId,
        contacts: &[Contact],
    ) -> Result<(), StoreError>;

    /// Deletes contacts and everything that hangs on them; returns those that were there.
    async fn delete_many(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<ContactId>, StoreError>;

    /// Moves what hangs on a contact to another (history, engagement, memberships by hand) and remembers where it went.
    /// Where one of the two was taken out of a segment by hand, the other is out of it too: nobody comes back into a
    /// list that they left. Returns the segments that the one who stays came into or left. The other itself stays, to be
    /// deleted. The caller is in the
    /// [gate](crate::segment::SegmentRepository::enter_gate).
    async fn move_to(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<(SegmentId, Origin)>, StoreError>;

    /// Replaces the contacts' keys of unique fields, and returns those that another contact has,
    /// which are not taken. A key given twice goes to the first contact.
    async fn replace_keys(
        &mut self,
        organization: OrganizationId,
        keys: &[UniqueKey],
    ) -> Result<Vec<UniqueKey>, StoreError>;

    /// Adds to the contacts' histories.
    async fn record_changes(
        &mut self,
        organization: OrganizationId,
        changes: &[ContactChange],
    ) -> Result<(), StoreError>;

    /// Notes that the contacts' rule segments must be checked again.
    async fn mark_dirty(
        &mut self,
        organization: OrganizationId,
        ids: &[ContactId],
        since: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}
