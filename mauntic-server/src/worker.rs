//! The loops that do what cannot be done while somebody waits: imports, rebuilds, sends, relays.
//!
//! Each job is a use case that does a bounded piece of work and says whether there was any. All state
//! is in the database, so any number of processes may run the same jobs.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

/// How long an idle job waits before it looks again.
const IDLE: Duration = Duration::from_millis(500);
/// The longest wait after failures in a row.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// Some work that is done piece by piece.
#[async_trait]
pub trait Job: Send + Sync {
    /// The name, as in `mauntic work --only NAME`, logs and metrics.
    fn name(&self) -> &'static str;

    /// Does one bounded piece of work; `false` if there was nothing to do. A piece that takes long ends
    /// early once `stop` is cancelled, and is resumed later.
    async fn run_once(&self, stop: &CancellationToken) -> anyhow::Result<bool>;
}

/// Runs jobs until told to stop.
pub struct Workers {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Workers {
    /// Starts a loop for each job. The loops end once `stop` is cancelled and their present piece of work is done.
    #[must_use]
    pub fn start(jobs: Vec<Arc<dyn Job>>, stop: CancellationToken) -> Self {
        let mut tasks = JoinSet::new();
        for job in jobs {
            tasks.spawn(run(job, stop.clone()));
        }
        Self { tasks, stop }
    }

    /// Stops the loops and waits for them, but no longer than that: what is left undone then is resumed
    /// by the next process.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            info!("some work was cut short; it is resumed at the next start");
        }
    }
}

async fn run(job: Arc<dyn Job>, stop: CancellationToken) {
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let started = Instant::now();
        let pause = match job.run_once(&stop).await {
            Ok(worked) => {
                failures = 0;
                record(job.name(), "done", started);
                if worked { Duration::ZERO } else { IDLE }
            }
            Err(error) => {
                failures += 1;
                record(job.name(), "failed", started);
                error!(
                    job = job.name(),
                    failures,
                    error = format!("{error:#}"),
                    "a job failed"
                );
                LONGEST_BACK_OFF.min(Duration::from_secs(1 << failures.min(5)))
            }
        };
        if pause > Duration::ZERO {
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        }
    }
    debug!(job = job.name(), "a job stopped");
}

fn record(job: &'static str, outcome: &'static str, started: Instant) {
    metrics::counter!("mauntic_job_rounds_total", "job" => job, "outcome" => outcome).increment(1);
    metrics::histogram!("mauntic_job_seconds", "job" => job)
        .record(started.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Countdown {
        left: AtomicUsize,
        stop: CancellationToken,
    }

    #[async_trait]
    impl Job for Countdown {
        fn name(&self) -> &'static str {
            "countdown"
        }

        async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
            if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.stop.cancel();
            }
            Ok(true)
        }
    }

    #[tokio::test]
    async fn a_job_is_repeated_while_there_is_work_and_ends_when_stopped() {
        let stop = CancellationToken::new();
        let job = Arc::new(Countdown {
            left: AtomicUsize::new(5),
            stop: stop.clone(),
        });
        let workers = Workers::start(vec![job.clone()], stop.clone());
        stop.cancelled().await;
        workers.stop(Duration::from_secs(5)).await;
        assert_eq!(job.left.load(Ordering::SeqCst), 0);
    }
}
