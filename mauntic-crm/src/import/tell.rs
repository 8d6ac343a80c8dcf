use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{
    Cause, ContactId, DomainEvent, Envelope, IdSource, Principal, SegmentId, StoreError,
};

use super::{
    Import, ImportEnded,
    apply::{Applied, Applier},
    batch::Batch,
};
use crate::{
    ConsentChanged, ContactCreated, ContactUpdated, CrmUnitOfWork, EVENT_BATCH, Tag,
    segment::{ContactAddedToSegment, Origin},
};

/// Imports of fewer bytes have segments follow each contact; larger ones have segments rebuilt when they end or stand
/// still.
const FOLLOWED_BYTES: u64 = 2 * 1024 * 1024;

impl Import {
    /// Whether segments follow each contact while it goes on.
    fn is_followed(&self) -> bool {
        self.plan.bytes < FOLLOWED_BYTES
    }
}

/// Has segments rebuilt if they did not follow an import, which has ended or stands still now.
pub(super) async fn queue_rebuilds(
    uow: &mut dyn CrmUnitOfWork,
    import: &Import,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if import.is_followed() {
        return Ok(());
    }
    uow.segments()
        .queue_all_rebuilds(import.organization_id, now)
        .await
}

/// Tells whoever asked for an import that it has ended, or stands still by itself now. Of what the operator imports,
/// nobody is told.
pub(super) async fn tell_end(
    uow: &mut dyn CrmUnitOfWork,
    import: &Import,
    now: DateTime<Utc>,
    ids: &dyn IdSource,
) -> Result<(), StoreError> {
    let actor = import.plan.actor;
    if actor == Principal::System {
        return Ok(());
    }
    let ended = ImportEnded {
        import_id: import.id,
        name: import.plan.name.clone(),
        state: import.state,
        counts: import.counts,
        error: import.error.clone(),
        actor,
    };
    let cause = Cause {
        correlation_id: import.id.as_uuid(),
        causation_id: None,
    };
    let envelope = Envelope::seal(import.organization_id, &ended, now, ids, cause)?;
    uow.outbox().append(&[envelope]).await
}

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
        if let Some(segment) = options.segment {
            let all = [&applied.created[..], &applied.updated, &applied.unchanged].concat();
            let added = uow
                .segments()
                .set_by_hand(organization, segment, &all, Origin::Added, self.rules.now)
                .await?;
            events.extend(self.added_to_segment(segment, &added)?);
        }
        if self.rules.import.is_followed() {
            let changed = [&applied.created[..], &applied.updated].concat();
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
        for ((channel, reason), all) in &applied.consent {
            for ids in all.chunks(EVENT_BATCH) {
                events.push(self.seal(&ConsentChanged {
                    ids: ids.to_vec(),
                    channel: *channel,
                    reason: *reason,
                    source: source.clone(),
                })?);
            }
        }
        Ok(events)
    }
}
