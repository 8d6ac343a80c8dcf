use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tracing::info;

use super::super::{
    Change, DeletionPlanned, Erasure, Errand, IdentityError, IdentityService, IdentityUnitOfWork,
    LoggedIn, Organization, Password, Subject,
};
use crate::{Actor, Operator, OrganizationId, Page, PageSize, Permission, Principal, WorkerId};

/// How long a worker that erases is believed alive after its last sign of life.
const LEASE: TimeDelta = TimeDelta::minutes(1);

/// That somebody wants the organisation deleted, and means it.
#[derive(Debug, Clone)]
pub struct RequestDeletion {
    /// The name of the organisation, typed by who asks.
    pub name: String,
    /// The user who asks; `None` for a program with a token.
    pub who: Option<LoggedIn>,
    /// The user's password; whoever has none must have logged in a moment ago.
    pub password: Option<Password>,
}

impl IdentityService {
    /// Has the actor's organisation deleted after the installation's time of grace. Until then its members look and
    /// export, nothing is changed or sent, and an owner can [take it back](Self::restore_organization). What is to be
    /// deleted already keeps its date.
    ///
    /// # Errors
    /// [`IdentityError::NameDiffers`]; [`IdentityError::WrongPassword`]; [`IdentityError::LogInAgain`];
    /// [`IdentityError::TooManyFailures`].
    #[tracing::instrument(skip_all)]
    pub async fn request_deletion(
        &self,
        actor: &Actor,
        command: RequestDeletion,
    ) -> Result<Organization, IdentityError> {
        let id = actor.require(Permission::OrganizationDelete)?;
        let found = self.store.organizations().find(id).await?;
        let found = found.ok_or(IdentityError::OrganizationNotFound(id))?;
        if command.name.trim() != found.name.as_str() {
            return Err(IdentityError::NameDiffers);
        }
        if let Principal::User { id } = actor.principal() {
            let who = command.who.filter(|who| who.user.id == id);
            let who = who.ok_or(IdentityError::WrongPassword)?;
            self.check_owner_is_there(&who, command.password).await?;
        }
        self.plan_deletion(actor, self.grace).await
    }

    /// Has an organisation deleted after a time of the operator's choice.
    #[tracing::instrument(skip_all)]
    pub async fn delete_organization(
        &self,
        _: &Operator,
        id: OrganizationId,
        after: TimeDelta,
    ) -> Result<Organization, IdentityError> {
        let planned = self.plan_deletion(&Actor::system(id), after).await?;
        info!(organization.id = %id, "the operator has an organisation deleted");
        Ok(planned)
    }

    /// Keeps the actor's organisation after all.
    ///
    /// # Errors
    /// [`IdentityError::ErasureBegun`] if its time is over and its data is being erased.
    #[tracing::instrument(skip_all)]
    pub async fn restore_organization(&self, actor: &Actor) -> Result<Organization, IdentityError> {
        let id = actor.require(Permission::OrganizationDelete)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.organizations().find_for_update(id).await?;
        let mut organization = found.ok_or(IdentityError::OrganizationNotFound(id))?;
        if let Some(deletion) = organization.keep()? {
            uow.organizations().update(&organization).await?;
            let subject = Subject::new("organization", id);
            let change = Change::new("organization.restored", subject).from(json!(deletion));
            self.audit(&mut *uow, actor, change, now).await?;
            self.tell_owners(&mut *uow, actor, None, now).await?;
            uow.commit().await?;
            info!(organization.id = %id, "the deletion of an organisation was taken back");
        }
        Ok(organization)
    }

    /// A page of the organisations that were erased, in the order of their ids.
    pub async fn erasures(
        &self,
        _: &Operator,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Erasure, OrganizationId>, IdentityError> {
        Ok(self.store.erasures().list(after, size).await?)
    }

    /// Takes an organisation whose time is over, for a minute. The worker that has it goes on with it.
    pub async fn claim_erasure(
        &self,
        worker: WorkerId,
    ) -> Result<Option<OrganizationId>, IdentityError> {
        let now = self.clock.now();
        let erasures = self.store.erasures();
        Ok(erasures.claim(worker, now, now + LEASE).await?)
    }

    /// Deletes some of what Identity has of an organisation that is erased; returns how many rows, 0 once nothing is
    /// left but the organisation itself.
    pub async fn erase_some(
        &self,
        organization: OrganizationId,
        limit: u64,
    ) -> Result<u64, IdentityError> {
        let erasures = self.store.erasures();
        Ok(erasures.erase_some(organization, limit).await?)
    }

    /// Deletes the organisation itself, of which no context has anything left, and notes that it was erased.
    #[tracing::instrument(skip_all)]
    pub async fn finish_erasure(&self, organization: OrganizationId) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.store.erasures().finish(organization, now).await?;
        info!(organization.id = %organization, "an organisation was erased");
        Ok(())
    }

    async fn plan_deletion(
        &self,
        actor: &Actor,
        after: TimeDelta,
    ) -> Result<Organization, IdentityError> {
        let id = actor.organization_id();
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.organizations().find_for_update(id).await?;
        let mut organization = found.ok_or(IdentityError::OrganizationNotFound(id))?;
        let due_at = now + after.max(TimeDelta::zero());
        if organization.delete_at(due_at, actor.principal(), now) {
            uow.organizations().update(&organization).await?;
            let subject = Subject::new("organization", id);
            let change = Change::new("organization.deletion_requested", subject)
                .to(json!({"due_at": due_at}));
            self.audit(&mut *uow, actor, change, now).await?;
            self.tell_owners(&mut *uow, actor, Some(due_at), now)
                .await?;
            uow.commit().await?;
        }
        Ok(organization)
    }

    /// Writes to all owners, so that one of them can take back what another, or a stolen session, began.
    async fn tell_owners(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        due_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let organization_id = actor.organization_id();
        let owners = uow.memberships().owners(organization_id).await?;
        let planned = DeletionPlanned {
            due_at,
            by: actor.principal(),
            owners: owners.clone(),
        };
        self.publish(uow, organization_id, &planned, now).await?;
        for user_id in owners {
            let errand = Errand::Deletion {
                organization_id,
                user_id,
                due_at,
            };
            self.queue(uow, errand, now).await?;
        }
        Ok(())
    }
}
