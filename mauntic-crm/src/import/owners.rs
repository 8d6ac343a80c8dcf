use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use mauntic_core::{OrganizationId, StoreError, UserId};
use tokio::{runtime::Handle, time::Instant};
use tracing::warn;

use super::{
    row::{BadCell, ImportRow},
    run::{ATTEMPTS, pause_after},
};
use crate::{InvalidValue, OwnerName, Owners};

/// How many names are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;
/// How long they are remembered: members leave.
const FRESH: Duration = Duration::from_mins(1);

/// Knows the members that rows name as owners. Blocking: only for threads that may block.
pub(crate) struct RowOwners {
    owners: Arc<dyn Owners>,
    organization: OrganizationId,
    runtime: Handle,
    known: HashMap<String, Option<UserId>>,
    /// Since when.
    since: Instant,
}

impl RowOwners {
    /// Of that organisation. Within a Tokio runtime.
    pub(crate) fn of(organization: OrganizationId, owners: Arc<dyn Owners>) -> Self {
        Self {
            owners,
            organization,
            runtime: Handle::current(),
            known: HashMap::new(),
            since: Instant::now(),
        }
    }

    fn forget(&mut self, now: Instant) {
        if self.known.len() > REMEMBERED || now.duration_since(self.since) >= FRESH {
            self.known.clear();
            self.since = now;
        }
    }

    /// Finds out whom rows name, all at once; each of them is [settled](Self::settle) then.
    pub(super) fn learn<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a ImportRow>,
    ) -> Result<(), StoreError> {
        self.forget(Instant::now());
        let named = rows.filter_map(|row| row.owner_named.as_ref());
        let (keys, names): (Vec<String>, Vec<OwnerName>) = named
            .map(|(_, name)| (name.key(), name.clone()))
            .filter(|(key, _)| !self.known.contains_key(key))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .unzip();
        if names.is_empty() {
            return Ok(());
        }
        let found = find_members(&*self.owners, self.organization, &names);
        let found = self.runtime.block_on(found)?;
        self.known.extend(keys.into_iter().zip(found));
        Ok(())
    }

    /// Puts the member in the place of the name.
    pub(super) fn settle(&self, row: &mut ImportRow) -> Result<(), BadCell> {
        let Some((column, name)) = row.owner_named.take() else {
            return Ok(());
        };
        let member = self.known.get(&name.key()).copied().flatten();
        row.owner = Some(Some(member.ok_or_else(|| BadCell {
            column,
            reason: InvalidValue::NotAMember.to_string(),
            field: None,
        })?));
        Ok(())
    }
}

/// Asks who the members are, again if it fails: whoever answers may be away for a moment.
pub(super) async fn find_members(
    owners: &dyn Owners,
    organization: OrganizationId,
    names: &[OwnerName],
) -> Result<Vec<Option<UserId>>, StoreError> {
    let mut attempt = 1;
    loop {
        match owners.find(organization, names).await {
            Ok(found) => return Ok(found),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => {
                warn!(
                    attempt,
                    error = &error as &dyn std::error::Error,
                    "the members of an organisation could not be looked up, to be tried again"
                );
            }
        }
        tokio::time::sleep(pause_after(attempt)).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use uuid::Uuid;

    use super::*;

    /// Fails the first time, then knows everybody by id once, and then nobody.
    #[derive(Default)]
    struct Leaving(AtomicUsize);

    #[async_trait]
    impl Owners for Leaving {
        async fn find(
            &self,
            _: OrganizationId,
            names: &[OwnerName],
        ) -> Result<Vec<Option<UserId>>, StoreError> {
            let asked = self.0.fetch_add(1, Ordering::SeqCst);
            let member = |name: &OwnerName| match name {
                OwnerName::Id(id) if asked == 1 => Some(*id),
                _ => None,
            };
            if asked == 0 {
                return Err(StoreError::backend("away"));
            }
            Ok(names.iter().map(member).collect())
        }
    }

    #[tokio::test]
    async fn who_is_a_member_is_asked_again_after_a_while() {
        let organization = OrganizationId::from_uuid(Uuid::from_u128(1));
        let member = UserId::from_uuid(Uuid::from_u128(2));
        let mut owners = RowOwners::of(organization, Arc::new(Leaving::default()));
        let work = move || {
            let settled = |owners: &mut RowOwners| {
                let mut row = ImportRow::new(2);
                row.owner_named = Some((0, OwnerName::Id(member)));
                owners.learn(std::iter::once(&row)).unwrap();
                owners.settle(&mut row).map(|()| row.owner)
            };
            assert_eq!(settled(&mut owners), Ok(Some(Some(member))));
            owners.forget(owners.since + FRESH / 2);
            assert_eq!(settled(&mut owners), Ok(Some(Some(member))));
            owners.forget(owners.since + FRESH);
            assert_eq!(settled(&mut owners).unwrap_err().column, 0);
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    }
}
