use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;
use mauntic_core::{Clock, DeliveryId, IdSource, StoreError, WorkerId};
use tracing::{info, warn};

use super::{
    Counts, JobState, PlannedDelivery, SendJob, SkipReason, engine::report, tell::tell_maker,
};
use crate::{Audience, AudienceMember, MessagingStore, Readiness};

/// People in one transaction of a plan.
const PAGE: u64 = 5_000;
/// How long a send waits whose page could not be planned.
const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// How long a send waits whose segment is not up to date, before the next look.
const NEXT_LOOK: TimeDelta = TimeDelta::seconds(1);

/// What comes behind a page of an audience.
#[derive(Clone, Copy)]
enum Next {
    More,
    Nobody,
    /// The segment is gone.
    NoSegment,
}

/// Writes audiences to the ledger, page by page. Each page commits with the cursor and the counters,
/// so a plan that is cut off goes on where it was.
pub struct Planner {
    store: Arc<dyn MessagingStore>,
    audience: Arc<dyn Audience>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Planner {
    /// A planner over these ports.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        audience: Arc<dyn Audience>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            store,
            audience,
            clock,
            ids,
        }
    }

    /// Plans one page of one send that is due; `false` if there is none. Sends take turns. The first page waits until the
    /// segment is up to date as of the beginning of the send. A page that fails is tried again after a pause. In the
    /// meantime the other sends go on, and the send says why it waits.
    ///
    /// # Errors
    /// If the storage fails.
    pub async fn plan_page(&self, worker: WorkerId) -> Result<bool, StoreError> {
        let mut uow = self.store.begin().await?;
        let now = self.clock.now();
        let Some(job) = uow.sends().claim_job_to_plan(worker, now).await? else {
            return Ok(false);
        };
        uow.commit().await?;
        if let Err(error) = self.plan_one(&job).await {
            let error = report(&error);
            warn!(send.id = %job.id, error, "planning failed, to be tried again");
            self.postpone(&job, PAUSE, |job| job.stop_planning(&error))
                .await?;
        }
        Ok(true)
    }

    async fn plan_one(&self, job: &SendJob) -> Result<(), StoreError> {
        let Some(readiness) = self.readiness(job).await? else {
            return self.write(job, &[], &[], Next::NoSegment).await;
        };
        if let Some(reason) = readiness.reason() {
            let note = |job: &mut SendJob| job.wait_for_segment(reason);
            return self.postpone(job, NEXT_LOOK, note).await;
        }
        let members = self
            .audience
            .members(job.organization_id, job.segment_id, job.plan_cursor, PAGE)
            .await?;
        let next = self.next(job, &members).await?;
        let page = self.page(job, &members);
        self.write(job, &members, &page, next).await
    }

    /// Whether the segment is up to date, which is asked before the first page. `None` if it is gone.
    async fn readiness(&self, job: &SendJob) -> Result<Option<Readiness>, StoreError> {
        let (organization, segment) = (job.organization_id, job.segment_id);
        if job.plan_cursor.is_some() {
            let size = self.audience.size(organization, segment).await?;
            return Ok(size.map(|_| Readiness::Ready));
        }
        self.audience
            .readiness(organization, segment, job.begins_at())
            .await
    }

    /// What comes behind a page. A segment that is deleted while its members are read seems to end there.
    async fn next(&self, job: &SendJob, members: &[AudienceMember]) -> Result<Next, StoreError> {
        if members.len() as u64 >= PAGE {
            return Ok(Next::More);
        }
        let (organization, segment) = (job.organization_id, job.segment_id);
        let size = self.audience.size(organization, segment).await?;
        Ok(size.map_or(Next::NoSegment, |_| Next::Nobody))
    }

    /// Looks at the send again after a while; `note` has it say why, and whether that is news.
    async fn postpone(
        &self,
        job: &SendJob,
        pause: TimeDelta,
        note: impl FnOnce(&mut SendJob) -> bool + Send,
    ) -> Result<(), StoreError> {
        let mut uow = self.store.begin().await?;
        let until = self.clock.now() + pause;
        uow.sends().postpone_plan(&job.into(), until).await?;
        let stored = uow
            .sends()
            .find_job_for_update(job.organization_id, job.id)
            .await?;
        if let Some(mut stored) = stored.filter(|stored| stored.state == JobState::Planning)
            && note(&mut stored)
        {
            uow.sends().update_job(&stored).await?;
        }
        uow.commit().await
    }

    fn page(&self, job: &SendJob, members: &[AudienceMember]) -> Vec<PlannedDelivery> {
        let mut addresses = HashSet::with_capacity(members.len());
        // People are many, zones are few.
        let mut instants = HashMap::new();
        let mut not_before = |member: &AudienceMember| {
            let (local, zone) = (job.local_time.as_ref()?, member.timezone.as_ref());
            Some(
                *instants
                    .entry(zone.cloned())
                    .or_insert_with(|| local.instant_in(zone)),
            )
        };
        members
            .iter()
            .map(|member| {
                let skip = match &member.address {
                    _ if member.do_not_contact => Some(SkipReason::DoNotContact),
                    None => Some(SkipReason::MissingAddress),
                    Some(address) => {
                        (!addresses.insert(address.key())).then_some(SkipReason::DuplicateAddress)
                    }
                };
                PlannedDelivery {
                    id: DeliveryId::generate(&*self.ids),
                    contact_id: member.contact_id,
                    address: member.address.clone(),
                    skip,
                    not_before: not_before(member),
                }
            })
            .collect()
    }

    async fn write(
        &self,
        claimed: &SendJob,
        members: &[AudienceMember],
        page: &[PlannedDelivery],
        next: Next,
    ) -> Result<(), StoreError> {
        let mut uow = self.store.begin().await?;
        let now = self.clock.now();
        let current = uow
            .sends()
            .find_job_for_update(claimed.organization_id, claimed.id)
            .await?;
        // Paused, cancelled, or planned further by somebody else in the meantime.
        let Some(mut job) = current.filter(|job| {
            job.state == JobState::Planning && job.plan_cursor == claimed.plan_cursor
        }) else {
            return Ok(());
        };
        let counts = match page {
            [] => Counts::default(),
            page => uow.ledger().plan(&job, page, now).await?,
        };
        uow.sends().count(0, &counts, now).await?;
        if let Some(last) = members.last() {
            job.planned_up_to(Some(last.contact_id), now);
        }
        match next {
            Next::More => {}
            Next::Nobody => {
                job.planned_up_to(None, now);
                info!(send.id = %job.id, "the audience is planned");
            }
            Next::NoSegment => {
                job.lose_segment(now);
                // One that goes on without it says so when it is over.
                if job.state == JobState::Failed {
                    tell_maker(&mut *uow, &job, now, &*self.ids).await?;
                }
                warn!(send.id = %job.id, state = %job.state, "the segment of a send was deleted");
            }
        }
        uow.sends().update_job(&job).await?;
        uow.commit().await
    }
}
