use std::collections::{BTreeMap, BTreeSet};

use mauntic_core::{Actor, ContactId, OrganizationId, Permission, StoreError};
use serde_json::{Value as Json, json};

use super::{
    ContactService,
    apply::{settle, unchanged},
    batch::{Writing, retried},
};
use crate::{
    Contact, ContactMerged, CrmError, audit,
    segment::{ContactAddedToSegment, ContactRemovedFromSegment, Origin},
};

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
        let writing = Writing {
            // It is told of as a whole.
            audited: None,
            ..self.writing(actor, &fields)
        };
        let mut uow = self.store.begin().await?;
        // Before the contacts, as whoever deletes some has it.
        uow.segments().enter_gate(organization).await?;
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
        let moved = uow
            .contacts()
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
        let mut events = vec![writing.seal(&event)?];
        for (segment_id, origin) in moved {
            let ids = vec![id];
            events.push(if origin == Origin::Removed {
                writing.seal(&ContactRemovedFromSegment { segment_id, ids })?
            } else {
                writing.seal(&ContactAddedToSegment { segment_id, ids })?
            });
        }
        uow.outbox().append(&events).await?;
        let change = audit::Change::new("contact.merged", audit::Subject::new("contact", id))
            .to(json!({"merged": other}));
        audit::tell(uow.outbox(), actor, change, writing.now, &*self.ids).await?;
        uow.commit().await?;
        Ok(contact)
    }

    /// The contacts that stayed when those with these ids were merged into them, in order; none for ids that never were.
    pub(super) async fn as_merged(
        &self,
        organization: OrganizationId,
        ids: &[ContactId],
    ) -> Result<Vec<ContactId>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let merged = self.store.contacts().merged_into(organization, ids).await?;
        let stayed: BTreeSet<_> = merged.into_values().collect();
        Ok(stayed.into_iter().collect())
    }
}
