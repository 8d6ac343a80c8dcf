//! A send as people see it: with counters, pace, and the time it will be done.

use chrono::{DateTime, Utc};

use super::{SendJob, state::JobState, tally::Tally};

/// The times of deliveries that wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Before which none of them goes.
    pub next: DateTime<Utc>,
    /// After which all of them may go.
    pub last: DateTime<Utc>,
}

/// A send with its counters, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendStatus {
    /// The send.
    pub job: SendJob,
    /// Its counters.
    pub tally: Tally,
    /// Messages accepted or refused each second since the start, in thousandths.
    pub rate_millis: i64,
    /// When it will be done at that rate; `None` if nothing is moving or nothing is left.
    pub eta: Option<DateTime<Utc>>,
    /// The times that deliveries wait for, if the send goes by the clocks of its recipients and some wait.
    pub waiting: Option<Waiting>,
}

impl SendStatus {
    /// Derives rate and time left from the counters, and from the times that deliveries wait for.
    #[must_use]
    pub fn derive(
        job: SendJob,
        tally: Tally,
        waiting: Option<Waiting>,
        now: DateTime<Utc>,
    ) -> Self {
        let done = tally.accepted + tally.refused + tally.unknown;
        let until = job.finished_at.unwrap_or(now);
        let elapsed = job
            .started_at
            .map_or(0, |start| (until - start).num_milliseconds());
        let rate_millis = if elapsed > 0 {
            done * 1_000_000 / elapsed
        } else {
            0
        };
        let left = tally.planned - done;
        let moving = job.state == JobState::Sending && rate_millis > 0 && left > 0;
        let eta = moving.then(|| {
            now.checked_add_signed(chrono::TimeDelta::milliseconds(
                left.saturating_mul(1_000_000) / rate_millis,
            ))
        });
        // While deliveries wait for their time, the rate says nothing about the end.
        let last = waiting.map(|times| times.last).filter(|last| *last > now);
        let eta = match last {
            Some(last) => (job.state == JobState::Sending).then_some(last),
            None => eta.flatten(),
        };
        Self {
            job,
            tally,
            rate_millis,
            eta,
            waiting,
        }
    }
}
