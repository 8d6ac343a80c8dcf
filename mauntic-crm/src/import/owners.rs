use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use mauntic_core::{OrganizationId, UserId};
use tokio::runtime::Handle;

use super::row::{BadCell, ImportRow};
use crate::{InvalidValue, OwnerName, Owners};

/// How many names are remembered before all are forgotten.
const REMEMBERED: usize = 10_000;

/// Knows the members that rows name as owners. Blocking: only for threads that may block.
pub(crate) struct RowOwners {
    owners: Arc<dyn Owners>,
    organization: OrganizationId,
    runtime: Handle,
    known: HashMap<String, Option<UserId>>,
}

impl RowOwners {
    /// Of that organisation. Within a Tokio runtime.
    pub(crate) fn of(organization: OrganizationId, owners: Arc<dyn Owners>) -> Self {
        Self {
            owners,
            organization,
            runtime: Handle::current(),
            known: HashMap::new(),
        }
    }

    /// Finds out whom rows name, all at once; each of them is [settled](Self::settle) then.
    pub(super) fn learn<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a ImportRow>,
    ) -> io::Result<()> {
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
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
        let found = self.owners.find(self.organization, &names);
        let found = self.runtime.block_on(found).map_err(io::Error::other)?;
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
        })?));
        Ok(())
    }
}
