use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{ContactId, EmailVersionId, OrganizationId, StoreError};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::{Ready, Run, ledger::domain_key, log_retry, report};
use crate::{
    MessagingUnitOfWork, Recipient,
    audience::look_up_owners,
    sending::{
        BuildError, Counts, Delivery, DeliveryRef, DeliveryState, JobState, LeftOut, PreparedEmail,
        Rate, SendJob, SkipReason, tell::tell_maker,
    },
    suppression::address_hash,
    transport::SendingLimits,
};

/// A leased delivery, and whether its domain is one that asked to slow down.
struct Leased {
    delivery: Delivery,
    slow: bool,
}

/// Leases deliveries of all running sends in turn and makes their messages.
pub(super) async fn feed(run: Arc<Run>, ready: mpsc::Sender<Ready>) {
    let mut feeder = Feeder {
        run,
        ready,
        prepared: HashMap::new(),
    };
    while !feeder.run.is_stopping() {
        let fed = match feeder.round().await {
            Ok(fed) => fed,
            Err(error) => {
                log_retry("preparing messages", &error);
                false
            }
        };
        if !fed {
            feeder.run.pause(feeder.run.options.idle).await;
        }
    }
}

type Prepared = Arc<dyn PreparedEmail>;

/// Versions that are kept prepared; a worker rarely sends more at a time.
const MAX_PREPARED: usize = 32;
/// How long domains, keys and the organisation's name may be used as they were.
const FRESH: TimeDelta = TimeDelta::minutes(1);

struct Feeder {
    run: Arc<Run>,
    ready: mpsc::Sender<Ready>,
    prepared: HashMap<(OrganizationId, EmailVersionId), (Prepared, DateTime<Utc>)>,
}

impl Feeder {
    /// One batch of each running send; `false` if there was nothing to do.
    async fn round(&mut self) -> Result<bool, StoreError> {
        let jobs = self.run.ports.store.sends();
        let mut jobs = jobs.open_jobs(&JobState::RUNNING).await?;
        self.run
            .held_up()
            .extend(jobs.iter().filter(|job| job.is_held_up()).map(|job| job.id));
        jobs.retain(|job| {
            !self.run.troubles.is_waiting(job.organization_id) && !self.run.stuck.is_waiting(job.id)
        });
        let jobs = self.at_work(jobs).await;
        let share = self.run.options.batch / jobs.len().max(1) as u64;
        let mut fed = false;
        for job in &jobs {
            if self.run.is_stopping() {
                break;
            }
            match self.feed_one(job, share.max(20)).await {
                Ok(some) => {
                    fed |= some;
                    self.run.stuck.clear(job.id);
                }
                // What is wrong with one send holds up no other.
                Err(error) => self.hold_up(job, &error).await,
            }
        }
        Ok(fed)
    }

    /// Pauses the sends of organisations that are blocked or to be deleted, and returns the others.
    async fn at_work(&self, jobs: Vec<SendJob>) -> Vec<SendJob> {
        let mut known: HashMap<OrganizationId, bool> = HashMap::new();
        let mut kept = Vec::with_capacity(jobs.len());
        for job in jobs {
            let organization = job.organization_id;
            let active = match known.get(&organization) {
                Some(active) => *active,
                None => match self.run.ports.standing.is_active(organization).await {
                    Ok(active) => active,
                    // Whether it may send is not known: it waits, and the others go on.
                    Err(error) => {
                        log_retry("asking whether an organisation is blocked", &error);
                        continue;
                    }
                },
            };
            known.insert(organization, active);
            if active {
                kept.push(job);
            } else if let Err(error) = self.stand_still(&job).await {
                log_retry("pausing a send", &error);
            }
        }
        kept
    }

    async fn stand_still(&self, job: &SendJob) -> Result<(), StoreError> {
        let mut uow = self.run.ports.store.begin().await?;
        let stored = uow
            .sends()
            .find_job_for_update(job.organization_id, job.id)
            .await?;
        if let Some(mut job) = stored.filter(|job| job.state.is_running())
            && job.stand_still().is_ok()
        {
            uow.sends().update_job(&job).await?;
            self.tell_maker(&mut *uow, &job).await?;
            uow.commit().await?;
            info!(send.id = %job.id, "a send is paused: its organisation is blocked or to be deleted");
        }
        Ok(())
    }

    /// One batch of a send; `false` if there was nothing to do.
    async fn feed_one(&mut self, job: &SendJob, most: u64) -> Result<bool, StoreError> {
        let leased = self.lease(job, most).await?;
        if leased.is_empty() {
            return Ok(false);
        }
        let names: Vec<_> = leased.iter().map(|one| (&one.delivery).into()).collect();
        let made = self.make(job, leased).await;
        if !matches!(made, Ok(true)) {
            self.give_back(&names).await?;
        }
        made?;
        Ok(true)
    }

    /// Lets a send wait, longer each time, and has it say why.
    async fn hold_up(&self, job: &SendJob, error: &StoreError) {
        let run = &self.run;
        warn!(send.id = %job.id, error = %report(error), "preparing messages failed, to be tried again");
        run.stuck.note(job.id);
        match self.note_why(job, &report(error)).await {
            Ok(()) => {
                run.held_up().insert(job.id);
            }
            Err(error) => log_retry("noting what holds a send up", &error),
        }
    }

    async fn note_why(&self, job: &SendJob, reason: &str) -> Result<(), StoreError> {
        let mut uow = self.run.ports.store.begin().await?;
        let stored = uow
            .sends()
            .find_job_for_update(job.organization_id, job.id)
            .await?;
        if let Some(mut stored) = stored.filter(|stored| stored.state.is_running())
            && stored.hold_up(reason)
        {
            uow.sends().update_job(&stored).await?;
            self.tell_maker(&mut *uow, &stored).await?;
        }
        uow.commit().await
    }

    async fn tell_maker(
        &self,
        uow: &mut dyn MessagingUnitOfWork,
        job: &SendJob,
    ) -> Result<(), StoreError> {
        let ports = &self.run.ports;
        tell_maker(uow, job, ports.clock.now(), &*ports.ids).await
    }

    /// Leases as many deliveries as the limits have room for.
    async fn lease(&self, job: &SendJob, most: u64) -> Result<Vec<Leased>, StoreError> {
        const TRANSPORT: &str = "transport";
        let run = &self.run;
        let organization = job.organization_id;
        let limits = run.ports.transports.of(organization).await?.limits;
        let now = run.ports.clock.now();
        let mut uow = run.ports.store.begin().await?;
        let mut transport = Rate::new(TRANSPORT.to_owned());
        let mut most = most;
        if limits.per_second.is_some() {
            let keys = [TRANSPORT.to_owned()];
            uow.rates().ensure_rates(organization, &keys).await?;
            let stored = uow.rates().rates_for_update(organization, &keys).await?;
            transport = stored.into_iter().next().unwrap_or(transport);
            most = most.min(transport.allowance(limits.per_second, now).unwrap_or(most));
        }
        if most == 0 {
            return Ok(Vec::new());
        }
        let leased = uow
            .ledger()
            .lease(&job.into(), run.worker, most, now)
            .await?;
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.limit_domains(&mut *uow, &limits, leased, now).await?;
        if limits.per_second.is_some() {
            transport.take(kept.len() as u64, limits.per_second, now);
            uow.rates().save_rates(organization, &[transport]).await?;
        }
        uow.commit().await?;
        Ok(kept)
    }

    /// Keeps what the recipients' domains have room for, and gives the rest back.
    async fn limit_domains(
        &self,
        uow: &mut dyn MessagingUnitOfWork,
        limits: &SendingLimits,
        leased: Vec<Delivery>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Leased>, StoreError> {
        let organization = leased[0].organization_id;
        let mut by_domain: HashMap<String, Vec<Delivery>> = HashMap::new();
        for delivery in leased {
            let domain = delivery.address.as_ref().map_or("", |a| a.domain());
            by_domain
                .entry(domain.to_owned())
                .or_default()
                .push(delivery);
        }
        let limited = by_domain
            .keys()
            .filter(|domain| limits.of_domain(domain).is_some());
        let limited: Vec<_> = limited.map(|domain| domain_key(domain)).collect();
        uow.rates().ensure_rates(organization, &limited).await?;
        let keys: Vec<_> = by_domain.keys().map(|domain| domain_key(domain)).collect();
        let stored = uow.rates().rates_for_update(organization, &keys).await?;
        let mut stored: HashMap<_, _> = stored
            .into_iter()
            .map(|rate| (rate.key.clone(), rate))
            .collect();
        let (mut kept, mut back, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for (domain, deliveries) in by_domain {
            let limit = limits.of_domain(&domain);
            let key = domain_key(&domain);
            let mut rate = stored.remove(&key).unwrap_or_else(|| Rate::new(key));
            let slow = rate.level > 0;
            let Some(room) = rate.allowance(limit, now) else {
                kept.extend(
                    deliveries
                        .into_iter()
                        .map(|delivery| Leased { delivery, slow }),
                );
                continue;
            };
            let room = usize::try_from(room)
                .unwrap_or(usize::MAX)
                .min(deliveries.len());
            rate.take(room as u64, limit, now);
            for (index, delivery) in deliveries.into_iter().enumerate() {
                if index < room {
                    kept.push(Leased { delivery, slow });
                } else {
                    let look = rate.next_look((index - room) as u64, limit, now);
                    back.push((DeliveryRef::from(&delivery), look));
                }
            }
            changed.push(rate);
        }
        if !back.is_empty() {
            uow.ledger().give_back(self.run.worker, &back, now).await?;
        }
        uow.rates().save_rates(organization, &changed).await?;
        Ok(kept)
    }

    /// Gives back what is still leased. What was passed on already is then not granted.
    async fn give_back(&self, names: &[DeliveryRef]) -> Result<(), StoreError> {
        let run = &self.run;
        let now = run.ports.clock.now();
        let back: Vec<_> = names.iter().map(|name| (*name, now)).collect();
        let mut uow = run.ports.store.begin().await?;
        uow.ledger().give_back(run.worker, &back, now).await?;
        uow.commit().await
    }

    /// Makes the messages of leased deliveries and passes them on; `false` if the send cannot go on.
    async fn make(&mut self, job: &SendJob, leased: Vec<Leased>) -> Result<bool, StoreError> {
        let Some(prepared) = self.prepare(job).await? else {
            return Ok(false);
        };
        let mut eligible = self.check(job.organization_id, leased).await?;
        if prepared.shows_owner() {
            let directory = &*self.run.ports.directory;
            let recipients = eligible.iter_mut().map(|(_, recipient)| recipient);
            let recipients = recipients.collect();
            look_up_owners(directory, job.organization_id, recipients).await?;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let chunk = eligible.len().div_ceil(cores).clamp(1, 25);
        let mut chunks = Vec::new();
        let mut rest = eligible;
        while !rest.is_empty() {
            let tail = rest.split_off(chunk.min(rest.len()));
            let prepared = Arc::clone(&prepared);
            chunks.push(tokio::task::spawn_blocking(move || build(&*prepared, rest)));
            rest = tail;
        }
        for chunk in chunks {
            let built = chunk.await.map_err(StoreError::backend)?;
            if !self.pass_on(job, built).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The email ready for rendering; `None` if it cannot be sent, which ends the send.
    async fn prepare(&mut self, job: &SendJob) -> Result<Option<Prepared>, StoreError> {
        let key = (job.organization_id, job.email_version_id);
        let now = self.run.ports.clock.now();
        if let Some((prepared, since)) = self.prepared.get(&key)
            && now - since < FRESH
        {
            return Ok(Some(Arc::clone(prepared)));
        }
        match self.run.ports.builder.prepare(key.0, key.1).await {
            Ok(prepared) => {
                if self.prepared.len() >= MAX_PREPARED {
                    self.prepared.clear();
                }
                self.prepared.insert(key, (Arc::clone(&prepared), now));
                Ok(Some(prepared))
            }
            Err(BuildError::Store(error)) => Err(error),
            Err(error) => {
                self.fail(job, &error).await?;
                Ok(None)
            }
        }
    }

    async fn fail(&self, job: &SendJob, error: &BuildError) -> Result<(), StoreError> {
        error!(send.id = %job.id, error = %error, "a send cannot go on");
        let run = &self.run;
        let mut uow = run.ports.store.begin().await?;
        let stored = uow
            .sends()
            .find_job_for_update(job.organization_id, job.id)
            .await?;
        if let Some(mut job) = stored.filter(|job| job.state.is_running()) {
            job.fail(error.to_string(), run.ports.clock.now());
            uow.sends().update_job(&job).await?;
            self.tell_maker(&mut *uow, &job).await?;
        }
        uow.commit().await
    }

    /// Looks at the recipients as they are now, and leaves out who is not to be mailed any more.
    async fn check(
        &self,
        organization: OrganizationId,
        leased: Vec<Leased>,
    ) -> Result<Vec<(Leased, Recipient)>, StoreError> {
        let run = &self.run;
        let ids: Vec<_> = leased.iter().map(|one| one.delivery.contact_id).collect();
        let fresh = run.ports.directory.recipients(organization, &ids).await?;
        let mut fresh: HashMap<ContactId, Recipient> = fresh
            .into_iter()
            .map(|recipient| (recipient.contact_id, recipient))
            .collect();
        let (mut eligible, mut skipped, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for one in leased {
            let name = DeliveryRef::from(&one.delivery);
            match fresh.remove(&one.delivery.contact_id) {
                None => skipped.push(LeftOut::new(name, SkipReason::Deleted)),
                Some(recipient) if recipient.do_not_contact => {
                    skipped.push(LeftOut::new(name, SkipReason::DoNotContact));
                }
                Some(recipient) => match &recipient.address {
                    None => skipped.push(LeftOut::new(name, SkipReason::MissingAddress)),
                    Some(address) if Some(address) != one.delivery.address.as_ref() => {
                        moved.push((one, recipient));
                    }
                    Some(_) => eligible.push((one, recipient)),
                },
            }
        }
        if skipped.is_empty() && moved.is_empty() {
            return Ok(eligible);
        }
        let now = run.ports.clock.now();
        let mut uow = run.ports.store.begin().await?;
        let mut counts = Counts::default();
        for (mut one, recipient) in moved {
            let name = DeliveryRef::from(&one.delivery);
            let Some(address) = recipient.address.clone() else {
                continue;
            };
            if uow.ledger().readdress(run.worker, name, &address).await? {
                one.delivery.address_hash = Some(address_hash(&address.key()));
                counts.readdress(&one.delivery, address.domain());
                one.delivery.address = Some(address);
                eligible.push((one, recipient));
            } else {
                skipped.push(LeftOut::new(name, SkipReason::DuplicateAddress));
            }
        }
        uow.sends().count(run.shard, &counts, now).await?;
        skip(run, &mut *uow, &skipped, now).await?;
        uow.commit().await?;
        Ok(eligible)
    }

    async fn pass_on(&self, job: &SendJob, built: Built) -> Result<bool, StoreError> {
        if !built.failed.is_empty() {
            warn!(send.id = %job.id, contacts = built.failed.len(), "messages could not be made");
            let now = self.run.ports.clock.now();
            let mut uow = self.run.ports.store.begin().await?;
            skip(&self.run, &mut *uow, &built.failed, now).await?;
            uow.commit().await?;
        }
        if let Some(error) = built.fatal {
            self.fail(job, &error).await?;
            return Ok(false);
        }
        for ready in built.ready {
            if self.ready.send(ready).await.is_err() {
                break;
            }
        }
        Ok(true)
    }
}

/// What a chunk of messages came to.
#[derive(Default)]
struct Built {
    ready: Vec<Ready>,
    failed: Vec<LeftOut>,
    fatal: Option<BuildError>,
}

/// Renders and signs, away from the reactor.
fn build(prepared: &dyn PreparedEmail, chunk: Vec<(Leased, Recipient)>) -> Built {
    let mut built = Built::default();
    for (leased, recipient) in chunk {
        let Leased { delivery, slow } = leased;
        match prepared.build(&delivery, &recipient) {
            Ok(message) => built.ready.push(Ready {
                delivery,
                message,
                slow,
            }),
            Err(BuildError::Recipient(detail)) => built.failed.push(LeftOut {
                detail: Some(detail),
                ..LeftOut::new((&delivery).into(), SkipReason::NotRenderable)
            }),
            Err(error) => {
                built.fatal = Some(error);
                break;
            }
        }
    }
    built
}

/// Leaves out leased deliveries and counts them.
pub(super) async fn skip(
    run: &Run,
    uow: &mut dyn MessagingUnitOfWork,
    deliveries: &[LeftOut],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let reasons = deliveries.iter().map(|one| (one.delivery, one.reason));
    let reasons: HashMap<_, _> = reasons.collect();
    let changed = uow.ledger().skip(run.worker, deliveries, now).await?;
    let mut counts = Counts::default();
    for changed in &changed {
        let reason = reasons.get(&changed.delivery).copied();
        counts.change([changed], DeliveryState::Skipped, reason);
    }
    uow.sends().count(run.shard, &counts, now).await
}
