use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, DeliveryId, EmailAddress, EmailId, OrganizationId, Page, PageSize, SegmentId,
    SendJobId, StoreError, WorkerId,
};

use super::{
    Counts, Delivery, DeliveryState, JobState, Lane, Outcome, Rate, SendJob, SkipReason, Tally,
    Waiting,
};

/// Sends and their deliveries, as committed.
#[async_trait]
pub trait SendQueries: Send + Sync {
    /// The send, if the organisation has it.
    async fn find_job(
        &self,
        organization: OrganizationId,
        id: SendJobId,
    ) -> Result<Option<SendJob>, StoreError>;

    /// The organisation's sends, the newest first, of one email if one is given.
    async fn list_jobs(
        &self,
        organization: OrganizationId,
        email: Option<EmailId>,
        after: Option<SendJobId>,
        size: PageSize,
    ) -> Result<Page<SendJob, SendJobId>, StoreError>;

    /// Which of the contacts got the email, or are getting it. One query, however many they are.
    async fn already_sent(
        &self,
        organization: OrganizationId,
        email: EmailId,
        contacts: &[ContactId],
    ) -> Result<HashSet<ContactId>, StoreError>;

    /// The counters of sends. One query, however many they are; those that counted nothing yet are left out.
    async fn tallies(
        &self,
        organization: OrganizationId,
        jobs: &[SendJobId],
    ) -> Result<HashMap<SendJobId, Tally>, StoreError>;

    /// The counters of a send.
    async fn tally(
        &self,
        organization: OrganizationId,
        job: SendJobId,
    ) -> Result<Tally, StoreError> {
        let mut tallies = self.tallies(organization, &[job]).await?;
        Ok(tallies.remove(&job).unwrap_or_default())
    }

    /// Up to a page of the organisation's sends that are not over, those due first in front.
    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<SendJob>, StoreError>;

    /// The sends to a segment that are not over, the oldest first.
    async fn unfinished_to(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
    ) -> Result<Vec<SendJob>, StoreError>;

    /// The first and the last time before which deliveries of a send that wait are not tried; `None` if none waits.
    async fn waiting(
        &self,
        organization: OrganizationId,
        job: SendJobId,
    ) -> Result<Option<Waiting>, StoreError>;

    /// The deliveries of a send in the order of their ids, those in one state if one is given.
    async fn list_deliveries(
        &self,
        organization: OrganizationId,
        job: SendJobId,
        state: Option<DeliveryState>,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError>;

    /// A delivery, if the organisation has it.
    async fn find_delivery(
        &self,
        organization: OrganizationId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError>;

    /// Sends of all organisations that are in the state and not finished, the oldest first.
    async fn open_jobs(&self, states: &[JobState]) -> Result<Vec<SendJob>, StoreError>;
}

/// Changes sends.
#[async_trait]
pub trait SendRepository: Send {
    /// Adds a send.
    async fn insert_job(&mut self, job: &SendJob) -> Result<(), StoreError>;

    /// The send, if the organisation has it; nobody else changes it until the transaction ends.
    async fn find_job_for_update(
        &mut self,
        organization: OrganizationId,
        id: SendJobId,
    ) -> Result<Option<SendJob>, StoreError>;

    /// Replaces a stored send; an unknown one is [`StoreError::Missing`].
    async fn update_job(&mut self, job: &SendJob) -> Result<(), StoreError>;

    /// Gives the worker one send to plan that is due and that no living worker plans; others skip it. Sends take
    /// turns: it is the one that was claimed or postponed longest ago.
    async fn claim_job_to_plan(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
    ) -> Result<Option<SendJob>, StoreError>;

    /// Gives a send to no worker for planning before that instant.
    async fn postpone_plan(
        &mut self,
        job: &SendJobRef,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Changes the counters of sends and domains, and those of the hour for what was accepted and refused. Changes with
    /// different shards do not wait for each other, those with the same in one order.
    async fn count(
        &mut self,
        shard: i16,
        by: &Counts,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

/// Names a send for set-based work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendJobRef {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The send.
    pub id: SendJobId,
}

impl From<&SendJob> for SendJobRef {
    fn from(job: &SendJob) -> Self {
        Self {
            organization_id: job.organization_id,
            id: job.id,
        }
    }
}

/// Names a delivery for set-based work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryRef {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The delivery.
    pub id: DeliveryId,
}

impl From<&Delivery> for DeliveryRef {
    fn from(delivery: &Delivery) -> Self {
        Self {
            organization_id: delivery.organization_id,
            id: delivery.id,
        }
    }
}

/// Somebody in the audience, as the plan writes them to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// Names the new row.
    pub id: DeliveryId,
    /// Who.
    pub contact_id: ContactId,
    /// Where mail goes.
    pub address: Option<EmailAddress>,
    /// Why the contact is left out, if the audience alone tells.
    pub skip: Option<SkipReason>,
    /// Not to be sent before; as soon as there is room if there is nothing to wait for.
    pub not_before: Option<DateTime<Utc>>,
}

/// What a change to a delivery must know of it: what events and counters are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The delivery.
    pub delivery: DeliveryRef,
    /// Its send.
    pub job: SendJobRef,
    /// Its email.
    pub email_id: EmailId,
    /// Its recipient.
    pub contact_id: ContactId,
    /// The key of its address.
    pub address: Option<EmailAddress>,
    /// Its lane.
    pub lane: Lane,
    /// The state it was in before.
    pub from: DeliveryState,
    /// How often it was refused for now before.
    pub deferrals: u32,
}

/// A delivery that is not to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The delivery.
    pub delivery: DeliveryRef,
    /// Why, for the counters.
    pub reason: SkipReason,
    /// What exactly was wrong, for people to read.
    pub detail: Option<String>,
}

impl LeftOut {
    /// One whose reason says it all.
    #[must_use]
    pub fn new(delivery: DeliveryRef, reason: SkipReason) -> Self {
        Self {
            delivery,
            reason,
            detail: None,
        }
    }
}

/// What a worker learnt about one of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The delivery.
    pub delivery: DeliveryRef,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why a delivery that a worker leased was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// Its address was suppressed in the meantime.
    Suppressed(DeliveryRef),
    /// Its address left the mailing list that the send goes to.
    LeftList(DeliveryRef),
    /// Its send was paused or is over.
    Stopped(DeliveryRef),
}

/// The ledger: who is to get what, and what became of it. Every method is set-based.
///
/// The conditions on state and worker are what the promise stands on: a row is handed over by the
/// worker that holds its lease, once.
#[async_trait]
pub trait Ledger: Send {
    /// Writes one page of the audience. Whoever is suppressed, got the email before or shares an
    /// address with somebody in the send becomes a skipped row, but who got the email
    /// before is only counted. Returns the counts.
    async fn plan(
        &mut self,
        job: &SendJob,
        page: &[PlannedDelivery],
        now: DateTime<Utc>,
    ) -> Result<Counts, StoreError>;

    /// Gives the worker up to `limit` deliveries of a send that are due, those due first in front.
    async fn lease(
        &mut self,
        job: &SendJobRef,
        worker: WorkerId,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// Gives leased deliveries back, not to be looked at before the instant that each comes with.
    async fn give_back(
        &mut self,
        worker: WorkerId,
        deliveries: &[(DeliveryRef, DateTime<Utc>)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Leaves out leased deliveries. Returns those that the worker still held.
    async fn skip(
        &mut self,
        worker: WorkerId,
        deliveries: &[LeftOut],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Changes where a leased delivery goes; `false` if another of the send goes there.
    async fn readdress(
        &mut self,
        worker: WorkerId,
        delivery: DeliveryRef,
        address: &EmailAddress,
    ) -> Result<bool, StoreError>;

    /// Which of the addresses, by their keys, are suppressed.
    async fn suppressed(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<String>, StoreError>;

    /// Records the intent to hand over: those that the worker holds, whose send is running and whose address is neither
    /// suppressed nor left the mailing list become handed over and are returned. No other may be sent.
    async fn grant(
        &mut self,
        worker: WorkerId,
        deliveries: &[DeliveryRef],
        now: DateTime<Utc>,
    ) -> Result<Vec<DeliveryRef>, StoreError>;

    /// Why deliveries that the worker holds would not be granted. What it no longer holds is left out.
    async fn withheld(
        &mut self,
        worker: WorkerId,
        deliveries: &[DeliveryRef],
    ) -> Result<Vec<Withheld>, StoreError>;

    /// Records outcomes of deliveries that the worker handed over, also if they became unknown
    /// since. Returns what was changed, in any order.
    async fn settle(
        &mut self,
        worker: WorkerId,
        reports: &[Report],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Frees what a worker that is gone holds: leased deliveries are to be sent; handed-over ones
    /// become unknown in the bulk lane and are to be sent again in the transactional lane. Returns
    /// the handed-over ones.
    async fn abandon(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Leaves out up to `limit` deliveries of a cancelled send that nobody holds. Returns them.
    async fn cancel_waiting(
        &mut self,
        job: &SendJobRef,
        limit: u64,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Whether a send has deliveries without an outcome.
    async fn has_open(&mut self, job: &SendJobRef) -> Result<bool, StoreError>;

    /// Makes the unknown deliveries of a send due again. Returns them as they were.
    async fn retry_unknown(
        &mut self,
        job: &SendJobRef,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Makes what a contact got, and what it did with that, another contact's, who counts as having got the same emails
    /// from then on: what waits to be sent to the other is left out if the first may have got it, and returned. What
    /// waits to be sent to the first becomes the other's too, unless that one has a delivery of the same email; then it
    /// stays, and is left out when its turn comes, its contact being gone.
    async fn move_to(
        &mut self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;

    /// Forgets what tells who contacts were: addresses, what mail servers said, networks and programs of their hits, and
    /// their captured mail. The hashes of the addresses stay, so that whoever has an old link can still unsubscribe. What
    /// waits to be sent to them is left out, and returned.
    async fn forget(
        &mut self,
        organization: OrganizationId,
        contacts: &[ContactId],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError>;
}

/// The workers that are alive. A worker that misses its time is taken for dead.
#[async_trait]
pub trait WorkerRegistry: Send {
    /// Adds a worker.
    async fn enlist(
        &mut self,
        worker: WorkerId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Prolongs a worker's time; `false` if it was taken for dead already.
    async fn beat(
        &mut self,
        worker: WorkerId,
        expires_at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// A worker whose time is over, which nobody else is clearing up after.
    async fn claim_expired(&mut self, now: DateTime<Utc>) -> Result<Option<WorkerId>, StoreError>;

    /// Removes a worker.
    async fn dismiss(&mut self, worker: WorkerId) -> Result<(), StoreError>;
}

/// How fast mail may go, shared by all processes.
#[async_trait]
pub trait RateRepository: Send {
    /// Makes sure that there are rates of these keys, so that they can be held.
    async fn ensure_rates(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<(), StoreError>;

    /// The rates of these keys, held until the transaction ends; keys that were never used are left out.
    async fn rates_for_update(
        &mut self,
        organization: OrganizationId,
        keys: &[String],
    ) -> Result<Vec<Rate>, StoreError>;

    /// Stores rates.
    async fn save_rates(
        &mut self,
        organization: OrganizationId,
        rates: &[Rate],
    ) -> Result<(), StoreError>;
}
