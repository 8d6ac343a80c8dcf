use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, EmailAddress, OrganizationId, SegmentId, StoreError, TimeZoneName, UserId,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

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

/// Whether everybody is in a segment who belongs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// The members are those that they should be.
    Ready,
    /// Its rule is being applied to everybody, or is to be.
    AwaitsRebuild,
    /// Contacts that changed are still to be checked against its rule.
    AwaitsChanges,
}

impl Readiness {
    /// What is waited for, in words that go behind "the segment is not up to date: ".
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Ready => None,
            Self::AwaitsRebuild => Some("it is being built"),
            Self::AwaitsChanges => Some("contacts that changed are being checked"),
        }
    }
}

/// Knows who is in a segment.
#[async_trait]
pub trait Audience: Send + Sync {
    /// Whether the segment has the members that it should have as of an instant; `None` if the organisation has no such
    /// segment. A send is planned once it is [`Ready`](Readiness::Ready), so what changes after that instant must not
    /// keep it from getting there. Always ready, unless implemented.
    async fn readiness(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        _as_of: DateTime<Utc>,
    ) -> Result<Option<Readiness>, StoreError> {
        let size = self.size(organization, segment).await?;
        Ok(size.map(|_| Readiness::Ready))
    }

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

/// The user who looks after a contact, as messages name them.
///
/// `Debug` hides name and address.
#[derive(Clone, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub id: UserId,
    /// What the person is called.
    pub name: String,
    /// The address of the person.
    pub address: EmailAddress,
    /// What the person signs mail with, if that is more than name and address.
    pub signature: Option<String>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Owner {
    /// What templates can show of an owner, behind `owner.`.
    pub const FIELDS: [&str; 5] = ["firstname", "lastname", "name", "email", "signature"];

    /// The fields. The first word of the name is taken for the first name, the others for the last name. Whoever has
    /// no signature signs with name and address. Line breaks of a signature are kept in text; HTML shows them as spaces,
    /// as all of its white space.
    #[must_use]
    pub fn fields(&self) -> Value {
        let name = self.name.trim();
        let (first, last) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
        json!({
            "firstname": first,
            "lastname": last.trim_start(),
            "name": name,
            "email": self.address,
            "signature": self.signature.clone().unwrap_or_else(|| format!("{name}, {}", self.address)),
        })
    }
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
    /// The user who looks after the contact.
    pub owner_id: Option<UserId>,
    /// The same as templates see it, once it was [looked up](ContactDirectory::owners), which is done only for templates
    /// that show it.
    pub owner: Option<Owner>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("contact_id", &self.contact_id)
            .finish_non_exhaustive()
    }
}

impl Recipient {
    /// The records beside the contact that templates can use.
    #[must_use]
    pub fn records(&self) -> Vec<(&'static str, Value)> {
        let owner = self.owner.as_ref();
        owner
            .map(|owner| ("owner", owner.fields()))
            .into_iter()
            .collect()
    }
}

/// Looks up who looks after the recipients. One question, however many they are.
pub(crate) async fn look_up_owners(
    directory: &dyn ContactDirectory,
    organization: OrganizationId,
    recipients: Vec<&mut Recipient>,
) -> Result<(), StoreError> {
    let mut ids: Vec<_> = recipients.iter().filter_map(|one| one.owner_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let owners = directory.owners(organization, &ids).await?;
    let owners: HashMap<_, _> = owners.into_iter().map(|owner| (owner.id, owner)).collect();
    for recipient in recipients {
        recipient.owner = recipient.owner_id.and_then(|id| owners.get(&id).cloned());
    }
    Ok(())
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

    /// Those of the users who are members of the organisation, in any order: who looks after contacts. None, unless
    /// implemented.
    async fn owners(
        &self,
        _organization: OrganizationId,
        _ids: &[UserId],
    ) -> Result<Vec<Owner>, StoreError> {
        Ok(Vec::new())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_divided_at_its_first_space() {
        for (name, first, last) in [
            ("Kim", "Kim", ""),
            ("Kim Lee", "Kim", "Lee"),
            (" Ludwig  van Beethoven ", "Ludwig", "van Beethoven"),
        ] {
            let mut owner = Owner {
                id: UserId::from_uuid(uuid::Uuid::nil()),
                name: name.to_owned(),
                address: "kim@example.com".parse().unwrap(),
                signature: None,
            };
            let fields = owner.fields();
            let usual = format!("{}, kim@example.com", name.trim());
            assert_eq!(fields["signature"], usual);
            assert_eq!(fields["firstname"], first);
            assert_eq!(fields["lastname"], last);
            let known = fields.as_object().unwrap();
            assert!(Owner::FIELDS.iter().all(|name| known.contains_key(*name)));
            assert_eq!(known.len(), Owner::FIELDS.len());
            owner.signature = Some("Kim\nExample Ltd".to_owned());
            assert_eq!(owner.fields()["signature"], "Kim\nExample Ltd");
        }
    }
}
