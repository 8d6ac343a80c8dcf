use std::collections::BTreeMap;

use mauntic_core::{Actor, ContactId, OrganizationId, Permission, StoreError};
use serde_json::{Value as Json, json};

use super::{
    ContactService,
    apply::{settle, unchanged},
    batch::retried,
};
use crate::{Contact, ContactMerged, CrmError};

impl ContactService {
    /// Makes one contact of two records of the same person, and returns it: `id` stays and takes over what is known of
    /// `other` (see [`Contact::absorb`]), also its history, engagement and memberships by hand; `other` is gone, and
    /// its id leads to the one that stayed.
    ///
    /// # Errors
    /// Needs [`Permission::ContactsWrite`] and [`Permission::ContactsDelete`]. [`CrmError::SameContact`],
    /// [`CrmError::ContactNotFound`].
    #[tracing::instrument(skip_all)]
    pub async fn merge(
        &self,
        actor: &Actor,
        id: ContactId,
        other: ContactId,
    ) -> Result<Contact, CrmError> {
        actor.require(Permission::ContactsWrite)?;
        actor.require(Permission::ContactsDelete)?;
        if id == other {
            return Err(CrmError::SameContact(id));
        }
        retried!(self.try_merge(actor, id, other))
    }

    async fn try_merge(
        &self,
        actor: &Actor,
        id: ContactId,
        other: ContactId,
    ) -> Result<Contact, CrmError> {
        let organization = actor.organization_id();
        let fields = self.fields(organization).await?;
        let writing = self.writing(actor, &fields);
        let mut uow = self.store.begin().await?;
        let found = uow
            .contacts()
            .find_many_for_update(organization, &[id, other])
            .await?;
        let mut found: BTreeMap<_, _> = found
            .into_iter()
            .map(|contact| (contact.id(), contact))
            .collect();
        let mut take = |id| found.remove(&id).ok_or(CrmError::ContactNotFound(id));
        let (mut kept, merged) = (unchanged(take(id)?), take(other)?);
        kept.contact.absorb(&merged, &mut kept.changes);
        let who = json!({"id": other, "email": merged.email()});
        kept.changes.note("merged", Json::Null, who);
        uow.contacts()
            .move_to(organization, other, id, writing.now)
            .await?;
        uow.contacts().delete_many(organization, &[other]).await?;
        let mut changed = writing.finish([kept].into_iter());
        let contact = changed[0].contact.clone();
        let refused = writing
            .update(&mut *uow, std::mem::take(&mut changed))
            .await?;
        // Addresses and unique values were one of the two's.
        let contact = settle(contact, &refused)?;
        let event = ContactMerged {
            id,
            merged_id: other,
        };
        uow.outbox().append(&[writing.seal(&event)?]).await?;
        uow.commit().await?;
        Ok(contact)
    }

    /// The contacts that ids stand for now: those that were merged stand for the ones that stayed.
    pub(super) async fn as_merged(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<ContactId>, StoreError> {
        let merged = self.store.contacts().merged_into(organization, ids).await?;
        let mut ids: Vec<_> = ids.iter().map(|id| *merged.get(id).unwrap_or(id)).collect();
        // In one order, so that two events about the same people do not wait for each other.
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}
