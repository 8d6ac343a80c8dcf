use chrono::Days;
use mauntic_core::{
    Actor, Cause, ContactId, Envelope, OrganizationId, Page, PageSize, Permission, SegmentId,
    StoreError,
};

use super::{
    SegmentService,
    definitions::{told, users},
};
use crate::{
    CrmError, CrmUnitOfWork, EVENT_BATCH, audit,
    segment::{
        ContactAddedToSegment, ContactRemovedFromSegment, DayCount, Member, Origin, Segment,
    },
};

/// Most contacts that one call puts in or takes out.
const MAX_CONTACTS: usize = 10_000;

/// What binds a contact to a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentMembership {
    /// The segment.
    pub segment: Segment,
    /// How the contact came in, or that it was taken out by hand, and when.
    pub member: Member,
}

impl SegmentService {
    /// One page of the members of a segment, by contact.
    pub async fn members(
        &self,
        actor: &Actor,
        id: SegmentId,
        after: Option<ContactId>,
        size: PageSize,
    ) -> Result<Page<Member, ContactId>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        self.known(organization, id).await?;
        Ok(self
            .store
            .segments()
            .members(organization, id, after, size)
            .await?)
    }

    /// How many members a segment had on each of the last days, as far as that was noted, and has
    /// today; the earliest first. Days are those of UTC.
    pub async fn growth(
        &self,
        actor: &Actor,
        id: SegmentId,
        days: u16,
    ) -> Result<Vec<DayCount>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        let segment = self.known(organization, id).await?;
        let today = self.clock.now().date_naive();
        let since = today - Days::new(days.into());
        let segments = self.store.segments();
        let noted = segments.counts(organization, id, since).await?;
        let mut last = None;
        let mut noted = noted.into_iter().peekable();
        let mut growth = Vec::new();
        for day in since.iter_days().take_while(|day| *day < today) {
            while let Some(count) = noted.next_if(|count| count.day <= day) {
                last = Some(count.members);
            }
            growth.extend(last.map(|members| DayCount { day, members }));
        }
        growth.push(DayCount {
            day: today,
            members: segment.member_count,
        });
        Ok(growth)
    }

    /// The segments that a contact is in or was taken out of by hand, and why, by segment.
    pub async fn of_contact(
        &self,
        actor: &Actor,
        contact: ContactId,
    ) -> Result<Vec<SegmentMembership>, CrmError> {
        let organization = actor.require(Permission::SegmentsRead)?;
        if self
            .store
            .contacts()
            .find_many(organization, &[contact])
            .await?
            .is_empty()
        {
            return Err(CrmError::ContactNotFound(contact));
        }
        let mut memberships = Vec::new();
        for member in self
            .store
            .segments()
            .of_contact(organization, contact)
            .await?
        {
            if let Some(segment) = self
                .store
                .segments()
                .find(organization, member.segment_id)
                .await?
            {
                memberships.push(SegmentMembership { segment, member });
            }
        }
        Ok(memberships)
    }

    /// Puts contacts in by hand, whatever the rule says, and returns those that were not in before.
    /// Unknown contacts are left out.
    #[tracing::instrument(skip(self, actor, contacts), fields(contacts = contacts.len()))]
    pub async fn add(
        &self,
        actor: &Actor,
        id: SegmentId,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactId>, CrmError> {
        self.set_by_hand(actor, id, contacts, Origin::Added).await
    }

    /// Takes contacts out by hand, whatever the rule says, and returns those that were in before.
    /// Unknown contacts are left out.
    #[tracing::instrument(skip(self, actor, contacts), fields(contacts = contacts.len()))]
    pub async fn remove(
        &self,
        actor: &Actor,
        id: SegmentId,
        contacts: &[ContactId],
    ) -> Result<Vec<ContactId>, CrmError> {
        self.set_by_hand(actor, id, contacts, Origin::Removed).await
    }

    /// Does what follows when somebody left or joined mailing lists by themselves: it is as if they were taken out or
    /// put in by hand. `handler` has not dealt with the event before, or nothing happens. Segments that are gone, or are
    /// no mailing lists, are passed over.
    pub async fn apply_list_choice(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contact: ContactId,
        choices: &[(SegmentId, Origin)],
    ) -> Result<(), CrmError> {
        let organization = envelope.organization_id;
        let all = self.store.segments().all(organization).await?;
        let mut uow = self.store.begin().await?;
        if !uow
            .inbox()
            .first_time(handler, envelope.id, self.clock.now())
            .await?
        {
            return Ok(());
        }
        let Some(contact) = self.locked(&mut *uow, organization, contact).await? else {
            return Ok(uow.commit().await?);
        };
        for (id, origin) in choices {
            let is_list = |segment: &Segment| segment.id == *id && segment.list_name.is_some();
            if all.iter().any(is_list) {
                self.put(&mut *uow, organization, &all, *id, &[contact], *origin)
                    .await?;
            }
        }
        uow.commit().await?;
        Ok(())
    }

    /// Applies the organisation's zone to everybody anew, since days begin at another moment now.
    pub async fn apply_timezone(
        &self,
        handler: &'static str,
        envelope: &Envelope,
    ) -> Result<(), CrmError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        if !uow.inbox().first_time(handler, envelope.id, now).await? {
            return Ok(());
        }
        uow.segments()
            .queue_all_rebuilds(envelope.organization_id, now)
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// The contact that an id stands for, kept from being merged or deleted until the transaction ends.
    async fn locked(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        organization: OrganizationId,
        id: ContactId,
    ) -> Result<Option<ContactId>, StoreError> {
        // Before the contact, as whoever merges or deletes has it.
        uow.segments().enter_gate(organization).await?;
        let there = uow
            .contacts()
            .find_many_for_update(organization, &[id])
            .await?;
        if !there.is_empty() {
            return Ok(Some(id));
        }
        let contacts = self.store.contacts();
        let merged = contacts.merged_into(organization, &[id]).await?;
        Ok(merged.get(&id).copied())
    }

    async fn set_by_hand(
        &self,
        actor: &Actor,
        id: SegmentId,
        contacts: &[ContactId],
        origin: Origin,
    ) -> Result<Vec<ContactId>, CrmError> {
        let organization = actor.require(Permission::SegmentsWrite)?;
        if contacts.len() > MAX_CONTACTS {
            return Err(CrmError::TooMany { max: MAX_CONTACTS });
        }
        let all = self.store.segments().all(organization).await?;
        let mut uow = self.store.begin().await?;
        let put = self.put(&mut *uow, organization, &all, id, contacts, origin);
        let changed = match put.await {
            Err(StoreError::Missing { .. }) => return Err(CrmError::SegmentNotFound(id)),
            other => other?,
        };
        if !contacts.is_empty() {
            // Also who was in or out already is so by decision from now on.
            let action = match origin {
                Origin::Removed => "segment.members_removed",
                _ => "segment.members_added",
            };
            let (change, now) = (told(action, id).naming(contacts), self.clock.now());
            audit::tell(uow.outbox(), actor, change, now, &*self.ids).await?;
        }
        uow.commit().await?;
        Ok(changed)
    }

    /// Puts contacts in or takes them out within a transaction, and tells of it.
    pub(crate) async fn put(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        organization: OrganizationId,
        all: &[Segment],
        id: SegmentId,
        contacts: &[ContactId],
        origin: Origin,
    ) -> Result<Vec<ContactId>, StoreError> {
        let now = self.clock.now();
        let changed = uow
            .segments()
            .set_by_hand(organization, id, contacts, origin, now)
            .await?;
        if !users(all, id).is_empty() {
            uow.contacts()
                .mark_dirty(organization, &changed, now)
                .await?;
        }
        uow.outbox()
            .append(&self.told(organization, id, &changed, origin)?)
            .await?;
        Ok(changed)
    }

    fn told(
        &self,
        organization: OrganizationId,
        segment_id: SegmentId,
        changed: &[ContactId],
        origin: Origin,
    ) -> Result<Vec<Envelope>, StoreError> {
        let (now, ids, cause) = (self.clock.now(), &*self.ids, Cause::root(&*self.ids));
        let batches = changed.chunks(EVENT_BATCH).map(<[ContactId]>::to_vec);
        batches
            .map(|contacts| {
                if origin == Origin::Removed {
                    let event = ContactRemovedFromSegment {
                        segment_id,
                        ids: contacts,
                    };
                    Envelope::seal(organization, &event, now, ids, cause)
                } else {
                    let event = ContactAddedToSegment {
                        segment_id,
                        ids: contacts,
                    };
                    Envelope::seal(organization, &event, now, ids, cause)
                }
            })
            .collect()
    }
}
