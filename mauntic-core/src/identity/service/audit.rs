use async_trait::async_trait;

use super::super::{AuditEntry, AuditFilter, AuditLog, IdentityError, IdentityService};
use crate::{
    Actor, AuditEntryId, Change, ChangeMade, Envelope, Page, PageSize, Permission, StoreError,
};

impl IdentityService {
    /// A page of the changes that people made in the organisation and that fit, the newest first.
    pub async fn audit_log(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        before: Option<AuditEntryId>,
        size: PageSize,
    ) -> Result<Page<AuditEntry, AuditEntryId>, IdentityError> {
        let organization = actor.require(Permission::AuditRead)?;
        let log = self.store.audit();
        Ok(log.list(organization, filter, before, size).await?)
    }

    /// Keeps what an event tells somebody changed in a context. The entry has the id of the event, so that it is kept
    /// once however often the event comes.
    pub async fn apply_change(
        &self,
        envelope: &Envelope,
        made: ChangeMade,
    ) -> Result<(), IdentityError> {
        let entry = AuditEntry::told(envelope, made);
        let mut uow = self.store.begin().await?;
        uow.audit().append(&entry).await?;
        uow.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl AuditLog for IdentityService {
    async fn record(&self, actor: &Actor, change: Change) -> Result<(), StoreError> {
        let entry = AuditEntry::new(change, actor, self.clock.now(), &*self.ids);
        let mut uow = self.store.begin().await?;
        uow.audit().append(&entry).await?;
        uow.commit().await
    }
}
