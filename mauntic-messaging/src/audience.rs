use std::fmt;

use async_trait::async_trait;
use mauntic_core::{ContactId, EmailAddress, OrganizationId, SegmentId, StoreError, TimeZoneName};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::content::OrganizationDetails;

/// A member of an audience: what the plan of a send must know of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceMember {
    /// Who.
    pub contact_id: ContactId,
    /// Where mail goes, if the contact has an address.
    pub address: Option<EmailAddress>,
    /// Whether the contact asked for no email.
    pub do_not_contact: bool,
    /// The zone the contact lives in, if it is known.
    pub timezone: Option<TimeZoneName>,
}

/// Knows who is in a segment.
#[async_trait]
pub trait Audience: Send + Sync {
    /// How many members the segment has; `None` if the organisation has no such segment.
    async fn size(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
    ) -> Result<Option<u64>, StoreError>;

    /// The first `limit` members with ids above `after`, in the order of their ids.
    async fn members(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<AudienceMember>, StoreError>;
}

/// A contact as a message sees it: freshly read, just before rendering.
///
/// `Debug` hides the fields and the address, so that personal data does not reach the logs.
#[derive(Clone, PartialEq)]
pub struct Recipient {
    /// Who.
    pub contact_id: ContactId,
    /// Where mail goes, if the contact has an address.
    pub address: Option<EmailAddress>,
    /// What templates can show: core and custom fields by alias.
    pub fields: Map<String, Value>,
    /// Whether the contact asked for no email.
    pub do_not_contact: bool,
    /// The language the contact prefers, such as `pt_BR`.
    pub locale: Option<String>,
    /// The zone the contact lives in.
    pub timezone: Option<TimeZoneName>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("contact_id", &self.contact_id)
            .finish_non_exhaustive()
    }
}

/// A segment that recipients know and can leave and join by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailingList {
    /// The segment.
    pub id: SegmentId,
    /// What recipients know it as.
    pub name: String,
    /// Whether the contact gets it.
    pub member: bool,
}

/// Knows the contacts.
#[async_trait]
pub trait ContactDirectory: Send + Sync {
    /// The organisation's mailing lists, by name, and whether the contact is on them. None, unless implemented.
    async fn mailing_lists(
        &self,
        _organization: OrganizationId,
        _contact: ContactId,
    ) -> Result<Vec<MailingList>, StoreError> {
        Ok(Vec::new())
    }

    /// The organisation's contacts with these ids, in any order; those that are gone are left out.
    async fn recipients(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Recipient>, StoreError>;
}

/// Knows the organisations, as their mails name them.
#[async_trait]
pub trait OrganizationDirectory: Send + Sync {
    /// How the organisation's mails name it.
    async fn details(
        &self,
        organization: OrganizationId,
    ) -> Result<OrganizationDetails, StoreError>;

    /// The aliases of its contacts' fields, core and custom, which templates may use.
    async fn contact_fields(&self, organization: OrganizationId)
    -> Result<Vec<String>, StoreError>;
}
