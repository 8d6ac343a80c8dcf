//! The work that is done while nobody waits.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{EventHandler, Operator, Relay, StoreError, WorkerId};
use mauntic_messaging::sending::{Engine, EngineOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    erasure::{Erasures, sweep},
    handlers::{
        CountEngagement, FollowBounces, FollowDeletions, FollowDepartures, FollowListChoices,
        FollowMerges, FollowTimezones, FollowUnsubscribes, KeepChanges,
    },
    notices::TellMembers,
};
use crate::{App, Job};

/// All of it; every process may do any of it.
#[must_use]
pub fn jobs(app: &App) -> Vec<Arc<dyn Job>> {
    let worker = WorkerId::generate(&*app.ids);
    let mut jobs: Vec<Arc<dyn Job>> = vec![
        Arc::new(Imports {
            app: app.clone(),
            worker,
        }),
        Arc::new(BulkChanges {
            app: app.clone(),
            worker,
        }),
        Arc::new(Rebuilds {
            app: app.clone(),
            worker,
        }),
        Arc::new(Segments {
            app: app.clone(),
            worker,
        }),
        Arc::new(Sends { app: app.clone() }),
        Arc::new(Tracking { app: app.clone() }),
        Arc::new(Letters { app: app.clone() }),
        Arc::new(Erasures {
            app: app.clone(),
            worker,
        }),
        Arc::new(Housekeeping { app: app.clone() }),
    ];
    for (context, outbox) in &app.outboxes {
        let relay = Relay::new(outbox.clone(), handlers(app), app.clock.clone());
        jobs.push(Arc::new(Events {
            name: events_of(context),
            relay,
        }));
    }
    jobs
}

fn events_of(context: &str) -> &'static str {
    match context {
        "identity" => "events-identity",
        "crm" => "events-crm",
        _ => "events-messaging",
    }
}

/// Brings events that wait to their handlers, so that what was done until now is known everywhere, in the audit log too.
/// For programs that end before a worker would do it; the time for it is bounded.
///
/// # Errors
/// If a storage fails.
pub async fn settle_events(app: &App) -> Result<(), StoreError> {
    for (_, outbox) in &app.outboxes {
        let relay = Relay::new(outbox.clone(), handlers(app), app.clock.clone());
        for _ in 0..SETTLED_ROUNDS {
            if !relay.run_once().await?.did_work() {
                break;
            }
        }
    }
    Ok(())
}

/// How many rounds of each relay are run at once at most.
const SETTLED_ROUNDS: usize = 100;

/// Every handler of every context; each takes what it wants.
fn handlers(app: &App) -> Vec<Arc<dyn EventHandler>> {
    vec![
        Arc::new(FollowUnsubscribes(app.contacts.clone())),
        Arc::new(FollowBounces(app.contacts.clone())),
        Arc::new(CountEngagement(app.engagement.clone())),
        Arc::new(FollowMerges(app.sends.clone())),
        Arc::new(FollowDeletions(app.sends.clone())),
        Arc::new(FollowListChoices(app.segments.clone())),
        Arc::new(FollowTimezones(app.segments.clone())),
        Arc::new(FollowDepartures {
            bulk: app.bulk.clone(),
            identity: app.identity_store.clone(),
        }),
        Arc::new(KeepChanges(app.identity.clone())),
        Arc::new(TellMembers {
            identity: app.identity.clone(),
            members: app.identity_store.clone(),
            messaging: app.messaging_store.clone(),
        }),
    ]
}

/// Brings the events of one context to the handlers.
struct Events {
    name: &'static str,
    relay: Relay,
}

#[async_trait]
impl Job for Events {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        Ok(self.relay.run_once().await?.did_work())
    }
}

/// Works on imports that were uploaded, and on those that were left behind.
struct Imports {
    app: App,
    worker: WorkerId,
}

#[async_trait]
impl Job for Imports {
    fn name(&self) -> &'static str {
        "imports"
    }

    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let stopped = || stop.is_cancelled();
        Ok(self.app.imports.run_once(self.worker, &stopped).await?)
    }
}

/// Works on changes of many contacts, and on those that were left behind.
struct BulkChanges {
    app: App,
    worker: WorkerId,
}

#[async_trait]
impl Job for BulkChanges {
    fn name(&self) -> &'static str {
        "bulk-changes"
    }

    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let stopped = || stop.is_cancelled();
        Ok(self.app.bulk.run_once(self.worker, &stopped).await?)
    }
}

/// Rebuilds segments whose rules changed, or whose day ended.
struct Rebuilds {
    app: App,
    worker: WorkerId,
}

#[async_trait]
impl Job for Rebuilds {
    fn name(&self) -> &'static str {
        "rebuilds"
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        Ok(self
            .app
            .segment_worker
            .run_due_rebuilds(self.worker)
            .await?)
    }
}

/// Checks contacts that changed against the rules of segments.
struct Segments {
    app: App,
    worker: WorkerId,
}

#[async_trait]
impl Job for Segments {
    fn name(&self) -> &'static str {
        "segments"
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        Ok(self.app.segment_worker.run_incremental(self.worker).await?)
    }
}

/// Plans sends and hands mail over, for as long as the process works.
struct Sends {
    app: App,
}

#[async_trait]
impl Job for Sends {
    fn name(&self) -> &'static str {
        "sends"
    }

    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let (tell, told) = watch::channel(false);
        let engine = Engine::new(self.app.engine.clone(), EngineOptions::default());
        let mut run = std::pin::pin!(engine.run(told));
        tokio::select! {
            () = &mut run => return Ok(true),
            () = stop.cancelled() => {}
        }
        let _ = tell.send(true);
        run.await;
        Ok(false)
    }
}

/// Counts opens, clicks and the like.
struct Tracking {
    app: App,
}

#[async_trait]
impl Job for Tracking {
    fn name(&self) -> &'static str {
        "tracking"
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        Ok(self.app.projector.project_once().await?)
    }
}

/// Sends letters to users.
struct Letters {
    app: App,
}

#[async_trait]
impl Job for Letters {
    fn name(&self) -> &'static str {
        "letters"
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        let postman = &*self.app.postman;
        Ok(self.app.identity.deliver_letters(postman).await?)
    }
}

/// Notes how many members segments have, and forgets what is no longer needed. The ledger of sends is not: nobody is
/// mailed twice because it remembers.
struct Housekeeping {
    app: App,
}

/// Rows that one transaction forgets.
const FORGOTTEN_AT_ONCE: u64 = 5_000;

impl Housekeeping {
    /// Before when something is old that is kept for so many days; never if that is 0.
    fn old(&self, days: u32) -> Option<DateTime<Utc>> {
        (days > 0).then(|| self.app.clock.now() - TimeDelta::days(days.into()))
    }

    async fn forget_hits(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let Some(before) = self.old(self.app.settings.keep_hits_days) else {
            return Ok(());
        };
        let hits = self.app.messaging_store.tracking();
        while !stop.is_cancelled() && hits.forget_hits(before, FORGOTTEN_AT_ONCE).await? > 0 {}
        Ok(())
    }

    async fn forget_captured(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let Some(before) = self.old(self.app.settings.keep_captured_days) else {
            return Ok(());
        };
        while !stop.is_cancelled() {
            let mut uow = self.app.messaging_store.begin().await?;
            let forgotten = uow
                .captured()
                .forget_captured(before, FORGOTTEN_AT_ONCE)
                .await?;
            uow.commit().await?;
            if forgotten == 0 {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Job for Housekeeping {
    fn name(&self) -> &'static str {
        "housekeeping"
    }

    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let store = self.app.identity_store.idempotency();
        store.forget_old(self.app.clock.now()).await?;
        let identity = &self.app.identity;
        let operator = Operator::local();
        identity.forget_old_sessions(&operator).await?;
        identity.forget_old_notifications(&operator).await?;
        self.app.segment_worker.note_counts().await?;
        self.app.imports.forget_orphans().await?;
        self.forget_hits(stop).await?;
        self.forget_captured(stop).await?;
        sweep(&self.app, stop).await?;
        let hour = std::time::Duration::from_hours(1);
        let _ = tokio::time::timeout(hour, stop.cancelled()).await;
        Ok(false)
    }
}
