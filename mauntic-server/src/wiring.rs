//! Where the contexts meet: events of one become commands of another, and a port asked by one is
//! answered by another. Nowhere else.

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{EventHandler, Relay};

use crate::{App, Job};

/// The work that is done while nobody waits, in pieces; every process may do any of it.
#[must_use]
pub fn jobs(app: &App) -> Vec<Arc<dyn Job>> {
    let mut jobs: Vec<Arc<dyn Job>> = Vec::new();
    for (context, outbox) in &app.outboxes {
        let relay = Relay::new(outbox.clone(), handlers(app), app.clock.clone());
        jobs.push(Arc::new(RelayJob {
            name: relay_name(context),
            relay,
        }));
    }
    jobs
}

fn relay_name(context: &str) -> &'static str {
    match context {
        "identity" => "relay-identity",
        "crm" => "relay-crm",
        _ => "relay-messaging",
    }
}

/// Every handler of every context; each takes what it wants.
fn handlers(_app: &App) -> Vec<Arc<dyn EventHandler>> {
    Vec::new()
}

/// Brings the events of one context to the handlers.
struct RelayJob {
    name: &'static str,
    relay: Relay,
}

#[async_trait]
impl Job for RelayJob {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn run_once(&self) -> anyhow::Result<bool> {
        Ok(self.relay.run_once().await?.did_work())
    }
}
