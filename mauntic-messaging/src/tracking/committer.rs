use std::sync::Arc;

use mauntic_core::StoreError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::error;

use super::Hit;
use crate::{MessagingError, MessagingStore};

/// Most hits that one statement stores.
const BATCH: usize = 1_000;
/// Most hits that wait; beyond it callers are told that it is too much.
const QUEUE: usize = 20_000;
/// Statements at once. A second one fills up while the first waits for the disk.
const WRITERS: usize = 2;

struct Waiting {
    hit: Hit,
    stored: oneshot::Sender<bool>,
}

/// Stores hits in groups: whatever arrives while one group is being written makes the next.
///
/// One hit alone is written at once; under load a commit carries hundreds. The caller learns when
/// its hit is durable.
#[derive(Clone)]
pub struct HitCommitter {
    queue: mpsc::Sender<Waiting>,
}

impl HitCommitter {
    /// Starts the task that writes to a store. It ends, once all is written, when the last clone of
    /// this value is gone.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn MessagingStore>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(collect(store, waiting));
        Self { queue }
    }

    /// Stores a hit, and returns once it is durable.
    ///
    /// # Errors
    /// [`MessagingError::Busy`] if too many wait already; [`MessagingError::Store`] if the storage failed.
    pub async fn commit(&self, hit: Hit) -> Result<(), MessagingError> {
        let (stored, outcome) = oneshot::channel();
        self.queue
            .try_send(Waiting { hit, stored })
            .map_err(|_| MessagingError::Busy)?;
        match outcome.await {
            Ok(true) => Ok(()),
            // The failure was logged once, for the whole group.
            Ok(false) | Err(_) => Err(StoreError::backend("the hit could not be stored").into()),
        }
    }
}

async fn collect(store: Arc<dyn MessagingStore>, mut waiting: mpsc::Receiver<Waiting>) {
    let writers = Arc::new(Semaphore::new(WRITERS));
    loop {
        let Ok(permit) = Arc::clone(&writers).acquire_owned().await else {
            return;
        };
        let mut group = Vec::new();
        if waiting.recv_many(&mut group, BATCH).await == 0 {
            return;
        }
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            write(&*store, group).await;
            drop(permit);
        });
    }
}

async fn write(store: &dyn MessagingStore, group: Vec<Waiting>) {
    let (hits, callers): (Vec<_>, Vec<_>) = group
        .into_iter()
        .map(|waiting| (waiting.hit, waiting.stored))
        .unzip();
    let stored = store.tracking().append(&hits).await;
    if let Err(reason) = &stored {
        let reason = reason as &dyn std::error::Error;
        error!(hits = hits.len(), reason, "hits could not be stored");
    }
    for caller in callers {
        // A caller that went away does not want to know.
        let _ = caller.send(stored.is_ok());
    }
}
