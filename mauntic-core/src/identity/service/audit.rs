use async_trait::async_trait;

use super::super::{AuditEntry, AuditFilter, AuditLog, Change, IdentityError, IdentityService};
use crate::{Actor, AuditEntryId, Page, PageSize, Permission, StoreError};

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
}

#[async_trait]
impl AuditLog for IdentityService {
    async fn record(&self, actor: &Actor, change: Change) -> Result<(), StoreError> {
        let entry = change.made_by(actor, self.clock.now(), &*self.ids);
        let mut uow = self.store.begin().await?;
        uow.audit().append(&entry).await?;
        uow.commit().await
    }
}
