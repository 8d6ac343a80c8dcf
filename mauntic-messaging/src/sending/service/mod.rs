//! Makes sends, shows how they stand, and steers them.

mod test_message;

use chrono::{DateTime, Utc};
use mauntic_core::{
    Access, Actor, ContactId, DeliveryId, EmailId, EmailVersionId, Envelope, OrganizationId, Page,
    PageSize, Permission, SegmentId, SendJobId, StoreError, UseCase,
};
use serde_json::json;

use super::{
    BuildError, Counts, Delivery, DeliveryState, EnginePorts, JobState, Lane, LocalTime,
    NewSendJob, Preflight, SendJob, SendJobRef, SendStatus, Sender, SkipReason, Tally,
    WrongJobState, preflight,
};
use crate::{MessagingError, audit};

pub use self::test_message::TestResult;

/// When a send goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendTime {
    /// To everybody from this instant on.
    At(DateTime<Utc>),
    /// To each recipient when their own clock shows a time.
    Local(LocalTime),
}

/// Sends one email to one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSend {
    /// The email; its current version is sent.
    pub email: EmailId,
    /// The version of the email, as a whole, that somebody looked at and agreed to; another one is refused.
    pub version: Option<i64>,
    /// Who gets it: the members at the time it starts.
    pub segment: SegmentId,
    /// When it goes; at once if not given.
    pub at: Option<SendTime>,
}

/// Starts sends and looks after them.
#[derive(Clone)]
pub struct SendService {
    ports: EnginePorts,
    look_at: u64,
}

impl SendService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("apply_deletion", Access::Itself),
        ("apply_merge", Access::Itself),
        ("cancel", Access::Needs(Permission::EmailsSend)),
        ("create", Access::Needs(Permission::EmailsSend)),
        ("deliveries", Access::Needs(Permission::EmailsRead)),
        ("list", Access::Needs(Permission::EmailsRead)),
        ("pause", Access::Needs(Permission::EmailsSend)),
        ("preflight", Access::Needs(Permission::EmailsSend)),
        ("resume", Access::Needs(Permission::EmailsSend)),
        ("retry_unknown", Access::Needs(Permission::EmailsSend)),
        ("send_test", Access::Needs(Permission::EmailsSend)),
        ("sender", Access::Needs(Permission::EmailsSend)),
        ("status", Access::Needs(Permission::EmailsRead)),
        ("unfinished", Access::Needs(Permission::EmailsRead)),
        ("unfinished_to", Access::Needs(Permission::EmailsRead)),
    ];

    /// A service over these ports.
    #[must_use]
    pub fn new(ports: EnginePorts) -> Self {
        Self {
            ports,
            look_at: preflight::LOOK_AT,
        }
    }

    /// Looks at that many members [before a send](Self::preflight), and expects the same of the others; 100,000 unless
    /// it is said.
    #[must_use]
    pub fn looking_at(mut self, members: u64) -> Self {
        self.look_at = members;
        self
    }

    /// Does what follows when contacts were deleted: nothing more is sent to them, and what tells who they were is
    /// forgotten. `handler` has not dealt with the event before, or nothing happens.
    ///
    /// # Errors
    /// If the storage fails; then nothing was changed.
    pub async fn apply_deletion(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        deleted: &[ContactId],
    ) -> Result<(), StoreError> {
        let mut uow = self.ports.store.begin().await?;
        let now = self.ports.clock.now();
        if uow.inbox().first_time(handler, envelope.id, now).await? {
            let organization = envelope.organization_id;
            let left_out = uow.ledger().forget(organization, deleted, now).await?;
            let mut counts = Counts::default();
            let reason = Some(SkipReason::Deleted);
            counts.change(&left_out, DeliveryState::Skipped, reason);
            uow.sends().count(0, &counts, now).await?;
            uow.commit().await?;
        }
        Ok(())
    }

    /// Does what follows when a contact was merged into another: what it got is the other's. `handler` has not dealt
    /// with the event before, or nothing happens.
    ///
    /// # Errors
    /// If the storage fails; then nothing was changed.
    pub async fn apply_merge(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        merged: ContactId,
        into: ContactId,
    ) -> Result<(), StoreError> {
        let mut uow = self.ports.store.begin().await?;
        let now = self.ports.clock.now();
        if uow.inbox().first_time(handler, envelope.id, now).await? {
            let organization = envelope.organization_id;
            let skipped = uow
                .ledger()
                .move_to(organization, merged, into, now)
                .await?;
            let mut counts = Counts::default();
            let reason = Some(SkipReason::AlreadySent);
            counts.change(&skipped, DeliveryState::Skipped, reason);
            uow.sends().count(0, &counts, now).await?;
            uow.commit().await?;
        }
        Ok(())
    }

    /// Plans a send for now or later.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsSend`]; [`MessagingError::NotFound`] for an unknown email or segment;
    /// [`MessagingError::Outdated`] if the email is not of the version that was agreed to, or was changed at that moment;
    /// [`MessagingError::Invalid`] where unsigned mail is refused and nothing signs its mail.
    pub async fn create(
        &self,
        actor: &Actor,
        command: CreateSend,
    ) -> Result<SendJob, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        let audience = &self.ports.audience;
        if audience
            .size(organization, command.segment)
            .await?
            .is_none()
        {
            return Err(MessagingError::NotFound { what: "segment" });
        }
        let now = self.ports.clock.now();
        let (scheduled_at, local_time) = match command.at {
            None => (now, None),
            Some(SendTime::At(at)) => (at, None),
            Some(SendTime::Local(local)) => (local.earliest(), Some(local)),
        };
        let version = self.current_version(organization, command.email).await?;
        self.refuse_unsigned(organization, version).await?;
        let mut uow = self.ports.store.begin().await?;
        let email = uow.emails().find_for_update(organization, command.email);
        let email = email
            .await?
            .ok_or(MessagingError::NotFound { what: "email" })?;
        let agreed = command.version.is_none_or(|agreed| agreed == email.version);
        if !agreed || email.current_version_id != version {
            return Err(MessagingError::Outdated {
                what: "email",
                current: email.version,
            });
        }
        let new = NewSendJob {
            id: SendJobId::generate(&*self.ports.ids),
            organization_id: organization,
            email_id: command.email,
            email_version_id: version,
            segment_id: command.segment,
            lane: Lane::Bulk,
            scheduled_at,
            local_time,
            made_by: actor.principal(),
        };
        let job = SendJob::new(new, now);
        uow.sends().insert_job(&job).await?;
        let change = told("send.created", job.id).to(audit::send(&job));
        audit::tell(uow.outbox(), actor, change, now, &*self.ports.ids).await?;
        uow.commit().await?;
        tracing::info!(send.id = %job.id, email.id = %job.email_id, "a send was made");
        Ok(job)
    }

    /// What would become of a send now: whom it reaches, who would be left out and why, and how fast it could go. Of a
    /// large segment it is what the first members let expect.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn preflight(
        &self,
        actor: &Actor,
        email: EmailId,
        segment: SegmentId,
    ) -> Result<Preflight, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        let version = self.current_version(organization, email).await?;
        let email = (email, version);
        preflight::look(&self.ports, organization, email, segment, self.look_at).await
    }

    /// Whom the current version of an email is from, and whether anything signs its mail.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsSend`]; [`MessagingError::NotFound`].
    pub async fn sender(&self, actor: &Actor, email: EmailId) -> Result<Sender, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        let version = self.current_version(organization, email).await?;
        let sender = self.ports.builder.sender(organization, version).await;
        sender.map_err(cannot_send)
    }

    /// Where nothing may leave unsigned, says so before anything is made.
    async fn refuse_unsigned(
        &self,
        organization: OrganizationId,
        version: EmailVersionId,
    ) -> Result<(), MessagingError> {
        let sender = self.ports.builder.sender(organization, version).await;
        match sender.map_err(cannot_send)?.refusal() {
            Some(problem) => Err(MessagingError::invalid("from_address", "unsigned", problem)),
            None => Ok(()),
        }
    }

    async fn current_version(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<EmailVersionId, MessagingError> {
        let version = self.ports.builder.current_version(organization, email);
        version
            .await?
            .ok_or(MessagingError::NotFound { what: "email" })
    }

    /// A send with its counters, its rate and the time left.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`]; [`MessagingError::NotFound`].
    pub async fn status(&self, actor: &Actor, id: SendJobId) -> Result<SendStatus, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let sends = self.ports.store.sends();
        let job = sends.find_job(organization, id).await?;
        let job = job.ok_or(MessagingError::NotFound { what: "send" })?;
        let tally = sends.tally(organization, id).await?;
        self.status_of(job, tally).await
    }

    async fn status_of(&self, job: SendJob, tally: Tally) -> Result<SendStatus, MessagingError> {
        let sends = self.ports.store.sends();
        let waiting = match &job.local_time {
            Some(_) if !job.state.is_over() => sends.waiting(job.organization_id, job.id).await?,
            _ => None,
        };
        let now = self.ports.clock.now();
        Ok(SendStatus::derive(job, tally, waiting, now))
    }

    /// The sends, the newest first, of one email if one is given.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`].
    pub async fn list(
        &self,
        actor: &Actor,
        email: Option<EmailId>,
        after: Option<SendJobId>,
        size: PageSize,
    ) -> Result<Page<SendStatus, SendJobId>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let sends = self.ports.store.sends();
        let page = sends.list_jobs(organization, email, after, size).await?;
        Ok(Page {
            items: self.statuses_of(organization, page.items).await?,
            next: page.next,
        })
    }

    async fn statuses_of(
        &self,
        organization: OrganizationId,
        jobs: Vec<SendJob>,
    ) -> Result<Vec<SendStatus>, MessagingError> {
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let sends = self.ports.store.sends();
        let mut tallies = sends.tallies(organization, &ids).await?;
        let mut statuses = Vec::with_capacity(jobs.len());
        for job in jobs {
            let tally = tallies.remove(&job.id).unwrap_or_default();
            statuses.push(self.status_of(job, tally).await?);
        }
        Ok(statuses)
    }

    /// Up to a page of the sends that are not over, those due first in front.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`].
    pub async fn unfinished(
        &self,
        actor: &Actor,
        size: PageSize,
    ) -> Result<Vec<SendStatus>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let jobs = self.ports.store.sends().unfinished(organization, size);
        self.statuses_of(organization, jobs.await?).await
    }

    /// The sends to a segment that are not over, the oldest first.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`].
    pub async fn unfinished_to(
        &self,
        actor: &Actor,
        segment: SegmentId,
    ) -> Result<Vec<SendJob>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let sends = self.ports.store.sends();
        Ok(sends.unfinished_to(organization, segment).await?)
    }

    /// The deliveries of a send, in one state if one is given. Where they go, and what was answered there, shows only to
    /// who may read contacts.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`]; [`MessagingError::NotFound`].
    pub async fn deliveries(
        &self,
        actor: &Actor,
        id: SendJobId,
        state: Option<DeliveryState>,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Delivery, DeliveryId>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let sends = self.ports.store.sends();
        if sends.find_job(organization, id).await?.is_none() {
            return Err(MessagingError::NotFound { what: "send" });
        }
        let mut page = sends
            .list_deliveries(organization, id, state, after, size)
            .await?;
        if !actor.may(Permission::ContactsRead) {
            for delivery in &mut page.items {
                delivery.address = None;
                delivery.address_hash = None;
                delivery.reply = None;
            }
        }
        Ok(page)
    }

    /// Stops a send until it is resumed. What is being handed over at the moment still goes.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsSend`]; [`MessagingError::NotFound`], [`MessagingError::WrongState`].
    pub async fn pause(&self, actor: &Actor, id: SendJobId) -> Result<SendJob, MessagingError> {
        self.steer(actor, id, "send.paused", SendJob::pause).await
    }

    /// Lets a paused or failed send go on where it was, [or begin now](SendJob::resume) if nobody is planned yet.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, actor: &Actor, id: SendJobId) -> Result<SendJob, MessagingError> {
        let now = self.ports.clock.now();
        self.steer(actor, id, "send.resumed", |job| job.resume(now))
            .await
    }

    /// Stops a send for good. Who waits is left out, and may get the email by another send.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn cancel(&self, actor: &Actor, id: SendJobId) -> Result<SendJob, MessagingError> {
        self.steer(actor, id, "send.cancelled", SendJob::cancel)
            .await
    }

    async fn steer(
        &self,
        actor: &Actor,
        id: SendJobId,
        action: &str,
        step: impl FnOnce(&mut SendJob) -> Result<(), WrongJobState> + Send,
    ) -> Result<SendJob, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        let mut uow = self.ports.store.begin().await?;
        let job = uow.sends().find_job_for_update(organization, id).await?;
        let mut job = job.ok_or(MessagingError::NotFound { what: "send" })?;
        step(&mut job).map_err(|error| wrong_state(&error))?;
        uow.sends().update_job(&job).await?;
        let now = self.ports.clock.now();
        audit::tell(uow.outbox(), actor, told(action, id), now, &*self.ports.ids).await?;
        uow.commit().await?;
        tracing::info!(send.id = %id, state = %job.state, "a send was steered");
        Ok(job)
    }

    /// Sends again what nobody knows the fate of. Some may get the message twice: it is for
    /// somebody to decide who knows what the mail server did. Returns how many.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn retry_unknown(&self, actor: &Actor, id: SendJobId) -> Result<u64, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        let job = uow.sends().find_job_for_update(organization, id).await?;
        let mut job = job.ok_or(MessagingError::NotFound { what: "send" })?;
        job.reopen().map_err(|error| wrong_state(&error))?;
        let name = SendJobRef::from(&job);
        let retried = uow.ledger().retry_unknown(&name, now).await?;
        let mut counts = Counts::default();
        counts.change(&retried, DeliveryState::Planned, None);
        uow.sends().count(0, &counts, now).await?;
        uow.sends().update_job(&job).await?;
        let change = told("send.unknown_retried", id).to(json!({"count": retried.len()}));
        audit::tell(uow.outbox(), actor, change, now, &*self.ports.ids).await?;
        uow.commit().await?;
        Ok(retried.len() as u64)
    }
}

pub(super) fn cannot_send(error: BuildError) -> MessagingError {
    match error {
        BuildError::Store(error) => error.into(),
        error => MessagingError::invalid("email", "not_sendable", error.to_string()),
    }
}

fn told(action: &str, id: SendJobId) -> audit::Change {
    audit::Change::new(action, audit::Subject::new("send", id))
}

fn wrong_state(error: &WrongJobState) -> MessagingError {
    MessagingError::WrongState {
        what: "send",
        problem: match error.from {
            JobState::Scheduled | JobState::Planning | JobState::Sending => "is running",
            JobState::Paused => "is paused already",
            JobState::Cancelled => "is cancelled",
            JobState::Completed => "is completed",
            JobState::Failed => "has failed",
        },
    }
}
