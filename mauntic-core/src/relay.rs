use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::TimeDelta;
use tracing::{error, warn};

use crate::{Clock, EventHandler, PendingDelivery, RelayStore, StoreError};

/// How many events and deliveries one round takes.
const BATCH: u64 = 200;
/// How long a handler may take before another relay may try the same delivery.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// Tries before a delivery is given up; with the back-off below, that takes about a day.
const MAX_ATTEMPTS: u32 = 24;
/// How long handlers remember what they dealt with: far longer than any delivery is repeated.
const REMEMBERED_FOR: TimeDelta = TimeDelta::days(30);
/// How often the memory of handlers is cleared.
const CLEARED_EVERY: TimeDelta = TimeDelta::hours(1);

/// Brings the committed events of one context to the handlers of others.
///
/// Any number of relays may run on one database. Each delivery is retried on its own, so a handler
/// that fails holds up nobody else.
pub struct Relay {
    store: Arc<dyn RelayStore>,
    handlers: BTreeMap<&'static str, Arc<dyn EventHandler>>,
    clock: Arc<dyn Clock>,
    /// When the memory of handlers is to be cleared next, in microseconds.
    next_clearing: AtomicI64,
}

/// What one round of a [`Relay`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayProgress {
    /// Events turned into deliveries.
    pub fanned_out: u64,
    /// Deliveries that a handler dealt with.
    pub handled: u64,
    /// Deliveries that failed.
    pub failed: u64,
}

impl RelayProgress {
    /// Whether there was anything to do; if so, there may be more.
    #[must_use]
    pub fn did_work(self) -> bool {
        self.fanned_out + self.handled + self.failed > 0
    }
}

impl Relay {
    /// A relay from one context's outbox to the handlers.
    #[must_use]
    pub fn new(
        store: Arc<dyn RelayStore>,
        handlers: Vec<Arc<dyn EventHandler>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let handlers = handlers
            .into_iter()
            .map(|handler| (handler.name(), handler))
            .collect();
        Self {
            store,
            handlers,
            clock,
            next_clearing: AtomicI64::default(),
        }
    }

    /// Does one bounded round of work.
    ///
    /// # Errors
    /// If the storage fails; failures of handlers are recorded with the delivery instead.
    pub async fn run_once(&self) -> Result<RelayProgress, StoreError> {
        let now = self.clock.now();
        let mut progress = RelayProgress {
            fanned_out: self.store.fan_out(&self.routes(), now, BATCH).await?,
            ..RelayProgress::default()
        };
        let lease_until = now + LEASE;
        let claimed = self.store.claim(now, lease_until, BATCH).await?;
        let mut done = Vec::new();
        let mut tried = 0;
        for delivery in &claimed {
            if self.clock.now() >= lease_until {
                break;
            }
            tried += 1;
            match self.deliver(delivery).await {
                Ok(()) => done.push(delivery.clone()),
                Err(reason) => {
                    // What was done before must not wait for this to be noted.
                    self.store.done(&std::mem::take(&mut done)).await?;
                    self.note_failure(delivery, &reason).await?;
                    progress.failed += 1;
                }
            }
        }
        progress.handled = tried - progress.failed;
        self.store.done(&done).await?;
        let untried = claimed
            .iter()
            .skip(usize::try_from(tried).unwrap_or(usize::MAX));
        let untried: Vec<_> = untried.cloned().collect();
        self.store.release(&untried, self.clock.now()).await?;
        self.clear_memory().await?;
        Ok(progress)
    }

    fn routes(&self) -> Vec<(&'static str, &'static str)> {
        let handlers = self.handlers.values();
        handlers
            .flat_map(|handler| {
                handler
                    .handles()
                    .iter()
                    .map(|event_type| (*event_type, handler.name()))
            })
            .collect()
    }

    async fn deliver(&self, delivery: &PendingDelivery) -> Result<(), String> {
        if delivery.attempts > MAX_ATTEMPTS {
            return Err("each try ended with the process".to_owned());
        }
        let Some(handler) = self.handlers.get(delivery.handler.as_str()) else {
            return Err("this version of Mauntic has no such handler".to_owned());
        };
        let outcome = handler.handle(&delivery.envelope).await;
        outcome.map_err(|error| error.report())
    }

    async fn note_failure(
        &self,
        delivery: &PendingDelivery,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (event, handler, attempts) =
            (delivery.envelope.id, &delivery.handler, delivery.attempts);
        let retry_at = (attempts < MAX_ATTEMPTS).then(|| self.clock.now() + back_off(attempts));
        if retry_at.is_some() {
            warn!(event.id = %event, handler, attempts, reason, "a handler failed, to be retried");
        } else {
            error!(event.id = %event, handler, attempts, reason, "a handler failed for good");
        }
        self.store.failed(delivery, reason, retry_at).await
    }

    async fn clear_memory(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let next = (now + CLEARED_EVERY).timestamp_micros();
        let due = self.next_clearing.load(Ordering::Relaxed) <= now.timestamp_micros();
        if due && self.next_clearing.swap(next, Ordering::Relaxed) <= now.timestamp_micros() {
            self.store.forget_handled(now - REMEMBERED_FOR).await?;
        }
        Ok(())
    }
}

/// Doubles from one second to two hours.
fn back_off(attempts: u32) -> TimeDelta {
    let seconds = 1_i64 << attempts.saturating_sub(1).min(13);
    TimeDelta::seconds(seconds.min(7_200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_for_about_a_day() {
        let total: TimeDelta = (1..MAX_ATTEMPTS).map(back_off).sum();
        assert!(
            TimeDelta::hours(20) < total && total < TimeDelta::hours(28),
            "{total}"
        );
    }

    #[test]
    fn the_back_off_doubles_up_to_two_hours() {
        assert_eq!(back_off(1), TimeDelta::seconds(1));
        assert_eq!(back_off(4), TimeDelta::seconds(8));
        assert_eq!(back_off(40), TimeDelta::hours(2));
    }
}
