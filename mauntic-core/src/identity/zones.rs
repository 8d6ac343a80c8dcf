use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::IdentityStore;
use crate::{Clock, OrganizationId, StoreError, TimeZoneName, Zones};

/// How long a zone is remembered. Zones change once in years; they are asked for with every rule.
const REMEMBERED_FOR: TimeDelta = TimeDelta::seconds(60);
/// How many zones are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// The zones of the organisations, each remembered for a minute.
pub struct IdentityZones {
    store: Arc<dyn IdentityStore>,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<OrganizationId, (TimeZoneName, DateTime<Utc>)>>,
}

impl IdentityZones {
    /// The zones in that store.
    #[must_use]
    pub fn new(store: Arc<dyn IdentityStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            known: Mutex::default(),
        }
    }
}

#[async_trait]
impl Zones for IdentityZones {
    async fn zone_of(&self, organization: OrganizationId) -> Result<TimeZoneName, StoreError> {
        let now = self.clock.now();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((zone, until)) = known.get(&organization)
                && now < *until
            {
                return Ok(zone.clone());
            }
        }
        let found = self.store.organizations().find(organization).await?;
        let zone = found.map_or_else(TimeZoneName::utc, |found| found.timezone);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(organization, (zone.clone(), now + REMEMBERED_FOR));
        Ok(zone)
    }
}
