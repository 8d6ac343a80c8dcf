use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use mauntic_core::{Cause, DomainEvent, Envelope, OrganizationId, SendJobId, StoreError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{
    Ready, Run,
    connections::{AT_THE_MOMENT, Finished, Granted},
    log_retry,
};
use crate::{
    MessagingUnitOfWork,
    event::{Bounced, EmailsBounced, EmailsSent, Sent},
    sending::{
        BounceClass, Changed, Counts, DeliveryRef, DeliveryState, HandOver, LeftOut, Rate, Report,
        SkipReason, Stage, Withheld, settle, tell::tell_maker,
    },
    suppression::{Suppression, SuppressionReason},
};

/// Commits intents and outcomes: all that came in during one commit go into the next one.
pub(super) async fn commit(
    run: Arc<Run>,
    mut ready: mpsc::Receiver<Ready>,
    granted: mpsc::Sender<Granted>,
    mut finished: mpsc::Receiver<Finished>,
) {
    let mut granted = Some(granted);
    loop {
        if run.is_stopping() {
            // What is made but not granted goes back with the worker's leases.
            granted = None;
            ready.close();
            while ready.try_recv().is_ok() {}
        }
        let mut group = Group::default();
        tokio::select! {
            biased;
            one = finished.recv() => match one {
                Some(one) => group.finished.push(one),
                None => return,
            },
            one = next_intent(&run, &mut ready), if granted.is_some() => match one {
                Some(one) => group.intents.push(one),
                // The feeder is done: without new intents the connections end, and then this.
                None => granted = None,
            },
        }
        while let Ok(one) = finished.try_recv() {
            group.finished.push(one);
        }
        while granted.is_some() && group.intents.len() < run.options.connections * 2 {
            let Ok(permit) = Arc::clone(&run.in_flight).try_acquire_owned() else {
                break;
            };
            match ready.try_recv() {
                Ok(ready) => group.intents.push((ready, permit)),
                Err(_) => break,
            }
        }
        let open = group.record(&run).await;
        let Some(granted) = &granted else { continue };
        for (ready, permit) in open {
            // The queue has a place for each permit.
            let _ = granted.send(Granted { ready, permit }).await;
        }
    }
}

/// A message together with the right to be in flight.
async fn next_intent(
    run: &Run,
    ready: &mut mpsc::Receiver<Ready>,
) -> Option<(Ready, OwnedSemaphorePermit)> {
    let permit = Arc::clone(&run.in_flight).acquire_owned().await.ok()?;
    let ready = ready.recv().await?;
    Some((ready, permit))
}

/// What goes into one transaction.
#[derive(Default)]
struct Group {
    finished: Vec<Finished>,
    intents: Vec<(Ready, OwnedSemaphorePermit)>,
}

impl Group {
    /// Records the group and returns the granted messages.
    async fn record(self, run: &Run) -> Vec<(Ready, OwnedSemaphorePermit)> {
        let names: Vec<_> = self.intents.iter().map(|(ready, _)| name(ready)).collect();
        let granted = match self.transaction(run, &names).await {
            Ok(granted) => granted,
            Err(error) => {
                log_retry("recording outcomes", &error);
                self.take_back(run, &names).await;
                Vec::new()
            }
        };
        let mut open = self.intents;
        open.retain(|(ready, _)| granted.contains(&name(ready)));
        open
    }

    /// After a commit that failed nobody knows whether it happened: records the outcomes again,
    /// which does nothing if it did, and takes the intents back, none of which was used.
    async fn take_back(&self, run: &Run, names: &[DeliveryRef]) {
        let mut pause = Duration::from_millis(20);
        for attempt in 0_u32.. {
            // The worker's death clears up as well.
            if attempt > 8 && run.is_stopping() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
            match self.transaction_back(run, names).await {
                Ok(()) => return,
                Err(error) => log_retry("recording outcomes", &error),
            }
        }
    }

    async fn transaction_back(&self, run: &Run, names: &[DeliveryRef]) -> Result<(), StoreError> {
        let now = run.ports.clock.now();
        let mut uow = run.ports.store.begin().await?;
        self.record_outcomes(run, &mut *uow, now).await?;
        let unused: Vec<_> = names
            .iter()
            .map(|name| Report {
                delivery: *name,
                outcome: settle(
                    HandOver::NotSent("the intent could not be recorded".to_owned()),
                    0,
                    now,
                    now,
                ),
            })
            .collect();
        uow.ledger().settle(run.worker, &unused, now).await?;
        let leased: Vec<_> = names.iter().map(|name| (*name, now)).collect();
        uow.ledger().give_back(run.worker, &leased, now).await?;
        uow.commit().await
    }

    async fn transaction(
        &self,
        run: &Run,
        names: &[DeliveryRef],
    ) -> Result<Vec<DeliveryRef>, StoreError> {
        let now = run.ports.clock.now();
        let mut uow = run.ports.store.begin().await?;
        self.record_outcomes(run, &mut *uow, now).await?;
        if names.is_empty() {
            uow.commit().await?;
            return Ok(Vec::new());
        }
        let granted = uow.ledger().grant(run.worker, names, now).await?;
        if granted.len() < names.len() {
            withhold(run, &mut *uow, names, now).await?;
        }
        uow.commit().await?;
        Ok(granted)
    }

    async fn record_outcomes(
        &self,
        run: &Run,
        uow: &mut dyn MessagingUnitOfWork,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if self.finished.is_empty() {
            return Ok(());
        }
        let reports: Vec<_> = self.finished.iter().map(|one| report(one, now)).collect();
        let changed = uow.ledger().settle(run.worker, &reports, now).await?;
        let by_name: HashMap<_, _> = reports.iter().map(|r| (r.delivery, r)).collect();
        let settled: Vec<_> = changed
            .iter()
            .filter_map(|changed| Some((changed, *by_name.get(&changed.delivery)?)))
            .collect();
        let mut counts = Counts::default();
        for (changed, report) in &settled {
            counts.change([*changed], report.outcome.state, None);
        }
        uow.sends().count(run.shard, &counts, now).await?;
        suppress(uow, &settled, now).await?;
        let events = events(run, &settled, now)?;
        uow.outbox().append(&events).await?;
        let in_slow_domain = |name: DeliveryRef| {
            let mut all = self.finished.iter();
            all.any(|one| one.ready.slow && DeliveryRef::from(&one.ready.delivery) == name)
        };
        adapt_rates(uow, &settled, in_slow_domain, now).await?;
        self.note_troubles(run, uow).await?;
        self.stop_refused_sends(run, uow).await
    }

    /// A send says why no mail of it goes out, until some does again.
    async fn note_troubles(
        &self,
        run: &Run,
        uow: &mut dyn MessagingUnitOfWork,
    ) -> Result<(), StoreError> {
        // In the order of ids, so that two workers do not wait for each other.
        let mut notes: BTreeMap<(OrganizationId, SendJobId), Option<&str>> = BTreeMap::new();
        for one in &self.finished {
            let delivery = &one.ready.delivery;
            let job = (delivery.organization_id, delivery.job_id);
            match &one.hand_over {
                HandOver::NotSent(reason) if reason == AT_THE_MOMENT => {}
                HandOver::NotSent(reason) => {
                    notes.insert(job, Some(reason));
                }
                HandOver::Broken(_) | HandOver::Unknown(_) => {}
                _ if run.held_up().contains(&job.1) => {
                    notes.insert(job, None);
                }
                _ => {}
            }
        }
        for ((organization, id), reason) in notes {
            let job = uow.sends().find_job_for_update(organization, id).await?;
            let Some(mut job) = job.filter(|job| job.state.is_running()) else {
                continue;
            };
            let changed = match reason {
                Some(reason) => job.hold_up(reason),
                None => job.go_through(),
            };
            if changed {
                uow.sends().update_job(&job).await?;
            }
            if changed && reason.is_some() {
                tell_maker(uow, &job, run.ports.clock.now(), &*run.ports.ids).await?;
            }
            if reason.is_some() {
                run.held_up().insert(id);
            } else {
                run.held_up().remove(&id);
            }
        }
        Ok(())
    }

    /// A server that refuses the sender refuses everybody: better to stop than to burn the list.
    async fn stop_refused_sends(
        &self,
        run: &Run,
        uow: &mut dyn MessagingUnitOfWork,
    ) -> Result<(), StoreError> {
        for one in &self.finished {
            let HandOver::Refused(Stage::Sender, reply) = &one.hand_over else {
                continue;
            };
            let delivery = &one.ready.delivery;
            let job = uow
                .sends()
                .find_job_for_update(delivery.organization_id, delivery.job_id)
                .await?;
            if let Some(mut job) = job.filter(|job| job.state.is_running())
                && job.pause().is_ok()
            {
                job.note = Some(format!("the mail server refused the sender: {reply}"));
                uow.sends().update_job(&job).await?;
                tell_maker(uow, &job, run.ports.clock.now(), &*run.ports.ids).await?;
            }
        }
        Ok(())
    }
}

fn name(ready: &Ready) -> DeliveryRef {
    DeliveryRef::from(&ready.delivery)
}

fn report(one: &Finished, now: DateTime<Utc>) -> Report {
    let delivery = &one.ready.delivery;
    let hand_over = match &one.hand_over {
        HandOver::Refused(Stage::Sender, reply) => HandOver::NotSent(reply.to_string()),
        hand_over => hand_over.clone(),
    };
    let first = delivery.first_attempt_at.unwrap_or(now);
    Report {
        delivery: delivery.into(),
        outcome: settle(hand_over, delivery.deferrals, first, now),
    }
}

/// Skips what was suppressed, or left its mailing list, since it was leased, and gives back what was stopped.
async fn withhold(
    run: &Run,
    uow: &mut dyn MessagingUnitOfWork,
    names: &[DeliveryRef],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (mut unwanted, mut stopped) = (Vec::new(), Vec::new());
    for withheld in uow.ledger().withheld(run.worker, names).await? {
        match withheld {
            Withheld::Suppressed(name) => {
                unwanted.push(LeftOut::new(name, SkipReason::Suppressed));
            }
            Withheld::LeftList(name) => {
                unwanted.push(LeftOut::new(name, SkipReason::LeftList));
            }
            Withheld::Stopped(name) => stopped.push((name, DateTime::UNIX_EPOCH)),
        }
    }
    if !stopped.is_empty() {
        uow.ledger().give_back(run.worker, &stopped, now).await?;
    }
    super::feeder::skip(run, uow, &unwanted, now).await
}

type Settled<'a> = (&'a Changed, &'a Report);

async fn suppress(
    uow: &mut dyn MessagingUnitOfWork,
    settled: &[Settled<'_>],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut by_organization: BTreeMap<OrganizationId, Vec<Suppression>> = BTreeMap::new();
    for (changed, report) in settled {
        if report.outcome.class == Some(BounceClass::Hard)
            && let Some(address) = &changed.address
        {
            let mut entry = Suppression::new(
                address.key(),
                SuppressionReason::HardBounce,
                "hand-over",
                now,
            );
            entry.note = Some(report.outcome.reply.clone());
            by_organization
                .entry(changed.delivery.organization_id)
                .or_default()
                .push(entry);
        }
    }
    for (organization, entries) in by_organization {
        uow.suppressions().add(organization, &entries).await?;
    }
    Ok(())
}

/// One event for each send and kind of outcome in the group.
fn events(
    run: &Run,
    settled: &[Settled<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<Envelope>, StoreError> {
    let mut sent: HashMap<_, EmailsSent> = HashMap::new();
    let mut bounced: HashMap<_, EmailsBounced> = HashMap::new();
    for (changed, report) in settled {
        let key = (changed.job, changed.email_id);
        let (contact_id, delivery_id) = (changed.contact_id, changed.delivery.id);
        match (report.outcome.state, report.outcome.class) {
            (DeliveryState::Accepted, _) => {
                let event = sent.entry(key).or_insert_with(|| EmailsSent {
                    email_id: changed.email_id,
                    send_job_id: Some(changed.job.id),
                    sent: Vec::new(),
                });
                event.sent.push(Sent {
                    contact_id,
                    delivery_id,
                    at: now,
                });
            }
            (DeliveryState::Refused, Some(class)) => {
                let event = bounced.entry(key).or_insert_with(|| EmailsBounced {
                    email_id: changed.email_id,
                    bounced: Vec::new(),
                });
                event.bounced.push(Bounced {
                    contact_id,
                    delivery_id,
                    at: now,
                    hard: class == BounceClass::Hard,
                    class: class.as_str().to_owned(),
                });
            }
            _ => {}
        }
    }
    let mut envelopes = Vec::with_capacity(sent.len() + bounced.len());
    for ((job, _), event) in &sent {
        envelopes.push(seal(run, job.organization_id, event, now)?);
    }
    for ((job, _), event) in &bounced {
        envelopes.push(seal(run, job.organization_id, event, now)?);
    }
    Ok(envelopes)
}

fn seal<E: DomainEvent>(
    run: &Run,
    organization: OrganizationId,
    event: &E,
    now: DateTime<Utc>,
) -> Result<Envelope, StoreError> {
    let ids = &*run.ports.ids;
    Envelope::seal(organization, event, now, ids, Cause::root(ids))
}

/// Slows domains down that ask for it, and speeds slow ones up that take mail again.
async fn adapt_rates(
    uow: &mut dyn MessagingUnitOfWork,
    settled: &[Settled<'_>],
    in_slow_domain: impl Fn(DeliveryRef) -> bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // In the order of the keys, so that two workers do not wait for each other in a circle.
    let mut verdicts: BTreeMap<(OrganizationId, String), bool> = BTreeMap::new();
    for (changed, report) in settled {
        let slow = report.outcome.slow_down;
        let good =
            report.outcome.state == DeliveryState::Accepted && in_slow_domain(changed.delivery);
        if let Some(address) = &changed.address
            && (slow || good)
        {
            let key = (
                changed.delivery.organization_id,
                domain_key(address.domain()),
            );
            *verdicts.entry(key).or_default() |= slow;
        }
    }
    for ((organization, key), slow) in verdicts {
        let keys = [key.clone()];
        let stored = uow.rates().rates_for_update(organization, &keys).await?;
        let mut rate = match stored.into_iter().next() {
            Some(rate) => rate,
            None if slow => Rate::new(key),
            None => continue,
        };
        if slow {
            rate.slow_down(now);
        } else {
            rate.recover(now);
        }
        uow.rates().save_rates(organization, &[rate]).await?;
    }
    Ok(())
}

pub(super) fn domain_key(domain: &str) -> String {
    format!("domain:{domain}")
}
