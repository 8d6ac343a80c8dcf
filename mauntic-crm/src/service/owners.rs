use mauntic_core::{Envelope, UserId};

use super::{ContactService, batch::MAX_BATCH};
use crate::CrmError;

impl ContactService {
    /// Does what follows when a user leaves an organisation: the contacts that the user owned have no owner any more.
    /// Each batch of them is a transaction of its own; those that somebody else was given meanwhile stay as they are, so
    /// that doing it again does nothing.
    pub async fn apply_owner_gone(
        &self,
        envelope: &Envelope,
        owner: UserId,
    ) -> Result<(), CrmError> {
        let organization = envelope.organization_id;
        let fields = self.fields(organization).await?;
        let writing = self.writing_because(envelope, "system", &fields);
        let contacts = self.store.contacts();
        let mut after = None;
        loop {
            let ids = contacts
                .owned_by(organization, owner, after, MAX_BATCH)
                .await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = Some(*last);
            self.edit(&writing, &ids, |_, contact, changes| {
                if contact.parts().owner == Some(owner) {
                    contact.set_owner(None, changes);
                }
                Ok(())
            })
            .await?;
        }
    }
}
