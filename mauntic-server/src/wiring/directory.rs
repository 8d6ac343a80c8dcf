//! What the contexts ask of each other.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    Clock, ContactId, EmailId, OrganizationId, PageSize, SegmentId, StoreError, TimeZoneName,
    UserId, Zones, identity::IdentityStore,
};
use mauntic_crm::{
    Channel, Contact, CrmStore, FieldSet, OwnerName, Owners,
    segment::{EmailNames, Origin, Readiness as SegmentReadiness},
};
use mauntic_messaging::{
    Audience, AudienceMember, ContactDirectory, MailingList, MessagingStore, OrganizationDirectory,
    Owner, Readiness, Recipient, content::OrganizationDetails,
};
use serde_json::{Map, Value, json};

/// Answers messaging's questions about contacts from the CRM, and about who looks after them from Identity.
pub(crate) struct CrmDirectory {
    pub(crate) crm: Arc<dyn CrmStore>,
    pub(crate) identity: Arc<dyn IdentityStore>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl ContactDirectory for CrmDirectory {
    async fn mailing_lists(
        &self,
        organization: OrganizationId,
        contact: ContactId,
    ) -> Result<Vec<MailingList>, StoreError> {
        let segments = self.crm.segments();
        let mut lists: Vec<_> = segments
            .all(organization)
            .await?
            .into_iter()
            .filter_map(|segment| {
                Some(MailingList {
                    id: segment.id,
                    name: segment.list_name?.to_string(),
                    member: false,
                })
            })
            .collect();
        if !lists.is_empty() {
            let bonds = segments.of_contact(organization, contact).await?;
            for list in &mut lists {
                let mut bonds = bonds.iter().filter(|bond| bond.segment_id == list.id);
                list.member = bonds.any(|bond| bond.origin != Origin::Removed);
            }
        }
        lists.sort_by_key(|list| list.name.to_lowercase());
        Ok(lists)
    }

    async fn recipients(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Recipient>, StoreError> {
        let contacts = self.crm.contacts().find_many(organization, ids).await?;
        Ok(contacts.into_iter().map(recipient).collect())
    }

    /// Who is no member any more, or is blocked, is not named. Those who look after the contacts of one batch are few.
    async fn owners(
        &self,
        organization: OrganizationId,
        ids: &[UserId],
    ) -> Result<Vec<Owner>, StoreError> {
        let members = self.identity.members();
        let mut owners = Vec::with_capacity(ids.len());
        for id in ids {
            let membership = members.find(organization, *id).await?;
            if membership.is_none_or(|membership| membership.blocked_at.is_some()) {
                continue;
            }
            let user = members.find_user(*id).await?;
            let user = user.filter(|user| user.blocked_at.is_none());
            owners.extend(user.map(|user| Owner {
                id: user.id,
                name: user.name.to_string(),
                address: user.email,
                signature: user.signature.map(|text| text.as_str().to_owned()),
            }));
        }
        Ok(owners)
    }
}

#[async_trait]
impl Audience for CrmDirectory {
    async fn readiness(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        as_of: DateTime<Utc>,
    ) -> Result<Option<Readiness>, StoreError> {
        let (segments, now) = (self.crm.segments(), self.clock.now());
        let found = SegmentReadiness::of(segments, organization, segment, as_of, now).await?;
        Ok(found.map(|readiness| match readiness {
            SegmentReadiness::Ready => Readiness::Ready,
            SegmentReadiness::AwaitsRebuild => Readiness::AwaitsRebuild,
            SegmentReadiness::AwaitsChanges => Readiness::AwaitsChanges,
        }))
    }

    async fn size(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
    ) -> Result<Option<u64>, StoreError> {
        let found = self.crm.segments().find(organization, segment).await?;
        Ok(found.map(|segment| u64::try_from(segment.member_count).unwrap_or_default()))
    }

    async fn members(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<AudienceMember>, StoreError> {
        let mut members = Vec::new();
        let mut after = after;
        while (members.len() as u64) < limit {
            let left = usize::try_from(limit - members.len() as u64).unwrap_or(usize::MAX);
            let size = PageSize::clamped(left);
            let page = self
                .crm
                .segments()
                .members(organization, segment, after, size)
                .await?;
            let ids: Vec<_> = page.items.iter().map(|member| member.contact_id).collect();
            let contacts = self.crm.contacts().find_many(organization, &ids).await?;
            members.extend(contacts.iter().map(|contact| AudienceMember {
                contact_id: contact.id(),
                address: contact.email().cloned(),
                do_not_contact: !contact.is_contactable(Channel::Email),
                timezone: timezone(contact),
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(members)
    }
}

fn text<'a>(contact: &'a Contact, alias: &str) -> Option<&'a str> {
    contact.value(alias).and_then(|value| value.as_text())
}

/// The zone the contact lives in, if it is known.
fn timezone(contact: &Contact) -> Option<TimeZoneName> {
    text(contact, "timezone").and_then(|zone| zone.parse().ok())
}

/// A contact as templates see it: every field by its alias.
fn recipient(contact: Contact) -> Recipient {
    let do_not_contact = !contact.is_contactable(Channel::Email);
    let locale = text(&contact, "preferred_locale").map(str::to_owned);
    let timezone = timezone(&contact);
    let parts = contact.into_parts();
    let mut fields: Map<String, Value> = match serde_json::to_value(&parts.fields) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("email".to_owned(), json!(parts.email));
    fields.insert("points".to_owned(), json!(parts.points));
    fields.insert("stage".to_owned(), json!(parts.stage));
    Recipient {
        contact_id: parts.id,
        address: parts.email,
        fields,
        do_not_contact,
        locale,
        timezone,
        owner_id: parts.owner,
        owner: None,
    }
}

/// Answers messaging's questions about organisations from Identity, and about their fields from the CRM.
pub(crate) struct Organizations {
    pub(crate) identity: Arc<dyn IdentityStore>,
    pub(crate) crm: Arc<dyn CrmStore>,
}

#[async_trait]
impl OrganizationDirectory for Organizations {
    async fn details(
        &self,
        organization: OrganizationId,
    ) -> Result<OrganizationDetails, StoreError> {
        let found = self.identity.organizations().find(organization).await?;
        let found = found.ok_or(StoreError::Missing {
            what: "organization",
        })?;
        Ok(OrganizationDetails {
            name: found.name.to_string(),
            address: found.postal_address.unwrap_or_default(),
            timezone: found.timezone,
        })
    }

    async fn contact_fields(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<String>, StoreError> {
        let custom = self.crm.fields().list_custom(organization).await?;
        let fields = FieldSet::with_custom(custom);
        let columns = ["stage".to_owned()];
        Ok(fields
            .iter()
            .map(|field| field.alias.to_string())
            .chain(columns)
            .collect())
    }
}

/// The zones of the organisations as they are this moment, for work that has to know a change at once.
pub(crate) struct PresentZones(pub(crate) Arc<dyn IdentityStore>);

#[async_trait]
impl Zones for PresentZones {
    async fn zone_of(&self, organization: OrganizationId) -> Result<TimeZoneName, StoreError> {
        let found = self.0.organizations().find(organization).await?;
        Ok(found.map_or_else(TimeZoneName::utc, |found| found.timezone))
    }
}

/// Answers the CRM's questions about who can be in charge of contacts: the members of the organisation who are not
/// blocked.
pub(crate) struct MembersAsOwners(pub(crate) Arc<dyn IdentityStore>);

#[async_trait]
impl Owners for MembersAsOwners {
    async fn find(
        &self,
        organization: OrganizationId,
        names: &[OwnerName],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let mut members = HashMap::new();
        let mut after = None;
        loop {
            let size = PageSize::clamped(usize::from(PageSize::MAX));
            let page = self.0.members().list(organization, after, size).await?;
            let acting = page
                .items
                .into_iter()
                .filter(|member| member.blocked_at.is_none() && member.blocked_here_at.is_none());
            for member in acting {
                members.insert(member.user_id.to_string(), member.user_id);
                members.insert(member.email.key(), member.user_id);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let found = names.iter().map(|name| members.get(&name.key()).copied());
        Ok(found.collect())
    }
}

/// Answers the CRM's questions about the emails that rules speak of. Rules name few.
pub(crate) struct MessagingNames(pub(crate) Arc<dyn MessagingStore>);

#[async_trait]
impl EmailNames for MessagingNames {
    async fn by_names(
        &self,
        organization: OrganizationId,
        names: &[String],
    ) -> Result<Vec<(EmailId, String)>, StoreError> {
        let mut found = Vec::new();
        for name in names.iter().filter_map(|name| name.parse().ok()) {
            found.extend(self.0.emails().find_named(organization, &name).await?);
        }
        Ok(found
            .into_iter()
            .map(|email| (email.id, email.name.to_string()))
            .collect())
    }

    async fn by_ids(
        &self,
        organization: OrganizationId,
        ids: &[EmailId],
    ) -> Result<Vec<(EmailId, String)>, StoreError> {
        let names = self.0.emails().names(organization, ids).await?;
        let names = names.into_iter();
        Ok(names.map(|(id, name)| (id, name.to_string())).collect())
    }
}
