use std::ops::Bound;

use chrono::TimeDelta;
use mauntic_core::{CLOSED, Cause, ContactId, Envelope, PageSize, Principal, StoreError, WorkerId};
use serde_json::Value as Json;
use tracing::info;

use super::{
    BulkService, Change, ContactPatch,
    batch::{Writing, retried},
    contacts::Results,
};
use crate::{
    ChangeSet, Contact, ContactCursor, ContactListing, CrmError, CrmUnitOfWork, DoNotContact,
    FieldSet, ParseContext, Reason,
    bulk::{BulkAction, BulkChange, BulkChangeEnded, BulkState, Whom},
    segment::{Origin, Segment},
};

/// How long a worker may be silent before another takes its change.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Works through changes of many.
pub(super) struct BulkRunner<'a> {
    pub(super) service: &'a BulkService,
    pub(super) worker: WorkerId,
}

/// Whose turn is next, and whether nobody comes behind them.
struct Turn {
    ids: Vec<ContactId>,
    last: bool,
}

impl BulkRunner<'_> {
    /// Takes a change that waits and works on it until it ends or is taken away.
    pub(super) async fn run(&self, stop: &(dyn Fn() -> bool + Sync)) -> Result<bool, CrmError> {
        let contacts = &self.service.contacts;
        let now = contacts.clock.now();
        if !contacts.store.bulk().has_waiting(now).await? {
            return Ok(false);
        }
        let mut uow = contacts.store.begin().await?;
        let claimed = uow.bulk().claim(self.worker, now, now + LEASE).await?;
        uow.commit().await?;
        let Some(mut change) = claimed else {
            return Ok(false);
        };
        info!(bulk_change.id = %change.id, done = change.done, "a change of many goes on");
        loop {
            if stop() {
                change.lease = Some((self.worker, contacts.clock.now()));
                self.save(&change).await?;
                return Ok(true);
            }
            let standing = &self.service.standing;
            if !standing.is_active(change.organization_id).await? {
                info!(bulk_change.id = %change.id, "a change of many is paused: its organisation is blocked or to be deleted");
                change.state = BulkState::Paused;
                change.problem.get_or_insert_with(|| CLOSED.to_owned());
                change.lease = None;
                self.save(&change).await?;
                return Ok(true);
            }
            change = match self.step(&change).await {
                Ok(Some(next)) if next.state == BulkState::Running => next,
                // It has ended, or is not ours any more.
                Ok(_) => return Ok(true),
                Err(CrmError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    change.state = BulkState::Failed;
                    change.problem = Some(error.to_string());
                    change.finished_at = Some(contacts.clock.now());
                    self.save(&change).await?;
                    return Ok(true);
                }
            };
        }
    }

    async fn save(&self, change: &BulkChange) -> Result<(), StoreError> {
        let mut uow = self.service.contacts.store.begin().await?;
        if uow.bulk().save_progress(change, self.worker).await?
            && matches!(change.state, BulkState::Paused | BulkState::Failed)
        {
            self.tell_end(&mut *uow, change).await?;
        }
        uow.commit().await
    }

    /// Tells whoever asked for a change that it has ended, or stands still by itself now. Of what the system changes,
    /// nobody is told.
    async fn tell_end(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        change: &BulkChange,
    ) -> Result<(), StoreError> {
        let actor = change.plan.actor;
        if actor == Principal::System {
            return Ok(());
        }
        let ended = BulkChangeEnded {
            bulk_change_id: change.id,
            action: change.plan.action.clone(),
            state: change.state,
            done: change.done,
            refused: change.refused,
            problem: change.problem.clone(),
            actor,
        };
        let contacts = &self.service.contacts;
        let (now, ids) = (contacts.clock.now(), &*contacts.ids);
        let organization = change.organization_id;
        let envelope = Envelope::seal(organization, &ended, now, ids, Cause::root(ids))?;
        uow.outbox().append(&[envelope]).await
    }

    async fn step(&self, change: &BulkChange) -> Result<Option<BulkChange>, CrmError> {
        let contacts = &self.service.contacts;
        let organization = change.organization_id;
        let turn = self.turn(change).await?;
        let fields = contacts.fields(organization).await?;
        let patch = self.patch(change, &fields).await?;
        let all = match change.plan.action {
            BulkAction::AddToSegment { .. } | BulkAction::RemoveFromSegment { .. } => {
                contacts.store.segments().all(organization).await?
            }
            _ => Vec::new(),
        };
        let writing = Writing {
            organization,
            principal: change.plan.actor,
            source: change.source(),
            now: contacts.clock.now(),
            cause: Cause::root(&*contacts.ids),
            ids: &*contacts.ids,
            fields: &fields,
            strangers: contacts.strangers(organization, &[&patch]).await?,
            // It was told of when somebody asked for it.
            audited: None,
        };
        retried!(self.take(&writing, change, &turn, &patch, &all))
    }

    /// The next contacts, by id.
    async fn turn(&self, change: &BulkChange) -> Result<Turn, CrmError> {
        let size = self.service.batch;
        match &change.plan.whom {
            Whom::Chosen(ids) => {
                let start = change.cursor.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = ids.range((start, Bound::Unbounded));
                let ids: Vec<_> = rest.take(size).copied().collect();
                Ok(Turn {
                    last: ids.len() < size,
                    ids,
                })
            }
            Whom::All(filter) => {
                let listing = ContactListing {
                    filter: filter.clone(),
                    after: change.cursor.map(ContactCursor::behind_id),
                    size: PageSize::clamped(size),
                    ..ContactListing::default()
                };
                let contacts = self.service.contacts.store.contacts();
                let page = contacts.list(change.organization_id, &listing).await?;
                // Ids sort by time: who has a later one than the change was added later.
                let found = page.items.len();
                let ids = page.items.iter().map(Contact::id);
                let ids = ids.take_while(|id| id.as_uuid() < change.id.as_uuid());
                let ids: Vec<_> = ids.collect();
                Ok(Turn {
                    last: page.next.is_none() || ids.len() < found,
                    ids,
                })
            }
        }
    }

    /// What the change does to a contact, if that can be said by a patch.
    async fn patch(
        &self,
        change: &BulkChange,
        fields: &FieldSet,
    ) -> Result<ContactPatch, CrmError> {
        match &change.plan.action {
            BulkAction::Tags { add, remove } => Ok(ContactPatch {
                add_tags: add.clone(),
                remove_tags: remove.clone(),
                ..ContactPatch::default()
            }),
            BulkAction::SetField { field, value } => {
                let zones = &self.service.contacts.zones;
                let context = ParseContext {
                    zone: zones.zone_of(change.organization_id).await?,
                    ..ParseContext::default()
                };
                let value = Json::String(value.clone());
                ContactPatch::from_json(fields, [(field.as_str(), &value)], &context)
                    .map_err(CrmError::InvalidFields)
            }
            BulkAction::SetOwner { owner } => Ok(ContactPatch {
                owner: Change::to(*owner),
                ..ContactPatch::default()
            }),
            BulkAction::SetStage { stage } => Ok(ContactPatch {
                stage: Change::to(stage.clone()),
                ..ContactPatch::default()
            }),
            _ => Ok(ContactPatch::default()),
        }
    }

    /// Changes them and notes that they had their turn, in one transaction; `None` if the change is not ours any more.
    async fn take(
        &self,
        writing: &Writing<'_>,
        change: &BulkChange,
        turn: &Turn,
        patch: &ContactPatch,
        all: &[Segment],
    ) -> Result<Option<BulkChange>, CrmError> {
        let mut uow = self.service.contacts.store.begin().await?;
        let refusals = if turn.ids.is_empty() {
            Vec::new()
        } else {
            self.act(&mut *uow, writing, change, &turn.ids, patch, all)
                .await?
        };
        let mut next = change.clone();
        next.done += turn.ids.len() as u64;
        next.refused += refusals.len() as u64;
        next.problem = next
            .problem
            .or_else(|| refusals.first().map(ToString::to_string));
        next.cursor = turn.ids.last().copied().or(next.cursor);
        next.lease = Some((self.worker, writing.now + LEASE));
        if turn.last {
            next.state = BulkState::Completed;
            next.finished_at = Some(writing.now);
        }
        if !uow.bulk().save_progress(&next, self.worker).await? {
            return Ok(None);
        }
        if turn.last {
            self.tell_end(&mut *uow, &next).await?;
        }
        uow.commit().await?;
        Ok(Some(next))
    }

    /// Changes them, and returns why some could not be.
    async fn act(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        writing: &Writing<'_>,
        change: &BulkChange,
        ids: &[ContactId],
        patch: &ContactPatch,
        all: &[Segment],
    ) -> Result<Vec<CrmError>, CrmError> {
        let results: Results<Contact> = match &change.plan.action {
            BulkAction::Tags { .. }
            | BulkAction::SetField { .. }
            | BulkAction::SetOwner { .. }
            | BulkAction::SetStage { .. } => {
                let owner = match &change.plan.whom {
                    Whom::All(filter) => filter.owner,
                    Whom::Chosen(_) => None,
                };
                let edit = |_, contact: &mut Contact, changes: &mut ChangeSet| {
                    // Somebody else was put in charge since the filter was asked.
                    if owner.is_some() && contact.parts().owner != owner {
                        return Ok(());
                    }
                    let applied = patch.apply(contact, writing, changes);
                    applied.map_err(CrmError::InvalidFields)
                };
                writing.edit_within(uow, ids, &edit).await?
            }
            BulkAction::DoNotContact { channel, comment } => {
                let mark = DoNotContact {
                    channel: *channel,
                    reason: Reason::Manual,
                    source: writing.source.clone(),
                    comment: comment.clone(),
                    at: writing.now,
                };
                let edit = |_, contact: &mut Contact, changes: &mut ChangeSet| {
                    contact.forbid(mark.clone(), changes);
                    Ok(())
                };
                writing.edit_within(uow, ids, &edit).await?
            }
            BulkAction::Delete => {
                writing.delete(uow, ids).await?;
                Vec::new()
            }
            BulkAction::AddToSegment { segment } | BulkAction::RemoveFromSegment { segment } => {
                let origin = match change.plan.action {
                    BulkAction::AddToSegment { .. } => Origin::Added,
                    _ => Origin::Removed,
                };
                let segments = &self.service.segments;
                let put = segments.put(uow, writing.organization, all, *segment, ids, origin);
                match put.await {
                    Err(StoreError::Missing { .. }) => {
                        return Err(CrmError::SegmentNotFound(*segment));
                    }
                    done => done?,
                };
                Vec::new()
            }
        };
        Ok(results.into_iter().filter_map(Result::err).collect())
    }
}
