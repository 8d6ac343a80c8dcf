//! The work that is done while nobody waits.

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{EventHandler, Relay, WorkerId};
use mauntic_messaging::sending::{Engine, EngineOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::handlers::{CountEngagement, FollowBounces, FollowUnsubscribes};
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

/// Every handler of every context; each takes what it wants.
fn handlers(app: &App) -> Vec<Arc<dyn EventHandler>> {
    vec![
        Arc::new(FollowUnsubscribes(app.contacts.clone())),
        Arc::new(FollowBounces(app.contacts.clone())),
        Arc::new(CountEngagement(app.engagement.clone())),
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

/// Forgets what is no longer needed.
struct Housekeeping {
    app: App,
}

#[async_trait]
impl Job for Housekeeping {
    fn name(&self) -> &'static str {
        "housekeeping"
    }

    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool> {
        let store = self.app.identity_store.idempotency();
        store.forget_old(self.app.clock.now()).await?;
        let hour = std::time::Duration::from_hours(1);
        let _ = tokio::time::timeout(hour, stop.cancelled()).await;
        Ok(false)
    }
}
