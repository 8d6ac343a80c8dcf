//! Time and ids that tests control, and what the conformance suites and access tests of all contexts share.

pub mod access;
pub mod audit;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use access::{
    AccessCase, Reach, access_cases, assert_access, assert_complete, assert_none_elsewhere,
};
pub use audit::{Told, Trace, assert_audited};

use crate::{Clock, IdSource, OrganizationId, Standing, StoreError};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows an instant.
    #[must_use]
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self(Mutex::new(instant))
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Sets the clock.
    pub fn set(&self, instant: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }
}

impl Default for ManualClock {
    /// Noon on 1 June 2026, UTC.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_780_315_200, 0).unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Organisations that are at work until a test says otherwise.
#[derive(Debug, Default)]
pub struct ManualStanding(AtomicBool);

impl ManualStanding {
    /// Blocks every organisation, or none.
    pub fn block(&self, blocked: bool) {
        self.0.store(blocked, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Standing for ManualStanding {
    async fn is_active(&self, _: OrganizationId) -> Result<bool, StoreError> {
        Ok(!self.0.load(Ordering::SeqCst))
    }
}

/// Ids that count from one.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl IdSource for CountingIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1))
    }
}

/// Makes a `#[tokio::test]` of each case of a conformance suite.
///
/// The suite's own macro calls it with an async function that makes a fresh store and what must live
/// as long as it, the module of the cases, and their names; each case takes the store:
///
/// ```
/// mod suite {
///     pub async fn a_store_starts_empty(store: Vec<u8>) {
///         assert!(store.is_empty());
///     }
/// }
///
/// async fn new_store() -> (Vec<u8>, ()) {
///     (Vec::new(), ())
/// }
///
/// mauntic_core::conformance_cases!(new_store, [suite], [a_store_starts_empty]);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_cases {
    ($new_store:path, [$($suite:tt)+], $cases:tt) => {
        $crate::conformance_cases!(@each $new_store, [$($suite)+], $cases);
    };
    (@each $new_store:path, $suite:tt, [$($case:ident),* $(,)?]) => {
        $($crate::conformance_cases!(@one $new_store, $suite, $case);)*
    };
    (@one $new_store:path, [$($suite:tt)+], $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _kept) = $new_store().await;
            $($suite)+::$case(store).await;
        }
    };
}
