use std::collections::BTreeSet;

use mauntic_core::{Cause, ContactId, DomainEvent, Envelope, SegmentId, StoreError};

use super::{
    apply::{Applied, Applier},
    batch::Batch,
};
use crate::{
    Channel, ConsentChanged, ContactCreated, ContactUpdated, CrmUnitOfWork, EVENT_BATCH, Reason,
    Tag,
    segment::{ContactAddedToSegment, Facets, Origin},
};

/// Imports of fewer bytes have segments follow each contact; larger ones have segments rebuilt at the end.
pub(crate) const FOLLOWED_BYTES: u64 = 2 * 1024 * 1024;

impl Applier<'_> {
    /// Whatever follows from the changes, in the same transaction.
    pub(super) async fn tell(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        batch: &Batch,
        applied: &Applied,
    ) -> Result<(), StoreError> {
        let organization = self.rules.import.organization_id;
        let options = &self.rules.import.plan.options;
        let tags: BTreeSet<&Tag> = batch
            .rows
            .iter()
            .flat_map(|row| &row.row.tags)
            .chain(&options.tags)
            .collect();
        let tags: Vec<Tag> = tags.into_iter().cloned().collect();
        uow.tags().add(organization, &tags, self.rules.now).await?;
        let mut events = self.events(applied)?;
        let facets = Facets::changed(applied.changed_names.iter().map(String::as_str));
        let created = applied.created.iter().map(|id| (*id, Facets::All));
        let updated = applied.updated.iter().map(|id| (*id, facets.clone()));
        let mut changed: Vec<_> = created.chain(updated).collect();
        if let Some(segment) = options.segment {
            let all = [&applied.created[..], &applied.updated, &applied.unchanged].concat();
            let added = uow
                .segments()
                .set_by_hand(organization, segment, &all, Origin::Added, self.rules.now)
                .await?;
            events.extend(self.added_to_segment(segment, &added)?);
            let facets = Facets::membership(segment);
            changed.extend(added.iter().map(|id| (*id, facets.clone())));
        }
        if self.rules.import.plan.bytes < FOLLOWED_BYTES {
            uow.contacts()
                .mark_dirty(organization, &changed, self.rules.now)
                .await?;
        }
        uow.outbox().append(&events).await
    }

    fn added_to_segment(
        &self,
        segment: SegmentId,
        contacts: &[ContactId],
    ) -> Result<Vec<Envelope>, StoreError> {
        let events = contacts.chunks(EVENT_BATCH).map(|ids| {
            self.seal(&ContactAddedToSegment {
                segment_id: segment,
                ids: ids.to_vec(),
            })
        });
        events.collect()
    }

    fn seal<E: DomainEvent>(&self, event: &E) -> Result<Envelope, StoreError> {
        let cause = Cause {
            correlation_id: self.rules.import.id.as_uuid(),
            causation_id: None,
        };
        let organization = self.rules.import.organization_id;
        Envelope::seal(organization, event, self.rules.now, self.rules.ids, cause)
    }

    fn events(&self, applied: &Applied) -> Result<Vec<Envelope>, StoreError> {
        let source = self.rules.import.origin();
        let mut events = Vec::new();
        for ids in applied.created.chunks(EVENT_BATCH) {
            let (ids, source) = (ids.to_vec(), source.clone());
            events.push(self.seal(&ContactCreated { ids, source })?);
        }
        for ids in applied.updated.chunks(EVENT_BATCH) {
            events.push(self.seal(&ContactUpdated {
                ids: ids.to_vec(),
                changed: applied.changed_names.clone(),
                source: source.clone(),
            })?);
        }
        for (all, reason) in [
            (&applied.forbidden, Some(Reason::Manual)),
            (&applied.allowed, None),
        ] {
            for ids in all.chunks(EVENT_BATCH) {
                events.push(self.seal(&ConsentChanged {
                    ids: ids.to_vec(),
                    channel: Channel::Email,
                    reason,
                    source: source.clone(),
                })?);
            }
        }
        Ok(events)
    }
}
