use std::sync::{Arc, atomic::Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::StoreError;
use tracing::{info, warn};

use super::{Run, log_retry};
use crate::sending::{
    Changed, Counts, DeliveryState, JobState, Lane, SendJob, SendJobRef, SkipReason,
    tell::tell_maker,
};

/// Deliveries of a cancelled send that one transaction leaves out.
const CANCEL_BATCH: u64 = 2_000;

/// Shows that the worker is alive. A worker that was taken for dead begins no new work: others have
/// taken its leases over.
pub(super) async fn beat(run: Arc<Run>) {
    let ttl = TimeDelta::from_std(run.options.time_to_live).unwrap_or(TimeDelta::seconds(15));
    loop {
        tokio::time::sleep(run.options.time_to_live / 5).await;
        match prolong(&run, ttl).await {
            Ok(true) => {}
            Ok(false) => {
                warn!(worker.id = %run.worker, "this worker was taken for dead and starts anew");
                run.lost.store(true, Ordering::Relaxed);
                return;
            }
            Err(error) => log_retry("the sign of life", &error),
        }
    }
}

async fn prolong(run: &Run, ttl: TimeDelta) -> Result<bool, StoreError> {
    let mut uow = run.ports.store.begin().await?;
    let expires = run.ports.clock.now() + ttl;
    let alive = uow.workers().beat(run.worker, expires).await?;
    uow.commit().await?;
    Ok(alive)
}

/// Plans sends that are due, clears up after dead workers, and ends sends that are done.
pub(super) async fn keep_up(run: Arc<Run>) {
    let mut chores_due = tokio::time::Instant::now();
    while !run.is_stopping() {
        let planned = match run.planner.plan_page(run.worker).await {
            Ok(planned) => planned,
            Err(error) => {
                log_retry("planning", &error);
                false
            }
        };
        if tokio::time::Instant::now() >= chores_due {
            if let Err(error) = chores(&run).await {
                log_retry("keeping order", &error);
            }
            chores_due = tokio::time::Instant::now() + run.options.idle;
        }
        if !planned {
            run.pause(run.options.idle).await;
        }
    }
}

async fn chores(run: &Run) -> Result<(), StoreError> {
    while clear_up(run).await? {}
    let sends = run.ports.store.sends();
    for job in sends
        .open_jobs(&[JobState::Sending, JobState::Cancelled])
        .await?
    {
        if let Err(error) = wind_up(run, &job).await {
            log_retry("ending a send", &error);
        }
    }
    Ok(())
}

/// Leaves out who waits if the send was cancelled, and ends it if nothing of it is open.
async fn wind_up(run: &Run, job: &SendJob) -> Result<(), StoreError> {
    if job.state == JobState::Cancelled {
        while leave_out(run, job).await? {}
    }
    finish(run, job).await
}

/// Takes over what one dead worker held; `false` if there is none.
async fn clear_up(run: &Run) -> Result<bool, StoreError> {
    let now = run.ports.clock.now();
    let mut uow = run.ports.store.begin().await?;
    let Some(dead) = uow.workers().claim_expired(now).await? else {
        return Ok(false);
    };
    let open = uow.ledger().abandon(dead, now).await?;
    count_abandoned(run, &mut *uow, &open, now).await?;
    uow.workers().dismiss(dead).await?;
    uow.commit().await?;
    info!(worker.id = %dead, open = open.len(), "took over from a worker that is gone");
    Ok(true)
}

async fn count_abandoned(
    run: &Run,
    uow: &mut dyn crate::MessagingUnitOfWork,
    open: &[Changed],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut counts = Counts::default();
    for changed in open {
        let to = match changed.lane {
            Lane::Bulk => DeliveryState::Unknown,
            Lane::Transactional => DeliveryState::Planned,
        };
        counts.change([changed], to, None);
    }
    uow.sends().count(run.shard, &counts, now).await
}

/// Ends a send if nothing of it is open.
async fn finish(run: &Run, job: &SendJob) -> Result<(), StoreError> {
    let name = SendJobRef::from(job);
    let mut uow = run.ports.store.begin().await?;
    let stored = uow
        .sends()
        .find_job_for_update(job.organization_id, job.id)
        .await?;
    let Some(mut stored) = stored.filter(|stored| stored.state == job.state) else {
        return Ok(());
    };
    if uow.ledger().has_open(&name).await? {
        return Ok(());
    }
    let now = run.ports.clock.now();
    stored.finish(now);
    uow.sends().update_job(&stored).await?;
    // Whoever cancelled it knows.
    if stored.state == JobState::Completed {
        tell_maker(&mut *uow, &stored, now, &*run.ports.ids).await?;
    }
    uow.commit().await?;
    info!(send.id = %job.id, state = %stored.state, "a send is over");
    Ok(())
}

/// Leaves out some deliveries of a cancelled send; `false` if none waits.
async fn leave_out(run: &Run, job: &SendJob) -> Result<bool, StoreError> {
    let now = run.ports.clock.now();
    let name = SendJobRef::from(job);
    let mut uow = run.ports.store.begin().await?;
    let left_out = uow
        .ledger()
        .cancel_waiting(&name, CANCEL_BATCH, now)
        .await?;
    let mut counts = Counts::default();
    let reason = Some(SkipReason::Cancelled);
    counts.change(&left_out, DeliveryState::Skipped, reason);
    uow.sends().count(run.shard, &counts, now).await?;
    uow.commit().await?;
    Ok(!left_out.is_empty())
}

/// Gives back what the worker still holds, and signs off.
pub(super) async fn leave(run: &Run) -> Result<(), StoreError> {
    let now = run.ports.clock.now();
    let mut uow = run.ports.store.begin().await?;
    let open = uow.ledger().abandon(run.worker, now).await?;
    count_abandoned(run, &mut *uow, &open, now).await?;
    uow.workers().dismiss(run.worker).await?;
    uow.commit().await
}
