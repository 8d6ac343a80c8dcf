//! What keeps memberships up to date: rebuilds, and checks of contacts that changed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use mauntic_core::{
    Cause, Clock, ContactId, DomainEvent, Envelope, IdSource, OrganizationId, SegmentId,
    StoreError, WorkerId, Zones,
};
use tracing::{info, warn};

use super::{
    Build, ClaimedRebuild, Condition, ContactAddedToSegment, ContactFacts,
    ContactRemovedFromSegment, EngagementKind, MembershipChanges, Segment, SegmentRebuilt, Today,
    service::users,
};
use crate::{CrmStore, CrmUnitOfWork, EVENT_BATCH, Field, FieldSet};

/// How long a worker may be silent before another goes on with its rebuild.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// How many contacts one transaction of a rebuild deals with.
const CHUNK: u64 = 500_000;
/// How many changes one transaction works off.
const BATCH: u64 = 2_000;
/// With more changes than this waiting, and not more segments than that, everybody is checked instead.
const BACKLOG: u64 = 50_000;
const SEGMENTS_TO_REBUILD: usize = 100;

/// Rebuilds segments that are due, and checks contacts that changed. Any number of workers may run on
/// one database.
pub struct SegmentWorker {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    zones: Arc<dyn Zones>,
    chunk: u64,
    ready: Mutex<HashMap<OrganizationId, Arc<Ready>>>,
}

/// The rules of an organisation, ready for one day; those that others ask for come first.
struct Ready {
    segments: Vec<(SegmentId, Condition)>,
    kinds: Vec<EngagementKind>,
    made_of: MadeOf,
}

/// What must still be the same for the rules to be used again.
#[derive(PartialEq)]
struct MadeOf {
    versions: Vec<(SegmentId, i64)>,
    fields: Vec<Field>,
    today: Today,
}

impl SegmentWorker {
    /// A worker over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn CrmStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        zones: Arc<dyn Zones>,
    ) -> Self {
        Self {
            store,
            clock,
            ids,
            zones,
            chunk: CHUNK,
            ready: Mutex::default(),
        }
    }

    /// The same worker with transactions over fewer contacts.
    #[must_use]
    pub fn with_chunk(mut self, contacts: u64) -> Self {
        self.chunk = contacts.max(1);
        self
    }

    /// Carries out the rebuild that is due first, if one is; `false` if none was.
    ///
    /// # Errors
    /// If the storage fails. The rebuild goes on where it was once the lease is over.
    pub async fn run_due_rebuilds(&self, worker: WorkerId) -> Result<bool, StoreError> {
        // A look is cheap; a transaction keeps SQLite's other writers waiting.
        if !self
            .store
            .segments()
            .has_due_rebuild(self.clock.now())
            .await?
        {
            return Ok(false);
        }
        let Some(claimed) = self.claim(worker, None).await? else {
            return Ok(false);
        };
        self.carry_out(worker, claimed).await?;
        Ok(true)
    }

    /// Carries out the rebuild of one segment, if it is due and no other worker has it.
    ///
    /// # Errors
    /// As [`SegmentWorker::run_due_rebuilds`].
    pub async fn rebuild(&self, worker: WorkerId, segment: SegmentId) -> Result<bool, StoreError> {
        let Some(claimed) = self.claim(worker, Some(segment)).await? else {
            return Ok(false);
        };
        self.carry_out(worker, claimed).await?;
        Ok(true)
    }

    /// Does what a worker does that is killed after the first transaction of a rebuild.
    #[cfg(feature = "testing")]
    pub(crate) async fn die_after_one_chunk(&self, worker: WorkerId) -> Result<bool, StoreError> {
        let Some(claimed) = self.claim(worker, None).await? else {
            return Ok(false);
        };
        let Some(build) = claimed.segment.build else {
            return Ok(false);
        };
        let condition = self.condition(&claimed, &build).await?;
        self.next_chunk(worker, &claimed, condition.as_ref(), build)
            .await?;
        Ok(true)
    }

    async fn claim(
        &self,
        worker: WorkerId,
        only: Option<SegmentId>,
    ) -> Result<Option<ClaimedRebuild>, StoreError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let claimed = uow
            .segments()
            .claim_rebuild(worker, now, now + LEASE, only)
            .await?;
        uow.commit().await?;
        Ok(claimed)
    }

    async fn carry_out(&self, worker: WorkerId, claimed: ClaimedRebuild) -> Result<(), StoreError> {
        let Some(mut build) = claimed.segment.build else {
            return Ok(());
        };
        let condition = self.condition(&claimed, &build).await?;
        while let Some(next) = self
            .next_chunk(worker, &claimed, condition.as_ref(), build)
            .await?
        {
            build = next;
        }
        Ok(())
    }

    /// The rule as of the start of the rebuild. A rule that does not suit the fields any more picks
    /// nobody; fields that rules read cannot be deleted, so that should not happen.
    async fn condition(
        &self,
        claimed: &ClaimedRebuild,
        build: &Build,
    ) -> Result<Option<Condition>, StoreError> {
        let Some(rule) = &claimed.segment.rule else {
            return Ok(None);
        };
        let zone = self.zones.zone_of(claimed.organization).await?;
        let custom = self
            .store
            .fields()
            .list_custom(claimed.organization)
            .await?;
        match rule.compile(
            &FieldSet::with_custom(custom),
            &Today::at(build.started_at, zone),
        ) {
            Ok(condition) => Ok(Some(condition)),
            Err(error) => {
                warn!(segment.id = %claimed.segment.id, %error, "the rule of a segment does not suit the fields");
                Ok(None)
            }
        }
    }

    /// Deals with the next contacts in one transaction; returns how far the rebuild is then, or
    /// `None` if it is over or another worker's.
    async fn next_chunk(
        &self,
        worker: WorkerId,
        claimed: &ClaimedRebuild,
        condition: Option<&Condition>,
        mut build: Build,
    ) -> Result<Option<Build>, StoreError> {
        let (organization, segment) = (claimed.organization, &claimed.segment);
        let mut uow = self.store.begin().await?;
        uow.segments().enter_gate(organization).await?;
        let lease_until = self.clock.now() + LEASE;
        if !uow
            .segments()
            .renew_lease(
                organization,
                segment.id,
                worker,
                build.started_at,
                lease_until,
            )
            .await?
        {
            return Ok(None);
        }
        let chunk = uow
            .segments()
            .rebuild_chunk(organization, segment.id, condition, &build, self.chunk)
            .await?;
        build.added += chunk.added;
        build.removed += chunk.removed;
        build.cursor = chunk.cursor;
        uow.segments()
            .save_build(organization, segment.id, Some(&build), None, None)
            .await?;
        if chunk.cursor.is_none() {
            self.finish(&mut *uow, claimed, &build).await?;
        }
        uow.commit().await?;
        Ok(chunk.cursor.is_some().then_some(build))
    }

    async fn finish(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        claimed: &ClaimedRebuild,
        build: &Build,
    ) -> Result<(), StoreError> {
        let (organization, segment) = (claimed.organization, &claimed.segment);
        let next = if segment.rule.as_ref().is_some_and(super::Rule::uses_time) {
            let zone = self.zones.zone_of(organization).await?;
            Some(Today::at(build.started_at, zone).end())
        } else {
            None
        };
        uow.segments()
            .save_build(organization, segment.id, None, Some(build.started_at), next)
            .await?;
        if build.added + build.removed > 0 {
            let all = uow.segments().all_for_update(organization).await?;
            let dependents: Vec<_> = users(&all, segment.id).iter().map(|user| user.id).collect();
            uow.segments()
                .queue_rebuilds(organization, &dependents, self.clock.now())
                .await?;
        }
        let event = SegmentRebuilt {
            segment_id: segment.id,
            started_at: build.started_at,
            added: build.added,
            removed: build.removed,
        };
        uow.outbox()
            .append(&[self.seal(organization, &event)?])
            .await?;
        info!(segment.id = %segment.id, added = build.added, removed = build.removed, "segment rebuilt");
        Ok(())
    }

    /// Notes for today (UTC) how many members every segment has. Call it now and then: what is noted
    /// last on a day stays.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn note_counts(&self) -> Result<(), StoreError> {
        let mut uow = self.store.begin().await?;
        uow.segments()
            .note_counts(self.clock.now().date_naive())
            .await?;
        uow.commit().await
    }

    /// Checks up to 2,000 changes against the rules of their organisation; `false` if there were none.
    ///
    /// # Errors
    /// If the storage fails; then the changes stay in the queue.
    pub async fn run_incremental(&self, _: WorkerId) -> Result<bool, StoreError> {
        if !self.store.segments().has_dirty().await? {
            return Ok(false);
        }
        let mut uow = self.store.begin().await?;
        let Some(organization) = uow.segments().dirtiest().await? else {
            return Ok(false);
        };
        uow.segments().enter_gate(organization).await?;
        let all = uow.segments().all_for_update(organization).await?;
        let ready = self.ready(&mut *uow, organization, &all).await?;
        if ready.segments.len() <= SEGMENTS_TO_REBUILD
            && uow.segments().has_more_dirty(organization, BACKLOG).await?
        {
            uow.segments().forget_dirty(organization).await?;
            let ids: Vec<_> = ready.segments.iter().map(|(id, _)| *id).collect();
            uow.segments()
                .queue_rebuilds(organization, &ids, self.clock.now())
                .await?;
            uow.commit().await?;
            return Ok(true);
        }
        let dirty = uow.segments().take_dirty(organization, BATCH).await?;
        if !ready.segments.is_empty() {
            let facts = uow
                .segments()
                .facts(organization, &dirty.contacts, &ready.kinds)
                .await?;
            let wanted = changes(&ready.segments, facts);
            let changes = uow
                .segments()
                .apply(organization, &wanted, self.clock.now())
                .await?;
            uow.outbox()
                .append(&self.told(organization, &changes)?)
                .await?;
        }
        uow.commit().await?;
        Ok(dirty.changes > 0)
    }

    async fn ready(
        &self,
        uow: &mut dyn CrmUnitOfWork,
        organization: OrganizationId,
        all: &[Segment],
    ) -> Result<Arc<Ready>, StoreError> {
        let zone = self.zones.zone_of(organization).await?;
        let with_rule: Vec<_> = all
            .iter()
            .filter(|segment| segment.rule.is_some())
            .collect();
        let made_of = MadeOf {
            versions: with_rule
                .iter()
                .map(|segment| (segment.id, segment.version))
                .collect(),
            fields: uow.fields().list_custom(organization).await?,
            today: Today::at(self.clock.now(), zone),
        };
        let known = self
            .ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&organization)
            .cloned();
        if let Some(known) = known.filter(|known| known.made_of == made_of) {
            return Ok(known);
        }
        let ready = Arc::new(make_ready(&with_rule, made_of));
        self.ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(organization, Arc::clone(&ready));
        Ok(ready)
    }

    fn told(
        &self,
        organization: OrganizationId,
        changes: &MembershipChanges,
    ) -> Result<Vec<Envelope>, StoreError> {
        let mut envelopes = Vec::new();
        for (segment_id, ids) in batches(&changes.added) {
            envelopes.push(self.seal(organization, &ContactAddedToSegment { segment_id, ids })?);
        }
        for (segment_id, ids) in batches(&changes.removed) {
            envelopes
                .push(self.seal(organization, &ContactRemovedFromSegment { segment_id, ids })?);
        }
        Ok(envelopes)
    }

    fn seal<E: DomainEvent>(
        &self,
        organization: OrganizationId,
        event: &E,
    ) -> Result<Envelope, StoreError> {
        let ids = &*self.ids;
        Envelope::seal(organization, event, self.clock.now(), ids, Cause::root(ids))
    }
}

fn make_ready(segments: &[&Segment], made_of: MadeOf) -> Ready {
    let fields = FieldSet::with_custom(made_of.fields.clone());
    let mut ready = Vec::new();
    for segment in dependencies_first(segments) {
        let compiled = segment
            .rule
            .as_ref()
            .map(|rule| rule.compile(&fields, &made_of.today));
        match compiled {
            Some(Ok(condition)) => ready.push((segment.id, condition)),
            Some(Err(error)) => {
                warn!(segment.id = %segment.id, %error, "the rule of a segment does not suit the fields");
            }
            None => {}
        }
    }
    let kinds: BTreeSet<_> = ready
        .iter()
        .flat_map(|(_, condition)| condition.engagement_kinds())
        .collect();
    Ready {
        segments: ready,
        kinds: kinds.into_iter().collect(),
        made_of,
    }
}

/// Segments in an order in which those that a rule asks for come before it.
fn dependencies_first<'a>(segments: &[&'a Segment]) -> Vec<&'a Segment> {
    let by_id: BTreeMap<SegmentId, &Segment> = segments
        .iter()
        .map(|segment| (segment.id, *segment))
        .collect();
    let mut ordered = Vec::with_capacity(segments.len());
    let mut seen = BTreeSet::new();
    for segment in segments {
        // Each is put on the stack twice: to look for what it asks for, and to come after that.
        let mut stack = vec![(*segment, false)];
        while let Some((segment, asked)) = stack.pop() {
            if asked {
                ordered.push(segment);
                continue;
            }
            if !seen.insert(segment.id) {
                continue;
            }
            stack.push((segment, true));
            let needs = segment
                .rule
                .as_ref()
                .map(super::Rule::segments)
                .unwrap_or_default();
            stack.extend(
                needs
                    .iter()
                    .filter_map(|id| by_id.get(id))
                    .map(|segment| (*segment, false)),
            );
        }
    }
    ordered
}

/// What the rules say of contacts, where that is not how it is. What is decided for one segment holds
/// for those that ask for it.
fn changes(segments: &[(SegmentId, Condition)], contacts: Vec<ContactFacts>) -> MembershipChanges {
    let mut changes = MembershipChanges::default();
    for mut facts in contacts {
        let contact = facts.contact().id();
        for (segment, condition) in segments {
            if facts.by_hand.contains(segment) {
                continue;
            }
            match (condition.holds(&facts), facts.segments.contains(segment)) {
                (true, false) => {
                    changes.added.push((*segment, contact));
                    facts.segments.insert(*segment);
                }
                (false, true) => {
                    changes.removed.push((*segment, contact));
                    facts.segments.remove(segment);
                }
                _ => {}
            }
        }
    }
    changes
}

/// The contacts of each segment, in as many batches as events may have.
fn batches(pairs: &[(SegmentId, ContactId)]) -> Vec<(SegmentId, Vec<ContactId>)> {
    let mut by_segment: BTreeMap<SegmentId, Vec<ContactId>> = BTreeMap::new();
    for (segment, contact) in pairs {
        by_segment.entry(*segment).or_default().push(*contact);
    }
    let batches = by_segment.into_iter().flat_map(|(segment, contacts)| {
        contacts
            .chunks(EVENT_BATCH)
            .map(|batch| (segment, batch.to_vec()))
            .collect::<Vec<_>>()
    });
    batches.collect()
}
