use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    super::{
        AuditEntry, AuditFilter, AuditLog, IdentityError, IdentityService, IdentityUnitOfWork,
        Membership,
    },
    calling,
};
use crate::{
    Actor, AuditEntryId, Change, ChangeMade, Envelope, Page, PageSize, Permission, StoreError,
    UserId,
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

impl IdentityService {
    /// Notes what users did to their account in every organisation that they are a member of, with where it came from.
    pub(super) async fn audit_from(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        user: UserId,
        address: Option<IpAddr>,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let user_there = |place: &Membership| {
            let actor = Actor::user(place.organization_id, user, place.role);
            calling(actor, address)
        };
        self.audit_everywhere(uow, user, user_there, change, now)
            .await
    }

    /// As [`audit_from`](Self::audit_from), of what the operator did, or a stranger.
    pub(super) async fn audit_by_nobody(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        user: UserId,
        address: Option<IpAddr>,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let nobody_there =
            |place: &Membership| calling(Actor::system(place.organization_id), address);
        self.audit_everywhere(uow, user, nobody_there, change, now)
            .await
    }

    async fn audit_everywhere(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        user: UserId,
        actor_in: impl Fn(&Membership) -> Actor + Send,
        change: &Change,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        for place in uow.memberships().of_user(user).await? {
            self.audit(uow, &actor_in(&place), change.clone(), now)
                .await?;
        }
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
