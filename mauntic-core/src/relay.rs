use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use tracing::{error, warn};

use crate::{Clock, EventHandler, PendingDelivery, RelayStore, StoreError};

/// How many events and deliveries one round takes.
const BATCH: u64 = 200;
/// How long a handler may take before another relay may try the same delivery.
const LEASE: TimeDelta = TimeDelta::minutes(5);
/// Tries before a delivery is given up; with the back-off below, that takes about a day.
const MAX_ATTEMPTS: u32 = 16;

/// Brings the committed events of one context to the handlers of others.
///
/// Any number of relays may run on one database. Each delivery is retried on its own, so a handler
/// that fails holds up nobody else.
pub struct Relay {
    store: Arc<dyn RelayStore>,
    handlers: BTreeMap<&'static str, Arc<dyn EventHandler>>,
    clock: Arc<dyn Clock>,
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
        for delivery in self.store.claim(now, now + LEASE, BATCH).await? {
            if self.deliver(&delivery).await? {
                progress.handled += 1;
            } else {
                progress.failed += 1;
            }
        }
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

    async fn deliver(&self, delivery: &PendingDelivery) -> Result<bool, StoreError> {
        let event = delivery.envelope.id;
        let outcome = match self.handlers.get(delivery.handler.as_str()) {
            Some(handler) => handler
                .handle(&delivery.envelope)
                .await
                .map_err(|error| error.report()),
            None => Err("this version of Mauntic has no such handler".to_owned()),
        };
        let Err(reason) = outcome else {
            self.store.done(event, &delivery.handler).await?;
            return Ok(true);
        };
        let attempts = delivery.attempts + 1;
        let retry_at = (attempts < MAX_ATTEMPTS).then(|| self.clock.now() + back_off(attempts));
        if retry_at.is_some() {
            warn!(event.id = %event, handler = delivery.handler, attempts, reason, "a handler failed, to be retried");
        } else {
            error!(event.id = %event, handler = delivery.handler, attempts, reason, "a handler failed for good");
        }
        self.store
            .failed(event, &delivery.handler, &reason, retry_at)
            .await?;
        Ok(false)
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
    fn the_back_off_doubles_up_to_two_hours() {
        assert_eq!(back_off(1), TimeDelta::seconds(1));
        assert_eq!(back_off(4), TimeDelta::seconds(8));
        assert_eq!(back_off(40), TimeDelta::hours(2));
    }
}
