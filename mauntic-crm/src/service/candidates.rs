use std::{cmp::Reverse, collections::BTreeSet};

use mauntic_core::{Actor, ContactId, Permission};

use super::ContactService;
use crate::{Contact, CrmError, Likeness};

/// How many are found of each kind of likeness.
const EACH: u64 = 20;
/// How many are returned.
const MOST: usize = 20;

/// Another record that is probably of the same person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeCandidate {
    /// The record.
    pub contact: Contact,
    /// Why.
    pub because: BTreeSet<Likeness>,
}

impl ContactService {
    /// Other records that are probably of the same person as a contact, the likeliest first; up to 20. What makes them
    /// so is said at [`Likeness`].
    ///
    /// # Errors
    /// [`CrmError::ContactNotFound`].
    pub async fn merge_candidates(
        &self,
        actor: &Actor,
        id: ContactId,
    ) -> Result<Vec<MergeCandidate>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let contact = self.get(actor, id).await?;
        let found = self.store.contacts().alike(organization, &contact, EACH);
        let found = found.await?.into_iter().map(|other| MergeCandidate {
            because: contact.likeness(&other),
            contact: other,
        });
        let mut found: Vec<_> = found.filter(|other| !other.because.is_empty()).collect();
        found.sort_by_key(|other| {
            let changed = other.contact.parts().updated_at;
            (Reverse((other.because.len(), changed)), other.contact.id())
        });
        found.truncate(MOST);
        Ok(found)
    }
}
