use async_trait::async_trait;

use crate::{StoreError, WorkerId};

/// Tells which workers are there, so that nobody waits for the lease of one that was killed.
///
/// A lease says how long a worker may be silent; this says at once that there is nobody left who could
/// speak. It decides when work is taken over, never whose it is: whoever saves work must still check,
/// in the transaction that saves, that the work is theirs.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Shows that a worker is there until the value is dropped or the process ends, however it ends.
    async fn announce(&self, worker: WorkerId) -> Result<Present, StoreError>;

    /// Whether a worker that announced itself is gone; `false` too if that cannot be known, or if
    /// somebody else asks at this moment.
    async fn is_gone(&self, worker: WorkerId) -> Result<bool, StoreError>;
}

/// A worker that is there.
#[must_use = "the worker is gone once this is dropped"]
pub struct Present {
    _sign: Box<dyn Send>,
}

impl Present {
    /// A worker that is there as long as the sign.
    pub fn new(sign: impl Send + 'static) -> Self {
        Self {
            _sign: Box::new(sign),
        }
    }
}
