//! What messaging asks of whoever knows the contacts, answered by the CRM.

use async_trait::async_trait;
use mauntic_core::{Actor, ContactId, OrganizationId, PageSize, SegmentId, StoreError};
use mauntic_crm::{
    Channel, Contact, ContactService, CrmError, FieldService, MAX_BATCH, segment::SegmentService,
};
use mauntic_messaging::{
    Audience, AudienceMember, ContactDirectory, OrganizationDirectory, Recipient,
    content::OrganizationDetails,
};

/// The readers, as messaging sees them.
pub(crate) struct Readers {
    pub(crate) me: Actor,
    pub(crate) fields: FieldService,
    pub(crate) contacts: ContactService,
    pub(crate) segments: SegmentService,
}

#[async_trait]
impl Audience for Readers {
    async fn size(&self, _: OrganizationId, segment: SegmentId) -> Result<Option<u64>, StoreError> {
        match self.segments.find(&self.me, segment).await {
            Ok(segment) => Ok(Some(segment.member_count.unsigned_abs())),
            Err(CrmError::SegmentNotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn members(
        &self,
        _: OrganizationId,
        segment: SegmentId,
        mut after: Option<ContactId>,
        limit: u64,
    ) -> Result<Vec<AudienceMember>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut members = Vec::new();
        while members.len() < limit {
            let size = PageSize::clamped((limit - members.len()).min(MAX_BATCH));
            let page = self.segments.members(&self.me, segment, after, size).await;
            let page = page.map_err(unavailable)?;
            let ids: Vec<_> = page.items.iter().map(|member| member.contact_id).collect();
            let contacts = self
                .contacts
                .find_many(&self.me, &ids)
                .await
                .map_err(unavailable)?;
            members.extend(contacts.iter().map(member));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(members)
    }
}

#[async_trait]
impl ContactDirectory for Readers {
    async fn recipients(
        &self,
        _: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<Recipient>, StoreError> {
        let contacts = self
            .contacts
            .find_many(&self.me, ids)
            .await
            .map_err(unavailable)?;
        contacts.iter().map(recipient).collect()
    }
}

#[async_trait]
impl OrganizationDirectory for Readers {
    async fn details(&self, _: OrganizationId) -> Result<OrganizationDetails, StoreError> {
        Ok(OrganizationDetails {
            name: "The News".to_owned(),
            address: "1 Printer's Lane, Example City".to_owned(),
            timezone: "Europe/Berlin".parse().unwrap_or_default(),
        })
    }

    async fn contact_fields(&self, _: OrganizationId) -> Result<Vec<String>, StoreError> {
        let fields = self.fields.list(&self.me).await.map_err(unavailable)?;
        Ok(fields.iter().map(|field| field.alias.to_string()).collect())
    }
}

fn member(contact: &Contact) -> AudienceMember {
    AudienceMember {
        contact_id: contact.id(),
        address: contact.email().cloned(),
        do_not_contact: !contact.is_contactable(Channel::Email),
        timezone: None,
    }
}

fn recipient(contact: &Contact) -> Result<Recipient, StoreError> {
    let values = contact.parts().fields.iter().map(|(alias, value)| {
        let value = serde_json::to_value(value).map_err(StoreError::backend)?;
        Ok((alias.to_string(), value))
    });
    Ok(Recipient {
        contact_id: contact.id(),
        address: contact.email().cloned(),
        fields: values.collect::<Result<_, StoreError>>()?,
        do_not_contact: !contact.is_contactable(Channel::Email),
        locale: None,
        timezone: None,
        owner_id: None,
        owner: None,
    })
}

/// For messaging it does not matter why.
fn unavailable(error: CrmError) -> StoreError {
    StoreError::backend(error)
}
