use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{error, warn};

use super::{Queue, Ready, Run};
use crate::sending::HandOver;

/// A message whose intent is committed.
pub(super) struct Granted {
    pub(super) ready: Ready,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What a hand-over came to. The permit is held until it is committed.
pub(super) struct Finished {
    pub(super) ready: Ready,
    pub(super) hand_over: HandOver,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What cannot be worked on at the moment: organisations whose mail server cannot be used, sends that cannot be read.
pub(super) struct Troubles<K>(Mutex<HashMap<K, Trouble>>);

struct Trouble {
    until: Instant,
    failures: u32,
}

/// Why a message is not even tried; what happened is known from the message before it.
pub(super) const AT_THE_MOMENT: &str = "the mail server cannot be used at the moment";
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

impl<K> Default for Troubles<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy> Troubles<K> {
    /// Whether it should wait.
    pub(super) fn is_waiting(&self, key: K) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key)
            .is_some_and(|trouble| Instant::now() < trouble.until)
    }

    /// Notes a failure: the pause doubles from a second to a minute. Failures within a pause are one.
    pub(super) fn note(&self, key: K) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let trouble = all.entry(key).or_insert(Trouble {
            until: now,
            failures: 0,
        });
        if now < trouble.until {
            return;
        }
        let pause = Duration::from_secs(1 << trouble.failures.min(6)).min(LONGEST_PAUSE);
        trouble.failures += 1;
        trouble.until = now + pause;
    }

    pub(super) fn clear(&self, key: K) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&key);
    }
}

/// Hands granted messages over, one after the other.
pub(super) async fn hand_over(
    run: Arc<Run>,
    granted: Queue<Granted>,
    finished: mpsc::Sender<Finished>,
) {
    loop {
        let next = granted.lock().await.recv().await;
        let Some(Granted { ready, permit }) = next else {
            return;
        };
        let hand_over = attempt(&run, &ready).await;
        let organization = ready.delivery.organization_id;
        match &hand_over {
            HandOver::NotSent(reason) => {
                if !run.troubles.is_waiting(organization) {
                    warn!(organization.id = %organization, reason, "the mail server cannot be used");
                }
                run.troubles.note(organization);
            }
            HandOver::Broken(_) | HandOver::Unknown(_) => {}
            _ => run.troubles.clear(organization),
        }
        let finished_one = Finished {
            ready,
            hand_over,
            _permit: permit,
        };
        if finished.send(finished_one).await.is_err() {
            error!("an outcome could not be recorded; the delivery becomes unknown");
            return;
        }
    }
}

async fn attempt(run: &Run, ready: &Ready) -> HandOver {
    let organization = ready.delivery.organization_id;
    if run.troubles.is_waiting(organization) {
        return HandOver::NotSent(AT_THE_MOMENT.to_owned());
    }
    match run.ports.transports.of(organization).await {
        Ok(transport) => transport.channel.hand_over(&ready.message).await,
        Err(error) => HandOver::NotSent(format!("the transport cannot be opened: {error}")),
    }
}
