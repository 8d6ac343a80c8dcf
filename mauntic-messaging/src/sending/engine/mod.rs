//! The engine: leases deliveries, makes their messages, and hands them over.
//!
//! Work flows through stages, each a task: the *feeder* leases and renders, the *ledger* commits
//! intents and outcomes in groups, the *connections* hand over. A message reaches a connection only
//! after its intent is committed, and at most twice the number of connections are between intent and
//! committed outcome, which bounds what a crash can leave unknown.

mod connections;
mod feeder;
mod housekeeping;
mod ledger;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use mauntic_core::{Clock, IdSource, OrganizationId, SendJobId, Standing, StoreError, WorkerId};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};

use super::{Delivery, MessageBuilder, OutgoingMessage, Planner};
use crate::{ContactDirectory, MessagingStore, transport::Transports};

/// What the engine works with.
#[derive(Clone)]
pub struct EnginePorts {
    /// The storage.
    pub store: Arc<dyn MessagingStore>,
    /// Answers who is in a segment.
    pub audience: Arc<dyn crate::Audience>,
    /// Answers who a contact is.
    pub directory: Arc<dyn ContactDirectory>,
    /// Answers whether anything is sent for an organisation now.
    pub standing: Arc<dyn Standing>,
    /// Makes messages.
    pub builder: Arc<dyn MessageBuilder>,
    /// Hands messages over.
    pub transports: Arc<dyn Transports>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
}

/// How an engine works.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Messages handed over at the same time.
    pub connections: usize,
    /// Deliveries leased at a time.
    pub batch: u64,
    /// How long a worker is believed alive after its last sign of life.
    pub time_to_live: Duration,
    /// How long to wait before looking again when there is nothing to do.
    pub idle: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            batch: 200,
            time_to_live: Duration::from_secs(15),
            idle: Duration::from_millis(500),
        }
    }
}

/// Hands over what is to be sent, of all organisations. Any number of engines share the work of one
/// database.
pub struct Engine {
    ports: EnginePorts,
    options: EngineOptions,
}

/// While one batch is handed over the next one is made.
const FEEDERS: usize = 2;

/// A message that is made but not yet granted.
struct Ready {
    delivery: Delivery,
    message: OutgoingMessage,
    /// Whether the recipient's domain is one that asked to slow down.
    slow: bool,
}

/// What the tasks of one run share.
struct Run {
    ports: EnginePorts,
    options: EngineOptions,
    planner: Planner,
    worker: WorkerId,
    shard: i16,
    /// One permit for each message between intent and committed outcome.
    in_flight: Arc<Semaphore>,
    troubles: connections::Troubles<OrganizationId>,
    /// Sends of which nothing can be leased or made at the moment.
    stuck: connections::Troubles<SendJobId>,
    /// Sends whose note tells why no mail of them went out.
    held_up: Mutex<HashSet<SendJobId>>,
    lost: AtomicBool,
    stop: watch::Receiver<bool>,
}

impl Run {
    /// Whether no new work is to be begun.
    fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.lost.load(Ordering::Relaxed)
    }

    fn held_up(&self) -> MutexGuard<'_, HashSet<SendJobId>> {
        self.held_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not beyond the end.
    async fn pause(&self, time: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Engine {
    /// An engine over these ports.
    #[must_use]
    pub fn new(ports: EnginePorts, options: EngineOptions) -> Self {
        Self { ports, options }
    }

    /// Works until `stop` becomes true, then finishes what is in flight and gives the rest back.
    ///
    /// Dropping the future instead is like a crash: others take the work over after a while, and
    /// what was in flight becomes unknown.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(error) = self.run_as_one_worker(stop.clone()).await {
                error!(error = %report(&error), "the sending worker stops for a moment");
                let mut stop = stop.clone();
                tokio::select! {
                    () = tokio::time::sleep(self.options.idle * 4) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
    }

    async fn run_as_one_worker(&self, stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        let worker = WorkerId::generate(&*self.ports.ids);
        let now = self.ports.clock.now();
        let mut uow = self.ports.store.begin().await?;
        uow.workers()
            .enlist(worker, now, now + self.time_to_live())
            .await?;
        uow.commit().await?;
        info!(worker.id = %worker, "a sending worker starts");
        let run = Arc::new(Run {
            planner: Planner::new(
                Arc::clone(&self.ports.store),
                Arc::clone(&self.ports.audience),
                Arc::clone(&self.ports.clock),
                Arc::clone(&self.ports.ids),
            ),
            ports: self.ports.clone(),
            options: self.options,
            worker,
            shard: i16::from(worker.as_uuid().as_bytes()[15] % 16),
            in_flight: Arc::new(Semaphore::new(self.options.connections * 2)),
            troubles: connections::Troubles::default(),
            stuck: connections::Troubles::default(),
            held_up: Mutex::default(),
            lost: AtomicBool::new(false),
            stop,
        });
        Self::work(&run).await;
        housekeeping::leave(&run).await
    }

    /// Runs the stages until they end: the feeder first, then, as their channels close, the others.
    async fn work(run: &Arc<Run>) {
        let connections = run.options.connections;
        let (ready_in, ready_out) = mpsc::channel(connections * 4);
        let (granted_in, granted_out) = async_queue(connections * 2);
        let (reports_in, reports_out) = mpsc::channel(connections * 4);
        let heartbeat = AbortOnDrop(tokio::spawn(housekeeping::beat(Arc::clone(run))));
        let upkeep = AbortOnDrop(tokio::spawn(housekeeping::keep_up(Arc::clone(run))));
        let mut stages = JoinSet::new();
        for _ in 0..FEEDERS {
            stages.spawn(feeder::feed(Arc::clone(run), ready_in.clone()));
        }
        drop(ready_in);
        stages.spawn(ledger::commit(
            Arc::clone(run),
            ready_out,
            granted_in,
            reports_out,
        ));
        for _ in 0..connections {
            stages.spawn(connections::hand_over(
                Arc::clone(run),
                granted_out.clone(),
                reports_in.clone(),
            ));
        }
        drop(reports_in);
        drop(granted_out);
        while let Some(ended) = stages.join_next().await {
            if let Err(error) = ended {
                error!(error = %error, "a stage of the sending worker failed");
                // The rest would wait for it for ever.
                stages.abort_all();
            }
        }
        drop((heartbeat, upkeep));
    }

    fn time_to_live(&self) -> TimeDelta {
        TimeDelta::from_std(self.options.time_to_live).unwrap_or(TimeDelta::seconds(15))
    }
}

/// A task that ends with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A queue with many takers.
type Queue<T> = Arc<tokio::sync::Mutex<mpsc::Receiver<T>>>;

fn async_queue<T>(capacity: usize) -> (mpsc::Sender<T>, Queue<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (sender, Arc::new(tokio::sync::Mutex::new(receiver)))
}

/// An error with what led to it.
pub(super) fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Logs a failure that is tried again.
fn log_retry(what: &'static str, error: &StoreError) {
    warn!(error = %report(error), "{what} failed, to be tried again");
}
