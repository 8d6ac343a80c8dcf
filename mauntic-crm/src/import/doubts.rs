//! Cells that cannot be values of their fields, but that may be what is stored all the same: an option that was taken
//! off a field stays with the contacts that have it, and comes back with an export of them.

use std::{collections::HashMap, sync::Arc};

use mauntic_core::{OrganizationId, StoreError};
use tokio::runtime::Handle;
use tracing::warn;

use super::{
    CsvError, Import, ImportPlan,
    batch::Complaint,
    guard::unguarded,
    preview::contacts_of,
    reader::Values,
    row::{BadCell, ImportRow},
    run::{ATTEMPTS, pause_after},
};
use crate::{Contact, CrmStore, Field};

/// Whether a row can be imported depends on what is stored.
pub(super) struct Doubt {
    /// What stands in the bad cells, by the numbers of their fields.
    cells: Vec<(usize, String)>,
    /// What is said of the row if something else is stored.
    pub(super) complaint: Complaint,
}

impl Doubt {
    /// About bad cells that are all to be values of fields.
    pub(super) fn new(cells: &[BadCell], values: Values<'_>, complaint: Complaint) -> Self {
        let cells = cells.iter().filter_map(|cell| {
            let text = unguarded(values.get(cell.column).trim());
            Some((cell.field?, text.to_owned()))
        });
        Self {
            cells: cells.collect(),
            complaint,
        }
    }

    /// Whether the contact has the very values that the cells say.
    pub(super) fn is_settled_by(&self, contact: Option<&Contact>, fields: &[Field]) -> bool {
        contact.is_some_and(|contact| {
            self.cells.iter().all(|(field, cell)| {
                let stored = contact.value(fields[*field].alias.as_str());
                stored.is_some_and(|stored| stored.to_string() == *cell)
            })
        })
    }
}

/// Looks contacts up that rows are about. Blocking: only for threads that may block.
pub(super) struct StoredContacts {
    store: Arc<dyn CrmStore>,
    organization: OrganizationId,
    plan: ImportPlan,
    runtime: Handle,
}

impl StoredContacts {
    /// For an import. Within a Tokio runtime.
    pub(super) fn of(import: &Import, store: Arc<dyn CrmStore>) -> Self {
        Self {
            store,
            organization: import.organization_id,
            plan: import.plan.clone(),
            runtime: Handle::current(),
        }
    }

    /// The contacts that rows are about, by the keys of the rows.
    pub(super) fn find<'a>(
        &self,
        rows: impl Iterator<Item = &'a ImportRow>,
    ) -> Result<HashMap<String, Contact>, CsvError> {
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let found = again(async || self.look_up(&rows).await);
        self.runtime.block_on(found).map_err(CsvError::Store)
    }

    async fn look_up(&self, rows: &[&ImportRow]) -> Result<HashMap<String, Contact>, StoreError> {
        let ids = contacts_of(&*self.store, self.organization, &self.plan, rows).await?;
        let wanted: Vec<_> = ids.values().copied().collect();
        let contacts = self
            .store
            .contacts()
            .find_many(self.organization, &wanted)
            .await?;
        let contacts: HashMap<_, _> = contacts
            .into_iter()
            .map(|contact| (contact.id(), contact))
            .collect();
        let found = ids.into_iter().filter_map(|(key, id)| {
            let contact = contacts.get(&id)?;
            Some((key, contact.clone()))
        });
        Ok(found.collect())
    }
}

/// Looks up, again if it fails: the database may be away for a moment.
async fn again<T>(look_up: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut attempt = 1;
    loop {
        match look_up().await {
            Ok(found) => return Ok(found),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(error) => {
                warn!(
                    attempt,
                    error = &error as &dyn std::error::Error,
                    "the contacts of an import could not be looked up, to be tried again"
                );
            }
        }
        tokio::time::sleep(pause_after(attempt)).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_looked_up_at_once_is_looked_up_again() {
        let asked = AtomicU32::new(0);
        let look_up = async |failures: u32| {
            if asked.fetch_add(1, Ordering::SeqCst) < failures {
                return Err(StoreError::backend("away"));
            }
            Ok(7)
        };
        assert_eq!(again(async || look_up(1).await).await.unwrap(), 7);
        assert_eq!(asked.swap(0, Ordering::SeqCst), 2);
        assert!(again(async || look_up(u32::MAX).await).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), ATTEMPTS);
    }
}
